"""Spells found in events."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR, to_microseconds
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, Events
from feature_store.spells import STILL_HERE, find_spells

LONDON = ZoneInfo("Europe/London")
START = 20_000 * DAY


def events(*rows):
    """Rows of (spell, time, code), one patient a spell."""
    spell, time, code = zip(*rows, strict=True)
    return Events.build(subject_id=np.abs(spell), time=time, code=code, spell_id=spell)


def at(*wall):
    return to_microseconds(datetime(*wall, tzinfo=LONDON))


def test_a_spell_is_what_lies_between_its_start_and_its_end():
    found = find_spells(
        events(
            (9, START + HOUR, "SPELL_START"),
            (4, START, "SPELL_START"),
            (9, START + 3 * DAY, "SPELL_END"),
            (9, START + 2 * DAY, "NEWS2"),
            (9, START + 3 * DAY, "DISCHARGE_METHOD//1"),
        )
    )
    assert found.spell_id.tolist() == [4, 9]
    assert found.subject_id.tolist() == [4, 9]
    assert found.end.tolist() == [STILL_HERE, START + 3 * DAY]
    assert found.ended.tolist() == [False, True]
    assert found.length_of_stay_days.tolist() == [-1, 3]
    assert not found.died.any()


@pytest.mark.parametrize(
    ("start", "end", "midnights"),
    [
        ((2026, 1, 5, 23, 59), (2026, 1, 6, 0, 0), 1),
        ((2026, 1, 5, 0, 0), (2026, 1, 5, 23, 59), 0),
        ((2026, 1, 5, 0, 0), (2026, 1, 11, 23, 59), 6),
        ((2026, 1, 5, 23, 59), (2026, 1, 12, 0, 0), 7),
        ((2026, 1, 5, 12, 0), (2026, 1, 13, 12, 0), 8),
        ((2026, 3, 25, 0, 0), (2026, 4, 1, 0, 0), 7),  # 167 hours
        ((2026, 10, 20, 0, 0), (2026, 10, 26, 23, 59), 6),  # nearly 168 hours
    ],
)
def test_length_of_stay_is_counted_in_local_midnights(start, end, midnights):
    found = find_spells(events((1, at(*start), "SPELL_START"), (1, at(*end), "SPELL_END")))
    assert found.length_of_stay_days.tolist() == [midnights]


def test_a_death_is_a_death_only_once_the_spell_has_ended():
    died = find_spells(
        events(
            (1, START, "SPELL_START"),
            (1, START + DAY, "SPELL_END"),
            (1, START + DAY, "DISCHARGE_METHOD//4"),
            (2, START, "SPELL_START"),
            (2, START + DAY, "DISCHARGE_METHOD//4"),
        )
    ).died
    assert died.tolist() == [True, False]


def test_the_last_end_of_a_spell_counts():
    found = find_spells(
        events(
            (1, START, "SPELL_START"),
            (1, START + 5 * DAY, "SPELL_END"),
            (1, START + 2 * DAY, "SPELL_END"),
        )
    )
    assert found.length_of_stay_days.tolist() == [5]


def test_facts_of_no_spell_are_nobody_s_end():
    found = find_spells(
        events(
            (1, START, "SPELL_START"),
            (NO_SPELL, START + DAY, "SPELL_END"),
            (NO_SPELL, START + DAY, "DISCHARGE_METHOD//4"),
        )
    )
    assert found.ended.tolist() == [False]
    assert found.died.tolist() == [False]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(1, START, "SPELL_START"), (1, START + 1, "SPELL_START")], "with two"),
        ([(1, START, "SPELL_START"), (1, START - 1, "SPELL_END")], "end before they start"),
        ([(1, START, "SPELL_START"), (2, START, "SPELL_END")], "without SPELL_START"),
        ([(1, START, "SPELL_START"), (2, START, "DISCHARGE_METHOD//4")], "without SPELL_START"),
    ],
)
def test_what_cannot_be_a_spell_is_refused_without_saying_whose(rows, says):
    with pytest.raises(BadInput, match=says) as refused:
        find_spells(events(*rows))
    assert str(START) not in str(refused.value)


def test_no_events_no_spells():
    assert len(find_spells(Events.build(subject_id=[], time=[], code=[]))) == 0
