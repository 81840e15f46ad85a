"""Features for an extract that nobody has described."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.automatic import LEAST_EVENTS, LEAST_IN_CATEGORY, derive_features
from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.definitions import CLOCK_READS, Read, Scope
from feature_store.events import NO_SPELL, NO_TIME, Events, concatenate
from feature_store.manifest import Clock
from feature_store.nhs import NHS
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import OUTCOME_FAMILIES, family_of

START = 20_000 * DAY
SPELLS = 200


def one_each(code, *, value=None, hour=1, every=1, repeat=1):
    """Return events of one family, `repeat` for every `every`-th spell, an hour apart."""
    spell = np.repeat(np.arange(0, SPELLS, every), repeat)
    turn = np.tile(np.arange(repeat), spell.size // repeat)
    codes = [
        code(int(one), int(two)) if callable(code) else code
        for one, two in zip(spell, turn, strict=True)
    ]
    return Events.build(
        subject_id=spell,
        time=START + (hour + turn) * HOUR,
        code=codes,
        numeric_value=None if value is None else [value(int(one)) for one in spell],
        spell_id=spell,
    )


def asked():
    spell = np.arange(SPELLS)
    return Snapshots(spell, spell, np.full(SPELLS, START), np.full(SPELLS, START + DAY))


def derive(*parts, **more):
    starts = one_each("SPELL_START", hour=0)
    return derive_features(concatenate([starts, *parts]), asked(), **more)


def named(features):
    return {feature.name: feature for feature in features.features}


def test_a_number_taken_once_gives_its_value():
    found = named(derive(one_each("WEIGHT", value=float)))
    assert set(found) == {"weight"}
    assert (found["weight"].read, found["weight"].scope) == (Read.LATEST, Scope.SPELL)


def test_a_number_taken_often_gives_its_course_and_its_timing():
    taken = one_each(
        "PULSE",
        value=lambda spell: spell + np.random.default_rng(spell).random(),
        every=2,
        repeat=3,
    )
    moving = Events.build(
        subject_id=taken.subject_id,
        time=taken.time + (taken.subject_id % 7) * HOUR,
        code=["PULSE"] * len(taken),
        numeric_value=taken.numeric_value + np.tile([0, 1, 2], len(taken) // 3),
        spell_id=taken.spell_id,
    )
    found = named(derive(moving))
    assert {"pulse", "pulse_minimum", "pulse_maximum", "pulse_hours_since", "pulse_count"} <= set(
        found
    )
    assert found["pulse_count_24h"].window_hours == 24.0


def test_a_value_gives_one_category_commonest_first_and_rare_ones_are_other():
    found = named(
        derive(
            one_each(
                lambda spell, _: "TEAM//b" if spell % 3 else ("TEAM//a" if spell else "TEAM//rare")
            )
        )
    )
    assert found["team"].categories == ("b", "a")
    assert found["team"].categorical


@pytest.mark.parametrize("kept", [False, True])
def test_a_flag_needs_more_events_than_a_category(kept):
    least = LEAST_EVENTS if kept else LEAST_EVENTS - 1
    drugs = one_each(
        lambda spell, turn: f"DRUG//{'few' if spell < least and not turn else turn}", repeat=2
    )
    assert ("drug__few" in named(derive(drugs))) == kept


@pytest.mark.parametrize(
    ("count", "kept"), [(LEAST_IN_CATEGORY - 1, False), (LEAST_IN_CATEGORY, True)]
)
def test_a_category_needs_enough_events(count, kept):
    found = named(derive(one_each(lambda spell, _: "TEAM//few" if spell < count else "TEAM//many")))
    assert ("few" in found["team"].categories) == kept


def test_many_values_at_once_give_flags_and_a_count():
    drugs = one_each(lambda spell, turn: f"DRUG//{(spell + turn * turn) % 4}", repeat=3)
    found = named(derive(drugs))
    assert {"drug__0", "drug__1", "drug__2", "drug__3"} <= set(found)
    assert "drug" not in found


def test_each_measurement_of_a_family_stands_alone():
    labs = one_each(lambda _, turn: f"LAB//{('sodium', 'urea')[turn]}", value=float, repeat=2)
    found = named(derive(labs, labels={"LAB//urea": ("Urea in blood", "mmol/L")}))
    assert {"lab__sodium", "lab__urea"} <= set(found)
    assert (found["lab__urea"].label, found["lab__urea"].unit) == ("Urea in blood", "mmol/L")
    assert found["lab__sodium"].label == "Lab: sodium"


@pytest.mark.parametrize("family", sorted(OUTCOME_FAMILIES))
def test_the_end_of_a_spell_is_never_read_from_it(family):
    varied = [
        one_each(lambda spell, _: f"{family}//{spell % 2}"),
        one_each(family, value=float, every=2),
    ]
    found = derive(*varied)
    for feature in found.features:
        assert feature.scope is Scope.HISTORY or family_of(feature.codes[0]) != family


def test_nothing_is_derived_from_protected_families():
    assert named(derive(one_each(lambda spell, _: f"ETHNICITY//{'AZ'[spell % 2]}"))) == {}


def test_facts_of_a_person_are_one_category_though_they_belong_to_no_spell():
    spell = np.arange(SPELLS)
    known = Events.build(
        subject_id=spell,
        time=np.full(SPELLS, NO_TIME),
        code=[f"ACCOMMODATION//{'AZ'[one % 2]}" for one in spell],
    )
    assert derive(known).names == ("accommodation",)


def test_what_never_varies_or_is_never_there_is_left_out():
    constant = one_each("CONSTANT", value=lambda _: 4.0)
    too_late = one_each("LATE", value=float, hour=48)
    assert len(derive(constant, too_late)) == 0


def test_presence_alone_tells_something():
    assert "sometimes" in named(derive(one_each("SOMETIMES", value=lambda _: 4.0, every=2)))


def test_described_features_come_first_and_their_families_are_not_derived():
    news = one_each("NEWS2", value=float)
    weight = one_each("WEIGHT", value=float)
    found = derive(news, weight, described=NHS)
    assert found.names[0] == "news2_latest"
    assert found.names[-1] == "weight"
    assert sum("NEWS2" in feature.codes for feature in found.features) == len(
        [name for name in found.names if name.startswith("news2")]
    )


@pytest.mark.parametrize("clock", [Clock.DAYS, Clock.ORDER])
def test_without_a_clock_nothing_is_read_from_one(clock):
    news = one_each("NEWS2", value=float, repeat=2)
    found = derive(news, clock=clock, described=NHS)
    assert not {feature.read for feature in found.features} & (CLOCK_READS - {Read.DAYS_SO_FAR})


def test_a_derived_feature_of_the_past_reads_only_the_past():
    earlier = Events.build(
        subject_id=np.arange(SPELLS),
        time=np.full(SPELLS, START - 9 * DAY),
        code=["WEIGHT"] * SPELLS,
        numeric_value=np.arange(SPELLS),
        spell_id=np.full(SPELLS, NO_SPELL),
    )
    found = named(derive(earlier))
    assert set(found) == {"weight_before"}


def test_codes_that_differ_in_punctuation_alone_keep_names_of_their_own():
    codes = ("A-B", "A_B", "A_B__2")
    found = derive(*(one_each(code, value=float) for code in codes))
    assert {feature.codes for feature in found.features} == {(code,) for code in codes}
    assert len(set(found.names)) == len(codes)


@given(st.integers(0, 2**32))
def test_any_data_gives_features_that_compute_and_vary(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 400))
    names = [
        "X",
        "X//1",
        "Y//a",
        "Y//b",
        "Z",
        "SPELL_START",
        "SPELL_END",
        "SEX//1",
        "//",
        "//x",
        "W//",
    ]
    spell = rng.integers(0, SPELLS, size)
    events = Events.build(
        subject_id=spell,
        time=START + rng.integers(-50, 50, size) * HOUR,
        code=rng.choice(names, size).tolist(),
        numeric_value=np.where(rng.random(size) < 0.5, np.nan, rng.integers(0, 5, size)),
        spell_id=np.where(rng.random(size) < 0.2, NO_SPELL, spell),
    )
    for clock in Clock:
        found = derive_features(events, asked(), clock=clock, described=NHS)
        matrix = compute_features(events, asked(), found)
        assert all(len(np.unique(column)) > 1 for column in matrix.T)
        assert derive_features(events, asked(), clock=clock, described=NHS) == found


def test_no_data_no_features():
    none = Events.build(subject_id=[], time=[], code=[])
    assert len(derive_features(none, asked().take(np.zeros(0, np.intp)))) == 0
