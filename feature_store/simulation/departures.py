"""The moment at which a spell ends, given the day on which it does."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.clock import HOUR, SECOND, at_local_hour
from feature_store.simulation.arrivals import Arrivals, moment_of
from feature_store.simulation.chance import Flags, Floats, Ints, happens
from feature_store.simulation.course import EARLY_HOURS, EARLY_SHARE, NIGHT_SHARE
from feature_store.simulation.walk import Stays
from feature_store.vocabulary import MORNING_HOUR

_MINUTE: Final = 60 * SECOND
_LONGEST_DAY_HOURS: Final = 9


def departure_moments(rng: Generator, arrivals: Arrivals, stays: Stays) -> Ints:
    """End of each spell in UTC microseconds, whole seconds.

    Exits before a snapshot of their own day follow ``EARLY_SHARE`` and ``NIGHT_SHARE`` exactly:
    ``truth.py`` relies on it.
    """
    days = stays.length_of_stay_days
    later = _later_day(rng, arrivals.day + days, days, stays.died)
    end = np.where(days == 0, _same_day(rng, arrivals), later)
    return np.asarray(end // SECOND * SECOND, dtype=np.int64)


def _same_day(rng: Generator, arrivals: Arrivals) -> Ints:
    """Before the first snapshot, or after it and 06:00; all before it if it is after midnight."""
    start, day = arrivals.start, arrivals.day
    midnight = at_local_hour(day + 1, 0) - _MINUTE
    snapshot = start + int(EARLY_HOURS * HOUR)
    over = arrivals.hour + EARLY_HOURS >= 24.0
    early = over | happens(rng, EARLY_SHARE, start.size)
    after = np.maximum(snapshot, at_local_hour(day, MORNING_HOUR)) + _MINUTE
    low = np.where(early, start, after)
    high = np.where(early, snapshot - _MINUTE, low + _LONGEST_DAY_HOURS * HOUR)
    low, high = np.minimum(low, np.maximum(start, midnight)), np.minimum(high, midnight)
    part: Floats = rng.uniform(0.05, 0.95, start.size) * np.maximum(high - low, 0)
    return low + part.astype(np.int64)


def _later_day(rng: Generator, day: Ints, days: Ints, died: Flags) -> Ints:
    """Discharges from 08:00 to late evening, most in the afternoon; deaths at any hour."""
    leaving = np.clip(rng.normal(15.5, 2.6, day.size), 8.0, 22.9)
    night = happens(rng, NIGHT_SHARE, day.size)
    # On day 1 a first snapshot may lie as late as 05:00 (start + 4 h).
    earliest = np.where(days == 1, 5.05, 1.05)
    dying = np.where(night, rng.uniform(earliest, 5.98), rng.uniform(6.02, 23.95, day.size))
    return moment_of(day, np.where(died, dying, leaving))
