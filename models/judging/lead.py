"""How long before a stay becomes long somebody was told.

A forecast on day 6 that a stay will reach day 7 is right and useless. So, of the spells that reach
a horizon: how many were flagged at all before it, and how many days before it for the first time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.snapshots import Snapshots
from models.judging.estimate import Estimate, Float64
from models.judging.metrics import Bootstrap


@dataclass(frozen=True, slots=True, eq=False)
class Lead:
    """Warning given of long stays.

    Parameters
    ----------
    spells : int
        That reached the horizon and were asked about before it.
    flagged : Estimate
        Share of them flagged at least once before it.
    median_days : Estimate
        Of those flagged: half were first flagged at least so many midnights before it.
    at_least : tuple of Estimate
        Share of all of them flagged 1, 2, ... ``horizon`` midnights before it or earlier.
    """

    spells: int
    flagged: Estimate
    median_days: Estimate
    at_least: tuple[Estimate, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "flagged": self.flagged.to_json(),
            "median_days": self.median_days.to_json(),
            "at_least": {
                str(days): one.to_json() for days, one in enumerate(self.at_least, start=1)
            },
        }


def judge_lead(
    flagged: NDArray[np.bool_],
    outcome: Float64,
    horizon: int,
    snapshots: Snapshots,
    *,
    bootstrap: Bootstrap | None = None,
) -> Lead:
    """Days between the first flag of a long stay and the horizon.

    Parameters
    ----------
    flagged : ndarray of bool, shape (n,)
        Whether each snapshot would have been shown to somebody.
    outcome : ndarray of float64, shape (n,)
        1 if the spell reaches the horizon and has not yet; other rows are left out.
    horizon : int
        Midnights.
    snapshots : Snapshots
    bootstrap : Bootstrap, optional
        By patient.
    """
    chosen = bootstrap or Bootstrap()
    long = np.flatnonzero(outcome == 1.0)
    spells, first, position = np.unique(
        snapshots.spell_id[long], return_index=True, return_inverse=True
    )
    lead = np.zeros(spells.size, np.int64)
    told = np.where(flagged[long], horizon - snapshots.days_so_far[long], 0)
    np.maximum.at(lead, position.ravel(), told)
    drawn = chosen.resamples(snapshots.subject_id[long[first]])
    reached = (lead[:, None] >= np.arange(1, horizon + 1)).astype(np.float64)
    at_least = drawn.ratios(reached, np.ones(spells.size))
    return Lead(int(spells.size), at_least[0], _median(at_least), tuple(at_least))


def _median(at_least: list[Estimate]) -> Estimate:
    """Largest number of days that at least half of the flagged were told; NaN where none was."""
    values = np.array([[one.value for one in at_least]])
    replicates = np.column_stack([one.replicates for one in at_least])
    return Estimate(float(_middle(values)[0]), _middle(replicates))


def _middle(at_least: Float64) -> Float64:
    enough = at_least >= at_least[:, [0]] / 2.0
    return np.where(at_least[:, 0] > 0, enough.sum(axis=1).astype(np.float64), np.nan)
