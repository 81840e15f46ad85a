"""Snapshots by the admission that was known at each moment; what became of it by the end."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR, to_microseconds
from feature_store.events import NO_TIME, STILL_HOLDS, Events, Held, concatenate
from feature_store.landmarks import known_snapshots
from feature_store.outcome import outcomes_of
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells

LONDON = ZoneInfo("Europe/London")


def at(day, hour):
    """Moment of a day of January 2026, on the wall clock."""
    return to_microseconds(datetime(2026, 1, day, hour, tzinfo=LONDON))


UNTIL = at(31, 12)


def marks(*told, subject=7):
    """Marks of one spell: (code, time, recorded) or (code, time, recorded, until)."""
    codes, times, recorded, until = zip(
        *((*one, STILL_HOLDS) if len(one) == 3 else one for one in told), strict=True
    )
    size = len(told)
    events = Events.build(
        subject_id=[subject] * size,
        time=times,
        code=codes,
        spell_id=[subject] * size,
        recorded_at=recorded,
    )
    whose = np.full(size, subject)
    held = Held(np.full(size, NO_TIME), np.array(until, np.int64), whose)
    columns = {name: getattr(events, name) for name in events.__slots__ if name != "held"}
    return Events(**columns, held=held).in_order()


def asked(events):
    """(moment, admission known then, nights so far) of each snapshot."""
    _, found = known_snapshots(events, until=UNTIL)
    columns = (found.prediction_time, found.spell_start, found.days_so_far)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_corrected_admission_counts_from_its_correction_and_outcomes_by_the_last_one():
    wrong, right, corrected = at(5, 10), at(3, 22), at(6, 12)
    events = marks(
        ("SPELL_START", wrong, wrong, corrected),
        ("SPELL_START", right, corrected),
        ("SPELL_END", at(8, 9), at(8, 9)),
    )
    assert asked(events) == [
        (at(5, 14), wrong, 0),
        (at(6, 6), wrong, 1),
        (at(7, 6), right, 4),
        (at(8, 6), right, 5),
    ]
    spells, found = known_snapshots(events, until=UNTIL)
    assert outcomes_of(found, spells, until=UNTIL).length_of_stay_days.tolist() == [5] * 4


def test_an_admission_moved_later_is_asked_about_four_hours_in_again():
    first, second, corrected = at(5, 8), at(5, 14), at(5, 15)
    events = marks(
        ("SPELL_START", first, first, corrected),
        ("SPELL_START", second, corrected),
        ("SPELL_END", at(6, 9), at(6, 9)),
    )
    assert [(moment, start) for moment, start, _ in asked(events)] == [
        (at(5, 12), first),
        (at(5, 18), second),
        (at(6, 6), second),
    ]


def test_an_admission_entered_late_is_not_asked_about_before():
    events = marks(("SPELL_START", at(5, 8), at(6, 7)), ("SPELL_END", at(8, 5), at(8, 5)))
    assert asked(events) == [(at(7, 6), at(5, 8), 2)]


def test_nobody_is_asked_about_between_a_discharge_and_its_cancellation():
    events = marks(
        ("SPELL_START", at(5, 8), at(5, 8)),
        ("SPELL_END", at(6, 20), at(6, 21), at(7, 11)),
        ("SPELL_END", at(9, 5), at(9, 5)),
    )
    moments = [moment for moment, _, _ in asked(events)]
    assert moments == [at(5, 12), at(6, 6), at(8, 6)]
    in_time = marks(
        ("SPELL_START", at(5, 8), at(5, 8)),
        ("SPELL_END", at(6, 20), at(6, 21), at(7, 6)),  # taken back as the question is put
        ("SPELL_END", at(9, 5), at(9, 5)),
    )
    assert at(7, 6) in [moment for moment, _, _ in asked(in_time)]


def test_a_spell_that_was_taken_back_is_not_asked_about():
    events = marks(("SPELL_START", at(5, 8), at(5, 8), at(9, 9)))
    assert asked(concatenate([events, marks(("SPELL_START", at(7, 8), at(7, 8)), subject=8)]))
    spells, found = known_snapshots(events, until=UNTIL)
    assert (len(spells), len(found)) == (0, 0)


@pytest.mark.parametrize("mornings", [True, False])
@settings(max_examples=40)
@given(
    stays=st.lists(
        st.tuples(st.integers(0, 25 * 24), st.integers(0, 20 * 24), st.booleans(), st.booleans()),
        max_size=6,
    )
)
def test_without_a_correction_they_are_the_daily_ones_of_spells_known_in_time(mornings, stays):
    told = [[], [], []]
    for number, (start, hours, late, ended) in enumerate(stays):
        begun = at(1, 0) + start * HOUR
        rows = [("SPELL_START", begun, begun + late * 30 * HOUR)]
        if ended:
            rows.append(("SPELL_END", begun + hours * HOUR, begun + (hours + 5) * HOUR))
        for code, time, recorded in rows:
            told[0].append(number)
            told[1].append((code, time))
            told[2].append(recorded)
    events = Events.build(
        subject_id=told[0],
        time=[time for _, time in told[1]],
        code=[code for code, _ in told[1]],
        spell_id=told[0],
        recorded_at=told[2],
    ).in_order()
    spells, found = known_snapshots(events, until=UNTIL, mornings=mornings)
    plain = daily_snapshots(find_spells(events), until=UNTIL, mornings=mornings)
    late = np.array([late for _, _, late, _ in stays], bool)[plain.spell_id]
    known = spells.start[plain.spell_id] + late * 30 * HOUR <= plain.prediction_time
    for name in ("subject_id", "spell_id", "spell_start", "prediction_time"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain.take(known), name))


def test_of_two_admissions_held_at_once_the_later_counts_as_in_the_live_store():
    events = marks(
        ("SPELL_START", at(5, 8), at(5, 8)),
        ("SPELL_START", at(5, 20), at(5, 21), at(7, 12)),
        ("SPELL_END", at(8, 9), at(8, 9)),
    )
    starts = {moment: start for moment, start, _ in asked(events)}
    assert starts == {
        at(5, 12): at(5, 8),
        at(6, 0): at(5, 20),
        at(6, 6): at(5, 20),
        at(7, 6): at(5, 20),
        at(8, 6): at(5, 8),
    }


def test_a_day_of_the_stay_counts_from_the_admission_known_then():
    start = at(1, 9)
    events = marks(
        ("SPELL_START", start - 20 * DAY, start, at(3, 9)), ("SPELL_START", start, at(3, 9))
    )
    nights = {moment: days for moment, _, days in asked(events)}
    assert nights[at(2, 6)] == 21
    assert nights[at(4, 6)] == 3
