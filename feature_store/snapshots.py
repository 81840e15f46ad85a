"""Snapshots: (spell, prediction_time) pairs, one question each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import DAY, HOUR, at_local_hour, local_day, midnights_between
from feature_store.events import Int64
from feature_store.spells import Spells
from feature_store.vocabulary import ADMISSION_HOURS, LAST_SNAPSHOT_DAY, MORNING_HOUR


@dataclass(frozen=True, slots=True, eq=False)
class Snapshots:
    """Questions about spells, each at one moment.

    Parameters
    ----------
    subject_id, spell_id, spell_start, prediction_time : ndarray of int64, shape (n,)
        Times in UTC microseconds; events visible up to and including ``prediction_time`` may be
        used, none after.
    """

    subject_id: Int64
    spell_id: Int64
    spell_start: Int64
    prediction_time: Int64

    def __len__(self) -> int:
        """Return how many snapshots there are."""
        return int(self.spell_id.size)

    @property
    def days_so_far(self) -> Int64:
        """Local midnights passed since admission."""
        return midnights_between(self.spell_start, self.prediction_time)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Snapshots:
        """Return the snapshots at these rows."""
        return Snapshots(
            self.subject_id[rows],
            self.spell_id[rows],
            self.spell_start[rows],
            self.prediction_time[rows],
        )


def daily_snapshots(spells: Spells, *, until: int, mornings: bool = True) -> Snapshots:
    """One snapshot in the first hours, then one each morning while in hospital.

    The first is ``ADMISSION_HOURS`` after the start (or at the start, where only days or an order
    are known: ``mornings=False``); then 06:00 local each day up to ``LAST_SNAPSHOT_DAY``. A moment
    at which the patient had left, or at which the data had ended, is not asked about.

    Parameters
    ----------
    spells : Spells
    until : int
        End of the data, UTC microseconds.
    mornings : bool
        Whether the source's clock is good enough to ask on later days.

    Returns
    -------
    Snapshots
        Ordered by spell, then time.
    """
    first = spells.start + (ADMISSION_HOURS * HOUR if mornings else 0)
    leaves = np.minimum(spells.end, until)
    rows = np.flatnonzero((first < leaves) | ((first == leaves) & (not mornings)))
    moments = first[rows]
    if mornings:
        day_zero = local_day(spells.start)
        last = np.minimum(
            local_day(np.minimum(leaves, spells.start + 400 * DAY)) - day_zero, LAST_SNAPSHOT_DAY
        )
        count = np.maximum(last + 1, 0)
        spell = np.repeat(np.arange(len(spells)), count)
        day = np.arange(spell.size) - np.repeat(np.cumsum(count) - count, count)
        morning = at_local_hour(day_zero[spell] + day, MORNING_HOUR)
        asked = (morning > first[spell]) & (morning < leaves[spell])
        rows, moments = (
            np.concatenate([rows, spell[asked]]),
            np.concatenate([moments, morning[asked]]),
        )
        order = np.lexsort((moments, rows))
        rows, moments = rows[order], moments[order]
    return Snapshots(spells.subject_id[rows], spells.spell_id[rows], spells.start[rows], moments)
