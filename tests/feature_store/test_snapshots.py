"""When a spell is asked about."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR, to_microseconds, to_moment
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import STILL_HERE, Spells

LONDON = ZoneInfo("Europe/London")
UNTIL = to_microseconds(datetime(2027, 1, 1, tzinfo=UTC))
DST = to_microseconds(datetime(2026, 3, 27, tzinfo=UTC))

STARTS = st.integers(to_microseconds(datetime(2026, 1, 1, tzinfo=UTC)), UNTIL - 1)
STAYS = st.one_of(st.integers(0, 60 * DAY), st.just(STILL_HERE))


def at(*wall):
    return to_microseconds(datetime(*wall, tzinfo=LONDON))


def spells(*bounds):
    start, end = (np.array(column, np.int64) for column in zip(*bounds, strict=True))
    number = np.arange(start.size)
    return Spells(number, number + 100, start, end, np.zeros(start.size, bool))


def asked(*bounds, until=UNTIL, mornings=True):
    return daily_snapshots(spells(*bounds), until=until, mornings=mornings)


def by_the_rules(start, end, until):
    """Say the rule again, one moment at a time, on the wall clock."""
    leaves = min(end, until)
    moments = [start + 4 * HOUR] if start + 4 * HOUR < leaves else []
    admitted = to_moment(start).astimezone(LONDON).toordinal()
    for day in range(admitted, admitted + 29):
        wall = datetime.fromordinal(day).replace(hour=6, tzinfo=LONDON)
        morning = to_microseconds(wall)
        if start + 4 * HOUR < morning < leaves:
            moments.append(morning)
    return moments


@given(st.lists(st.tuples(STARTS, STAYS), min_size=1, max_size=5))
@example([(DST, 5 * DAY), (DST, STILL_HERE)])
def test_at_admission_then_each_morning(drawn):
    bounds = [(start, stay if stay == STILL_HERE else start + stay) for start, stay in drawn]
    found = asked(*bounds)
    for spell, (start, end) in enumerate(bounds):
        own = found.prediction_time[found.spell_id == spell]
        assert own.tolist() == by_the_rules(start, end, UNTIL)
    assert (np.diff(found.spell_id) >= 0).all()
    assert (found.subject_id == found.spell_id + 100).all()


def test_a_patient_who_has_left_is_not_asked_about():
    start = at(2026, 1, 5, 10)
    at_six = at(2026, 1, 6, 6)
    assert len(asked((start, at_six))) == 1  # leaves as the question would be put
    assert len(asked((start, at_six + 1))) == 2
    assert len(asked((start, start + 4 * HOUR))) == 0
    assert len(asked((start, start + 4 * HOUR + 1))) == 1


def test_nobody_is_asked_about_after_the_end_of_the_data():
    start = at(2026, 1, 5, 10)
    assert len(asked((start, STILL_HERE), until=at(2026, 1, 7, 6))) == 2
    assert len(asked((start, STILL_HERE), until=at(2026, 1, 7, 6) + 1)) == 3
    assert len(asked((start, STILL_HERE), until=start - DAY)) == 0


def test_mornings_end_after_four_weeks():
    start = at(2026, 1, 5, 10)
    found = asked((start, start + 200 * DAY))
    assert found.days_so_far.tolist() == list(range(29))


@pytest.mark.parametrize(
    ("hour", "first"),
    [(1, 0), (2, 0), (23, 1)],
    ids=["before six", "at six sharp", "after midnight"],
)
def test_the_first_morning_comes_after_the_first_hours(hour, first):
    start = at(2026, 1, 5, hour)
    found = asked((start, start + 3 * DAY))
    mornings = [moment for moment in found.prediction_time if to_moment(moment).hour == 6]
    assert found.prediction_time[0] == start + 4 * HOUR
    assert found.days_so_far[0] == first
    assert len(set(found.prediction_time.tolist())) == len(found)
    assert len(mornings) == 3


def test_without_a_clock_only_admission_is_asked_about_and_same_day_stays_too():
    start = at(2026, 1, 5)
    found = asked((start, start), (start, start + 9 * DAY), (start, STILL_HERE), mornings=False)
    assert found.prediction_time.tolist() == [start] * 3
    assert found.days_so_far.tolist() == [0] * 3


@pytest.mark.parametrize(
    ("admitted", "asked_at", "days"),
    [
        ((2026, 1, 5, 23, 59), (2026, 1, 6, 0, 0), 1),
        ((2026, 1, 5, 0, 0), (2026, 1, 5, 23, 59), 0),
        ((2026, 3, 28, 23, 59), (2026, 3, 29, 6, 0), 1),
        ((2026, 10, 25, 0, 30), (2026, 10, 26, 0, 0), 1),
    ],
)
def test_days_so_far_are_local_midnights(admitted, asked_at, days):
    one = Snapshots(*(np.array([value]) for value in (1, 1, at(*admitted), at(*asked_at))))
    assert one.days_so_far.tolist() == [days]
