"""What a feature may be."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.definitions import CLOCK_READS, Feature, FeatureSet, Kind, Read, Scope
from feature_store.errors import BadInput
from feature_store.nhs import NHS
from feature_store.vocabulary import OUTCOME_FAMILIES

NEWS2 = Feature(name="news2", label="NEWS2", read=Read.LATEST, codes=("NEWS2",), unit="points")
WARD = Feature(
    name="ward", label="Ward", read=Read.CATEGORY, codes=("WARD",), categories=("A", "B")
)

FEATURES = st.builds(
    Feature,
    name=st.text(min_size=1),
    label=st.text(),
    read=st.sampled_from([Read.LATEST, Read.COUNT, Read.CHANGE]),
    codes=st.lists(st.sampled_from(["NEWS2", "WARD//A", "LOCAL"]), min_size=1, max_size=3).map(
        tuple
    ),
    scope=st.sampled_from(Scope),
    window_hours=st.one_of(st.none(), st.floats(0.5, 10_000)),
    unit=st.text(max_size=5),
    kind=st.sampled_from(Kind),
    actionable=st.booleans(),
    protected=st.booleans(),
)


@pytest.mark.parametrize("family", sorted(OUTCOME_FAMILIES))
@pytest.mark.parametrize("code", ["{}", "{}//1"])
@pytest.mark.parametrize("scope", [Scope.SPELL, Scope.ANY])
def test_no_fact_of_the_end_of_a_spell_is_a_feature_of_that_spell(family, code, scope):
    with pytest.raises(BadInput, match=family):
        replace(NEWS2, codes=("NEWS2", code.format(family)), scope=scope)
    earlier = replace(NEWS2, codes=(code.format(family),), scope=Scope.HISTORY)
    assert earlier.scope is Scope.HISTORY


@pytest.mark.parametrize("read", sorted(CLOCK_READS))
def test_the_clock_reads_no_events(read):
    Feature(name="x", label="x", read=read)
    with pytest.raises(BadInput, match="none for reads of the clock"):
        Feature(name="x", label="x", read=read, codes=("NEWS2",))


@pytest.mark.parametrize("read", sorted(set(Read) - CLOCK_READS - {Read.CATEGORY}))
def test_events_are_read_from_codes(read):
    with pytest.raises(BadInput, match="codes expected"):
        Feature(name="x", label="x", read=read)


def test_categories_belong_to_the_read_category():
    with pytest.raises(BadInput, match="categories expected"):
        replace(WARD, categories=())
    with pytest.raises(BadInput, match="categories expected"):
        replace(NEWS2, categories=("1",))


def test_names_are_unique_in_a_set():
    with pytest.raises(BadInput, match="found twice: news2"):
        FeatureSet((NEWS2, WARD, NEWS2))


@pytest.mark.parametrize(
    ("feature", "value", "says"),
    [
        (NEWS2, 6.0, "6 points"),
        (NEWS2, 6.25, "6.25 points"),
        (NEWS2, float("nan"), ""),
        (WARD, 1.0, "B"),
        (WARD, 2.0, "other"),
        (WARD, float("nan"), ""),
    ],
)
def test_a_value_is_described_as_a_person_would_read_it(feature, value, says):
    assert feature.describe(value) == says


@given(st.lists(FEATURES, unique_by=lambda feature: feature.name, max_size=4))
def test_a_set_survives_json(features):
    declared = FeatureSet(tuple(features))
    again = FeatureSet.from_json(declared.to_json())
    assert again == declared
    assert again.hash == declared.hash


@pytest.mark.parametrize(
    "change",
    [
        {"label": "another"},
        {"window_hours": 24.0},
        {"scope": Scope.ANY},
        {"read": Read.MAXIMUM},
        {"codes": ("CFS",)},
        {"protected": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_notices_any_change_and_any_order(change):
    declared = FeatureSet((NEWS2, WARD))
    assert FeatureSet((replace(NEWS2, **change), WARD)).hash != declared.hash
    assert FeatureSet((WARD, NEWS2)).hash != declared.hash


def test_the_hash_is_the_same_in_another_process():
    code = "from feature_store.nhs import NHS; print(NHS.hash)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == NHS.hash


@pytest.mark.parametrize(
    "damage",
    [
        {"read": "guess"},
        {"scope": "everywhere"},
        {"kind": "magic"},
        {"colour": "red"},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_json_with_other_words_is_refused(damage):
    row = FeatureSet((NEWS2,)).to_json()[0]
    with pytest.raises(BadInput, match="rows with the keys"):
        FeatureSet.from_json([row | damage])
    with pytest.raises(BadInput, match="rows with the keys"):
        FeatureSet.from_json([{key: row[key] for key in row if key != "read"}])


def test_a_leak_cannot_come_in_through_json_either():
    row = FeatureSet((NEWS2,)).to_json()[0] | {"codes": ["SPELL_END"]}
    with pytest.raises(BadInput, match="end of a spell"):
        FeatureSet.from_json([row])


def test_columns_of_a_set():
    both = FeatureSet((NEWS2, WARD))
    assert both.names == ("news2", "ward")
    assert both.categorical == (1,)
    assert both.take([1]).names == ("ward",)
    assert len(both.take([])) == 0
