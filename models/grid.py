"""The day grid of the stay model: intervals of length of stay, in midnights.

A spell that has lasted ``d`` midnights faces the intervals [d, b1), [b1, b2), ... where b1 is the
first boundary above d. Every horizon is a boundary, so P(length of stay >= horizon) needs no
interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.outcome import Outcomes
from feature_store.vocabulary import LONG_STAY_DAYS

Int64 = NDArray[np.int64]

CANDIDATES: Final = (0, 1, 2, 3, 4, 5, 7, 10, 14, 17, 21, 28, 42, 70, 120)
"""Daily while most leave, wider as they thin out; 7, 14 and 21 are boundaries."""

LEAST_EXITS: Final = 20
"""An interval with fewer ends in training is joined to its neighbour."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Boundaries of the intervals, ascending, the first 0.

    Parameters
    ----------
    boundaries : tuple of int
    horizons : tuple of int
        Long-stay horizons the training data could show; each is a boundary.
    """

    boundaries: tuple[int, ...]
    horizons: tuple[int, ...]

    @property
    def last(self) -> int:
        """Day beyond which the model says nothing."""
        return self.boundaries[-1]

    def ahead(self, days_so_far: int) -> NDArray[np.float64]:
        """Intervals a spell of ``days_so_far`` midnights still faces: (start, width) a row.

        >>> Grid((0, 1, 3, 7), (7,)).ahead(2).tolist()
        [[2.0, 1.0], [3.0, 4.0]]
        """
        later = [boundary for boundary in self.boundaries if boundary > days_so_far]
        edges = np.array([days_so_far, *later], dtype=np.float64)
        return np.column_stack([edges[:-1], np.diff(edges)])

    def next_horizon(self, days_so_far: int) -> int:
        """Return the first horizon not yet reached, or the end of the grid when all are.

        >>> Grid((0, 1, 7, 14, 28), (7, 14)).next_horizon(7), Grid((0, 7, 14), (7,)).next_horizon(9)
        (14, 14)
        """
        return next((horizon for horizon in self.horizons if horizon > days_so_far), self.last)


def choose_grid(outcomes: Outcomes) -> Grid:
    """Boundaries that the training spells can fill.

    A boundary is kept if enough spells could be seen to end in the interval before it; a horizon is
    supported if at least ``LEAST_EXITS`` spells reached it and as many ended before it.

    Parameters
    ----------
    outcomes : Outcomes
        Of the training snapshots.
    """
    horizons = tuple(days for days in LONG_STAY_DAYS if _supported(outcomes, days))
    boundaries = [0]
    for candidate in CANDIDATES[1:]:
        stay = outcomes.length_of_stay_days
        followed = outcomes.follow_up_days >= candidate
        ends = followed & (stay >= boundaries[-1]) & (stay < candidate)
        if candidate in horizons or int(ends.sum()) >= LEAST_EXITS:
            boundaries.append(candidate)
    return Grid(tuple(boundaries), horizons)


def _supported(outcomes: Outcomes, days: int) -> bool:
    reached = outcomes.long_stay(days)
    return min(int((reached == 1).sum()), int((reached == 0).sum())) >= LEAST_EXITS


@dataclass(frozen=True, slots=True, eq=False)
class Risks:
    """Person-interval rows: one for each interval a snapshot's spell was at risk in.

    Parameters
    ----------
    row : ndarray of int64, shape (n_risks,)
        Which snapshot.
    start, width : ndarray of float64
        The interval, in midnights.
    left : ndarray of bool
        The spell ended, for whatever cause, in the interval.
    died : ndarray of bool
        It ended by death.
    """

    row: Int64
    start: NDArray[np.float64]
    width: NDArray[np.float64]
    left: NDArray[np.bool_]
    died: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> Risks:
        """Return the chosen rows."""
        return Risks(*(getattr(self, name)[chosen] for name in self.__slots__))


def risks_of(grid: Grid, days_so_far: Int64, outcomes: Outcomes) -> Risks:
    """Expand snapshots into the intervals they were at risk in.

    An interval counts only if the spell *could* have been followed to its end, whether it ended or
    not. Otherwise, near the end of the data, ends would be seen and stays would not, and every
    hazard would be too high.
    """
    stay = np.where(outcomes.censored, outcomes.follow_up_days + 1, outcomes.length_of_stay_days)
    columns: list[tuple[Int64, ...]] = [(np.zeros(0, np.int64),) * 5]  # a grid may have no interval
    edges = np.array(grid.boundaries, np.int64)
    for lower, upper in pairwise(edges):
        start = np.maximum(days_so_far, lower)
        at_risk = np.flatnonzero(
            (start < upper) & (stay >= start) & (outcomes.follow_up_days >= upper)
        )
        left = stay[at_risk] < upper
        columns.append(
            (at_risk, start[at_risk], upper - start[at_risk], left, left & outcomes.died[at_risk])
        )
    row, start, width, left, died = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Risks(
        row,
        start.astype(np.float64),
        width.astype(np.float64),
        left.astype(bool),
        died.astype(bool),
    )
