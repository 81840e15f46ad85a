"""What a hub would meet that works through the top of the list each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.judging.estimate import Estimate, Float64, Int64, Resamples
from models.judging.metrics import Bootstrap


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """The daily lists of a hub.

    Parameters
    ----------
    site, day : ndarray of int64, shape (n,)
        One list for each pair.
    spell_id, subject_id : ndarray of int64, shape (n,)
    capacity : int
        How many patients a hub can take up, a site and day.
    """

    site: Int64
    day: Int64
    spell_id: Int64
    subject_id: Int64
    capacity: int

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Lists:
        """Return the same lists with these rows only."""
        return Lists(
            self.site[rows],
            self.day[rows],
            self.spell_id[rows],
            self.subject_id[rows],
            self.capacity,
        )

    def listed(self, probability: Float64) -> NDArray[np.bool_]:
        """Whether each row is among the first ``capacity`` of its list; ties by spell.

        >>> one = np.zeros(3, np.int64)
        >>> lists = Lists(one, one, np.arange(3), np.arange(3), 1)
        >>> lists.listed(np.array([0.1, 0.9, 0.3])).tolist()
        [False, True, False]
        """
        order = np.lexsort((self.spell_id, -probability, self.day, self.site))
        site, day = self.site[order], self.day[order]
        new = np.ones(order.size, bool)
        new[1:] = (site[1:] != site[:-1]) | (day[1:] != day[:-1])
        first = np.maximum.accumulate(np.where(new, np.arange(order.size), 0))
        listed = np.zeros(order.size, bool)
        listed[order] = np.arange(order.size) - first < self.capacity
        return listed


def judge_lists(
    outcome: Float64,
    listed: NDArray[np.bool_],
    lists: Lists,
    *,
    bootstrap: Bootstrap | None = None,
    among: NDArray[np.bool_] | None = None,
) -> dict[str, Estimate]:
    """Precision and recall of the daily lists.

    Parameters
    ----------
    outcome : ndarray of float64, shape (n,)
        1 if the spell reaches the horizon; NaN where not known: listed, but not counted.
    listed : ndarray of bool, shape (n,)
        From :meth:`Lists.listed`.
    lists : Lists
        Only of patients who have not reached the horizon: nothing is left to foresee otherwise.
    bootstrap : Bootstrap, optional
    among : ndarray of bool, shape (n,), optional
        Count these rows only; the lists are of everybody all the same.

    Returns
    -------
    dict of str to Estimate
        ``ppv_at_capacity``: of the rows listed, the share that reach the horizon.
        ``recall_at_capacity``: of the spells that reach it, the share listed at least once before.
    """
    chosen = bootstrap or Bootstrap()
    known = ~np.isnan(outcome) if among is None else ~np.isnan(outcome) & among
    shown = listed & known
    spell, first, position = np.unique(
        lists.spell_id[known], return_index=True, return_inverse=True
    )
    long = outcome[known][first] == 1.0
    ever = np.bincount(position.ravel(), listed[known], minlength=spell.size) > 0
    drawn = chosen.resamples(lists.subject_id)
    spell_rows = np.flatnonzero(known)[first][long]
    return {
        "ppv_at_capacity": _share(outcome[shown] == 1.0, np.flatnonzero(shown), drawn),
        "recall_at_capacity": _share(ever[long], spell_rows, drawn),
    }


def _share(hit: NDArray[np.bool_], rows: NDArray[np.intp], drawn: Resamples) -> Estimate:
    """Share of rows with a hit, each replicate weighting rows by patient."""
    return drawn.take(rows).ratios(hit[:, None].astype(np.float64), np.ones(rows.size))[0]
