"""The true chance of each outcome at each snapshot, by backward recursion over the daily states.

What a chance is conditional on: the profile of the spell (the true values of what is recorded at
the door and in the first hours, whether or not and however exactly they were recorded), the state
of the day (acuity, need of support, waiting on which pathway) and being still in hospital at the
prediction time. Nothing is integrated out. All of it shows in the events (acuity through NEWS2 and
CRP, need of support through the therapy referral, waiting through the referrals to the hub and to
social care), but with gaps, noise and hours of delay; so a model can come near these chances and
cannot pass them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feature_store.clock import local_hour
from feature_store.simulation.chance import Columns, Floats, Ints
from feature_store.simulation.course import (
    EARLY_SHARE,
    LAST_DAY,
    NIGHT_SHARE,
    Day,
    chances,
    expected,
)
from feature_store.simulation.effects import Profile
from feature_store.simulation.states import STATES
from feature_store.simulation.walk import Stays
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import LAST_SNAPSHOT_DAY, LONG_STAY_DAYS, MORNING_HOUR


@dataclass(frozen=True, slots=True, eq=False)
class Truth(Columns):
    """One row a snapshot, in the order of ``daily_snapshots``.

    Parameters
    ----------
    spell_id, prediction_time, days_so_far : ndarray of int64, shape (n,)
        Time in UTC microseconds.
    p_7, p_14, p_21 : ndarray of float64, shape (n,)
        True chance that the length of stay reaches so many days; 1 once it has.
    p_death : ndarray of float64, shape (n,)
        True chance that the spell ends by death in hospital.
    """

    spell_id: Ints
    prediction_time: Ints
    days_so_far: Ints
    p_7: Floats
    p_14: Floats
    p_21: Floats
    p_death: Floats

    def to_table(self) -> pa.Table:
        """As an Arrow table; times as UTC timestamps, as in the events."""
        columns = {
            name: pa.array(getattr(self, name))
            for name in self.__slots__
            if name != "prediction_time"
        }
        return pa.table(columns).add_column(
            1, "prediction_time", pa.array(self.prediction_time.view("datetime64[us]"))
        )


def true_chances(snapshots: Snapshots, row: Ints, *, profile: Profile, stays: Stays) -> Truth:
    """Truth of these snapshots.

    Parameters
    ----------
    snapshots : Snapshots
    row : ndarray of int64, shape (snapshots,)
        Row of each snapshot's spell in ``profile`` and ``stays``.
    profile : Profile
    stays : Stays
        Only the state of the snapshot's own day is used, never what came of the spell.
    """
    days = snapshots.days_so_far
    known = _last_morning(snapshots)
    order = np.argsort(known, kind="stable")
    edges = np.searchsorted(known[order], np.arange(LAST_SNAPSHOT_DAY + 2))
    result = np.zeros((len(snapshots), len(LONG_STAY_DAYS) + 1))
    value: Floats = np.ones((len(LONG_STAY_DAYS) + 1, profile.slow.size, STATES))
    value[-1] = 0.0  # nobody is left after LAST_DAY
    for day in range(LAST_DAY, -1, -1):
        today = chances(profile, day)
        value = _one_day_back(today, value, day)
        if day <= LAST_SNAPSHOT_DAY:
            asked = order[edges[day] : edges[day + 1]]
            at = row[asked], stays.state[row[asked], day].astype(np.int64)
            result[asked] = _given_still_here(
                today, value, at, _passed_share(days[asked], day), day
            )
    return Truth(snapshots.spell_id, snapshots.prediction_time, days, *result.T)


def _last_morning(snapshots: Snapshots) -> Ints:
    """Day of stay whose state shows by the prediction time.

    The state of a day shows in its morning; a first snapshot soon after midnight has seen that of
    day 0 only.
    """
    days = snapshots.days_so_far
    night = local_hour(snapshots.prediction_time) < MORNING_HOUR
    return np.where(night, np.maximum(days - 1, 0), days)


def _one_day_back(today: Day, value: Floats, day: int) -> Floats:
    """Chances at the start of a day, by state, from those at the start of the next."""
    before = np.ones_like(value)
    stay = 1.0 - today.exit
    for position, horizon in enumerate(LONG_STAY_DAYS):
        if day < horizon:
            before[position] = stay * expected(today, value[position])
    before[-1] = today.die + stay * expected(today, value[-1])
    return before


def _passed_share(days: Ints, day: int) -> Floats:
    """Share of the day's discharges and deaths that lie before the snapshot; shape (n, 2)."""
    if day == 0:
        early = np.where(days > 0, 1.0, EARLY_SHARE)
        return np.column_stack([early, early])
    return np.column_stack([np.zeros(days.size), np.full(days.size, NIGHT_SHARE)])


def _given_still_here(
    today: Day, value: Floats, at: tuple[Ints, Ints], passed: Floats, day: int
) -> Floats:
    """Chances at a moment within the day, given that the patient has not gone before it.

    An exit of this day before the moment would have been a stay of ``day`` days: it counts for no
    horizon still ahead, and is taken out of what was possible.
    """
    dead = today.die[at] * passed[:, 1]
    gone = dead + (1.0 - today.die[at]) * today.leave[at] * passed[:, 0]
    chance = value[(slice(None), *at)] / (1.0 - gone)
    chance[-1] -= dead / (1.0 - gone)
    chance[:-1][[day >= horizon for horizon in LONG_STAY_DAYS]] = 1.0
    return np.asarray(chance.T, dtype=np.float64)
