"""What became of a snapshot: length of stay, death, or not known yet.

Not an outcome: hours in hospital, time to readiness, a short stay for a patient who died or is
still here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import midnights_between
from feature_store.events import Int64
from feature_store.snapshots import Snapshots
from feature_store.spells import Spells


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Outcome of each snapshot's spell.

    Parameters
    ----------
    length_of_stay_days : ndarray of int64, shape (n,)
        Midnights between admission and the end of the spell; -1 while censored.
    died : ndarray of bool, shape (n,)
        Ended by death in hospital: a competing outcome, not a short stay.
    follow_up_days : ndarray of int64, shape (n,)
        Midnights between admission and the end of the data: how long the spell *could* have been
        watched. Known also for spells that ended, which is what makes a fair risk set.
    """

    length_of_stay_days: Int64
    died: NDArray[np.bool_]
    follow_up_days: Int64

    def __len__(self) -> int:
        """Return how many outcomes there are."""
        return int(self.died.size)

    @property
    def censored(self) -> NDArray[np.bool_]:
        """Still in hospital at the end of the data."""
        return self.length_of_stay_days < 0

    def long_stay(self, days: int) -> NDArray[np.float64]:
        """1 for length of stay >= ``days``, 0 for less, NaN where follow-up is too short to know.

        A spell counts only if it could have been watched for ``days``; otherwise the short stays
        of the last weeks would be known and the long ones not.

        >>> stay, follow_up = np.array([7, 6, -1, 2]), np.array([30, 30, 9, 3])
        >>> outcomes = Outcomes(stay, np.zeros(4, bool), follow_up)
        >>> outcomes.long_stay(7).tolist()
        [1.0, 0.0, 1.0, nan]
        """
        reached = np.where(self.censored, self.follow_up_days, self.length_of_stay_days) >= days
        return np.where(self.follow_up_days >= days, reached.astype(np.float64), np.nan)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Outcomes:
        """Return the outcomes at these rows."""
        return Outcomes(self.length_of_stay_days[rows], self.died[rows], self.follow_up_days[rows])


def outcomes_of(snapshots: Snapshots, spells: Spells, *, until: int) -> Outcomes:
    """Outcome of each snapshot's spell, as known at the end of the data.

    Parameters
    ----------
    snapshots : Snapshots
    spells : Spells
        Ordered by ``spell_id``, holding every spell that is asked about.
    until : int
        End of the data, UTC microseconds; an end of spell after it is not known.
    """
    row = np.searchsorted(spells.spell_id, snapshots.spell_id)
    known = spells.ended[row] & (spells.end[row] <= until)
    follow_up = midnights_between(spells.start[row], np.full(row.size, until, np.int64))
    return Outcomes(
        length_of_stay_days=np.where(known, spells.length_of_stay_days[row], -1),
        died=spells.died[row] & known,
        follow_up_days=follow_up,
    )
