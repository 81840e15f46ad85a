"""The words: consistent with each other, and with the NHS Data Dictionary where it matters."""

import pytest

from feature_store.vocabulary import (
    ADMISSION_METHODS,
    DEATH,
    DISCHARGE_DESTINATIONS,
    ELECTIVE_METHODS,
    EMERGENCY_METHODS,
    FAMILIES,
    INTENDED_PURPOSE,
    LONG_STAY_DAYS,
    OUTCOME_FAMILIES,
    PROTECTED_FAMILIES,
    SPELL_END,
    SPELL_START,
    Availability,
    Shape,
    family_of,
    value_of,
)

EVERY = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))


@EVERY
def test_a_family_is_spelt_as_a_code(family):
    assert FAMILIES[family.name] is family
    assert family.name == family.name.upper()
    assert "//" not in family.name
    assert family.label
    assert family.source


@EVERY
def test_only_numbers_have_units_and_ranges_and_only_values_have_value_sets(family):
    if family.shape is Shape.NUMBER:
        assert family.unit
        assert family.low < family.high
    else:
        assert not family.unit
    assert not family.values or family.shape is Shape.VALUE


@EVERY
def test_what_belongs_to_the_end_is_not_known_at_the_door(family):
    if family.outcome:
        assert family.availability is not Availability.ADMISSION


@pytest.mark.parametrize(
    "name",
    [
        "SPELL_END",
        "DISCHARGE_METHOD",
        "DISCHARGE_DESTINATION",
        "DISCHARGE_READY",
        "EXPECTED_DISCHARGE",
    ],
)
def test_discharge_facts_are_outcomes(name):
    assert name in OUTCOME_FAMILIES


@pytest.mark.parametrize("name", ["SEX", "ETHNICITY", "DEPRIVATION_DECILE", "INTERPRETER"])
def test_protected_attributes_and_their_stand_ins(name):
    assert name in PROTECTED_FAMILIES


@pytest.mark.parametrize("name", ["DIAGNOSIS", "PROCEDURE"])
def test_final_coding_is_known_only_after_discharge(name):
    assert FAMILIES[name].availability is Availability.AFTER_DISCHARGE


def test_death_is_a_value_of_the_discharge_method():
    assert FAMILIES[family_of(DEATH)].values[value_of(DEATH)] == "died"
    assert DISCHARGE_DESTINATIONS["79"] == "patient died"


def test_emergencies_and_electives_are_admission_methods_and_nothing_is_both():
    assert set(ADMISSION_METHODS) >= EMERGENCY_METHODS | ELECTIVE_METHODS
    assert not EMERGENCY_METHODS & ELECTIVE_METHODS
    assert all(method[0] == "2" for method in EMERGENCY_METHODS)
    assert all(method[0] == "1" for method in ELECTIVE_METHODS)
    assert "2C" not in EMERGENCY_METHODS  # a baby born at home


def test_horizons_rise():
    assert LONG_STAY_DAYS == (7, 14, 21)


@pytest.mark.parametrize("code", [SPELL_START, SPELL_END, DEATH, "A//b//c", "X//"])
def test_a_code_is_its_family_and_its_value(code):
    family, value = family_of(code), value_of(code)
    assert code in {family, f"{family}//{value}"}


def test_the_intended_purpose_says_what_it_does_not_do():
    assert "does not decide" in INTENDED_PURPOSE
