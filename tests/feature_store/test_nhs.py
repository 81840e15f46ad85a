"""The NHS feature set: in ward words, complete where a hub looks, silent where it must be."""

import pytest

from feature_store.definitions import CLOCK_READS, Read, Scope
from feature_store.nhs import NHS
from feature_store.vocabulary import (
    FAMILIES,
    OUTCOME_FAMILIES,
    PROTECTED_FAMILIES,
    Shape,
    family_of,
    value_of,
)

EVERY = pytest.mark.parametrize("feature", NHS.features, ids=NHS.names)


@EVERY
def test_every_feature_can_be_told_to_a_person(feature):
    assert feature.name.isidentifier()
    assert feature.name == feature.name.lower()
    assert feature.label[0].isupper() or feature.label[0].isdigit()
    assert feature.missing
    assert not feature.actionable or feature.action
    assert not feature.action or feature.actionable


@EVERY
def test_every_code_is_a_word_of_the_vocabulary(feature):
    for code in feature.codes:
        family = FAMILIES[family_of(code)]
        assert not value_of(code) or value_of(code) in family.values


@EVERY
def test_a_feature_is_protected_exactly_where_its_family_is(feature):
    families = {family_of(code) for code in feature.codes}
    assert feature.protected == bool(families & PROTECTED_FAMILIES)


@EVERY
def test_the_end_of_a_spell_is_read_from_earlier_spells_only(feature):
    if {family_of(code) for code in feature.codes} & OUTCOME_FAMILIES:
        assert feature.scope is Scope.HISTORY


@EVERY
def test_a_read_fits_the_shape_of_what_is_read(feature):
    shapes = {FAMILIES[family_of(code)].shape for code in feature.codes}
    if feature.read is Read.CATEGORY:
        assert shapes == {Shape.VALUE}
        values = FAMILIES[feature.codes[0]].values
        assert not values or set(feature.categories) <= set(values)
    elif feature.read not in CLOCK_READS | {Read.COUNT, Read.HOURS_SINCE}:
        assert shapes == {Shape.NUMBER}
    if shapes == {Shape.NUMBER} and feature.read in {Read.LATEST, Read.MAXIMUM, Read.MINIMUM}:
        assert (
            feature.unit == FAMILIES[feature.codes[0]].unit.split(",")[0]
            or feature.unit == "nights"
        )


@pytest.mark.parametrize(
    "family", ["NEWS2", "CFS", "AGE", "ADMISSION_METHOD", "SPECIALTY", "FOUR_AT"]
)
def test_what_a_hub_looks_for_first_is_there(family):
    assert any(family in feature.codes for feature in NHS.features)


@pytest.mark.parametrize("family", ["ETHNICITY", "DEPRIVATION_DECILE", "EXPECTED_DISCHARGE"])
def test_what_is_judged_or_compared_with_is_not_learnt_from(family):
    assert not any(family in feature.codes for feature in NHS.features)


def test_elapsed_stay_is_a_feature():
    assert "days_so_far" in NHS.names


def test_a_label_is_said_once():
    labels = [feature.label for feature in NHS.features]
    assert sorted(labels) == sorted(set(labels))
