"""What became of a snapshot."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.clock import DAY, to_microseconds
from feature_store.outcome import Outcomes, outcomes_of
from feature_store.snapshots import Snapshots
from feature_store.spells import STILL_HERE, Spells

START = to_microseconds(datetime(2026, 1, 5, 12, tzinfo=ZoneInfo("Europe/London")))
MIDNIGHT = START + DAY // 2


def outcome(end, *, until, died=False):
    """Return the outcome of one spell that began at noon."""
    one = np.array([1])
    spell = Spells(one, one, np.array([START]), np.array([end]), np.array([died]))
    return outcomes_of(
        Snapshots(one, one, np.array([START]), np.array([START])), spell, until=until
    )


@pytest.mark.parametrize("days", [6, 7, 8])
def test_seven_midnights_are_a_long_stay_and_six_are_not(days):
    end = MIDNIGHT + (days - 1) * DAY  # at the stroke of that midnight
    found = outcome(end, until=START + 60 * DAY)
    assert found.length_of_stay_days.tolist() == [days]
    assert found.long_stay(7).tolist() == [days >= 7]
    assert outcome(end - 1, until=START + 60 * DAY).length_of_stay_days.tolist() == [days - 1]


def test_an_end_is_known_up_to_and_including_the_end_of_the_data():
    end = START + 3 * DAY
    assert outcome(end, until=end).length_of_stay_days.tolist() == [3]
    early = outcome(end, until=end - 1, died=True)
    assert early.length_of_stay_days.tolist() == [-1]
    assert early.censored.tolist() == [True]
    assert early.died.tolist() == [False]


def test_still_in_hospital_is_censored_not_short():
    found = outcome(STILL_HERE, until=START + 10 * DAY)
    assert found.censored.tolist() == [True]
    assert found.follow_up_days.tolist() == [10]
    assert found.long_stay(7).tolist() == [1.0]
    assert found.long_stay(10).tolist() == [1.0]
    assert math.isnan(found.long_stay(11)[0])


def test_a_death_keeps_its_length_and_says_so():
    found = outcome(START + 2 * DAY, until=START + 60 * DAY, died=True)
    assert found.died.tolist() == [True]
    assert found.long_stay(7).tolist() == [0.0]


def test_a_short_stay_that_could_not_have_been_seen_long_is_not_known():
    """Otherwise the last weeks would hold short stays only."""
    found = outcome(START + 2 * DAY, until=START + 6 * DAY)
    assert math.isnan(found.long_stay(7)[0])
    assert outcome(START + 2 * DAY, until=START + 7 * DAY).long_stay(7).tolist() == [0.0]


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_what_is_said_of_a_horizon_does_not_depend_on_when_the_data_end(seed, days):
    """With more follow-up, what was known stays; only what was unknown may become known."""
    rng = np.random.default_rng(seed)
    size = 30
    number = np.arange(size)
    start = START + rng.integers(0, 60, size) * DAY
    spells = Spells(
        number, number, start, start + rng.integers(0, 80, size) * DAY, rng.random(size) < 0.1
    )
    snapshots = Snapshots(number, number, start, start)
    early, late = (
        outcomes_of(snapshots, spells, until=START + end * DAY).long_stay(days) for end in (70, 200)
    )
    known = ~np.isnan(early)
    np.testing.assert_array_equal(early[known], late[known])
    np.testing.assert_array_equal(late, spells.length_of_stay_days >= days)


def test_rows_of_outcomes():
    both = Outcomes(np.array([3, -1]), np.array([True, False]), np.array([9, 4]))
    assert both.take(np.array([1])).follow_up_days.tolist() == [4]
    assert len(both.take(np.array([False, False]))) == 0
