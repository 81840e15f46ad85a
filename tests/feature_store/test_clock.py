"""Local midnights and mornings, against the standard library one moment at a time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feature_store.clock import (
    DAY,
    HOUR,
    SECOND,
    at_local_hour,
    local_day,
    local_hour,
    local_microseconds,
    local_weekday,
    midnights_between,
    to_microseconds,
    to_moment,
)
from feature_store.events import NO_TIME

LONDON = ZoneInfo("Europe/London")
MOMENTS = st.integers(2 * 365 * DAY, 130 * 365 * DAY).map(to_moment)  # 1972 to 2099

# The last instant before, and the first after, each change of the clocks of one year.
SPRING = datetime(2026, 3, 29, 1, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 25, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def london(*wall, fold=0):
    """Return the UTC microseconds of a moment told by a London wall clock."""
    return to_microseconds(datetime(*wall, tzinfo=LONDON, fold=fold))


def days(*moments):
    return np.array(moments, np.int64)


@given(st.lists(MOMENTS, max_size=20))
@example([SPRING - TICK, SPRING, AUTUMN - TICK, AUTUMN])
def test_the_local_clock_is_that_of_the_standard_library(moments):
    times = days(*map(to_microseconds, moments))
    walls = [moment.astimezone(LONDON) for moment in moments]
    assert [to_moment(wall).replace(tzinfo=None) for wall in local_microseconds(times)] == [
        wall.replace(tzinfo=None) for wall in walls
    ]
    assert local_day(times).tolist() == [
        wall.toordinal() - to_moment(0).toordinal() for wall in walls
    ]
    assert local_weekday(times).tolist() == [wall.weekday() for wall in walls]
    hours = [
        wall.hour + wall.minute / 60 + (wall.second + wall.microsecond / 1e6) / 3600
        for wall in walls
    ]
    np.testing.assert_allclose(local_hour(times), hours, atol=1e-9)


@given(MOMENTS, MOMENTS)
def test_midnights_are_differences_of_local_dates(one, other):
    expected = other.astimezone(LONDON).date() - one.astimezone(LONDON).date()
    begin, end = days(to_microseconds(one)), days(to_microseconds(other))
    assert midnights_between(begin, end)[0] == expected.days


@given(MOMENTS, st.sampled_from([hour for hour in range(24) if hour != 1]))
@example(SPRING, 2)
@example(SPRING, 0)
@example(AUTUMN, 0)
@example(AUTUMN, 2)
def test_an_hour_of_a_day_is_what_the_wall_shows(moment, hour):
    found = at_local_hour(local_day(days(to_microseconds(moment))), hour)
    wall = to_moment(found[0]).astimezone(LONDON)
    assert (wall.hour, wall.minute, wall.date()) == (hour, 0, moment.astimezone(LONDON).date())


@given(MOMENTS)
def test_moments_survive_the_round_trip(moment):
    assert to_moment(to_microseconds(moment)) == moment


@pytest.mark.parametrize(
    ("start", "end", "midnights"),
    [
        pytest.param((2026, 1, 5, 23, 59), (2026, 1, 6, 0, 0), 1, id="one minute, one midnight"),
        pytest.param((2026, 1, 5, 0, 0), (2026, 1, 5, 23, 59), 0, id="a whole day, none"),
        pytest.param((2026, 1, 5, 0, 0), (2026, 1, 11, 23, 59), 6, id="nearly seven days, six"),
        pytest.param(
            (2026, 1, 5, 23, 59), (2026, 1, 12, 0, 0), 7, id="six days and a minute, seven"
        ),
        pytest.param((2026, 1, 5, 23, 59), (2026, 1, 13, 0, 0), 8, id="eight"),
        pytest.param((2026, 3, 28, 23, 30), (2026, 3, 29, 23, 30), 1, id="a day of 23 hours"),
        pytest.param((2026, 10, 24, 23, 30), (2026, 10, 25, 23, 30), 1, id="a day of 25 hours"),
        pytest.param((2026, 6, 30, 23, 30), (2026, 7, 1, 0, 30), 1, id="both on one UTC day"),
    ],
)
def test_boundaries(start, end, midnights):
    assert midnights_between(days(london(*start)), days(london(*end)))[0] == midnights


def test_an_hour_that_comes_twice_stays_one_day():
    twice = days(london(2026, 10, 25, 1, 30), london(2026, 10, 25, 1, 30, fold=1))
    assert twice[1] - twice[0] == HOUR
    assert local_hour(twice).tolist() == [1.5, 1.5]
    assert midnights_between(twice[:1], twice[1:])[0] == 0


def test_a_fact_without_a_time_has_no_local_time_either():
    now = london(2026, 7, 1, 12)
    assert local_microseconds(days(NO_TIME, now)).tolist() == [NO_TIME, now + HOUR]
    assert local_microseconds(days(NO_TIME)).tolist() == [NO_TIME]


@pytest.mark.parametrize("year", [1, 2, 9997, 9998])
def test_a_silly_year_is_not_a_crash(year):
    moment = to_microseconds(datetime(year, 7, 1, 12, tzinfo=UTC))
    assert local_day(days(moment))[0] == moment // DAY


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="aware moment"):
        to_microseconds(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused here


def test_one_batch_may_hold_centuries():
    times = days(0, 100 * 365 * DAY, 17 * SECOND)
    assert (local_day(times) == [local_day(days(one))[0] for one in times]).all()
