"""What was said of a spell stands until its admission is taken back or it is another patient's."""

import pytest

from feature_store.clock import HOUR
from feature_store.live.database import reading
from feature_store.live.withdrawal import read_withdrawals

SPELL = "RXX|V1"


@pytest.fixture
def since(one_ward):
    """When what was said at a moment ceased to hold, by what the ward knows now."""
    from feature_store.identity import Identity

    spell = Identity(b"0123456789abcdef0123456789abcdef").spell(SPELL)

    def asked(at, now=None):
        with reading(one_ward.store.engine) as connection:
            found = read_withdrawals(
                connection, [spell], now=one_ward.clock if now is None else now
            )
        return found.since(spell, at)

    return asked


@pytest.mark.parametrize("cancel", ["A11", "A23", "A07"])
def test_an_admission_taken_back_withdraws_what_was_said_before(one_ward, since, cancel):
    one_ward.send("A01", ward="W1")
    said = one_ward.clock
    one_ward.send(cancel)
    assert since(said) == one_ward.clock
    assert since(said, now=one_ward.clock - 1) is None  # nobody knew yet
    assert since(said - HOUR) is None  # it was not known here then


def test_a_later_admission_under_the_same_number_does_not_revive_what_was_said(one_ward, since):
    one_ward.send("A01")
    first = one_ward.clock
    one_ward.send("A11")
    cancelled = one_ward.clock
    one_ward.send("A01")
    assert since(first) == cancelled
    assert since(one_ward.clock) is None


def test_a_corrected_admission_is_none_that_was_taken_back(one_ward, since):
    one_ward.send("A01")
    said = one_ward.clock
    one_ward.send("A08", admitted_at=one_ward.clock - 3 * HOUR)
    assert len([code for code in one_ward.codes() if code == "SPELL_START"]) == 1
    assert since(said) is None


@pytest.mark.parametrize("later", ["A02", "A03", "A21", "A31"])
def test_what_happens_in_a_stay_withdraws_nothing(one_ward, since, later):
    one_ward.send("A01")
    said = one_ward.clock
    one_ward.send(later, ward="W2")
    assert since(said) is None


@pytest.mark.parametrize("move", ["A44", "A45"])
def test_a_spell_that_is_another_patients_withdraws_what_was_said_of_the_first(
    one_ward, since, move
):
    one_ward.send("A01", patient="OLD")
    said = one_ward.clock
    one_ward.send(move, patient="P1", old="OLD", visit="V1")
    assert since(said) == one_ward.clock
    assert since(one_ward.clock) is None


def test_patients_who_are_one_keep_what_was_said_of_either(one_ward, since):
    one_ward.send("A01", patient="OLD")
    said = one_ward.clock
    one_ward.send("A40", patient="P1", old="OLD", visit="")
    one_ward.send("A45", patient="P1", old="OLD", visit="V1")
    assert since(said) is None


def test_a_spell_that_was_never_known_here_has_nothing_to_withdraw(one_ward, since):
    assert since(one_ward.clock) is None
