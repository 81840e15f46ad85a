"""Predictions in order of probability, under one or many sets of weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.judging.estimate import Float64

CELLS: Final = 512
"""Groups of neighbouring probabilities that calibration is measured on in replicates; the figure
itself is measured on the rows."""

NEIGHBOURS: Final = 4096
"""Runs of neighbouring probabilities that ranks are measured on in replicates of large samples."""

_EDGE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Ranking:
    """Outcomes and probabilities, ascending by probability.

    Parameters
    ----------
    order : ndarray of intp, shape (n,)
        From the rows as given to ascending probability.
    outcome, probability : ndarray of float64, shape (n,)
        Outcome 1 or 0; ascending.
    tie_start, tie_end : ndarray of intp, shape (n,)
        Where the run of equal probabilities that a row belongs to begins, and the position after
        its end.
    """

    order: NDArray[np.intp]
    outcome: Float64
    probability: Float64
    tie_start: NDArray[np.intp]
    tie_end: NDArray[np.intp]

    @classmethod
    def of(cls, outcome: Float64, probability: Float64) -> Self:
        """Rank rows whose outcome is known."""
        order = np.argsort(probability, kind="stable")
        ranked = probability[order]
        start = np.searchsorted(ranked, ranked, side="left")
        end = np.searchsorted(ranked, ranked, side="right")
        return cls(order, outcome[order], ranked, start, end)

    def condensed(self) -> tuple[Self, NDArray[np.intp], NDArray[np.intp]]:
        """At most ``2 * NEIGHBOURS`` rows in the place of many, for replicates.

        Neighbours become one probability, their mean, tied for those with the outcome and those
        without: what is lost is the order inside a run of a few thousandths of the rows. A
        ranking small enough is left as it is.

        Returns
        -------
        ranking : Ranking
        order, starts : ndarray of intp
            Positions of the rows by run, and where each run begins in them.
        """
        size = self.outcome.size
        if size <= 2 * NEIGHBOURS:
            each = np.arange(size)
            return self, each, each
        cell = np.arange(size) * NEIGHBOURS // size
        order = np.lexsort((self.outcome, cell))
        key = (2 * cell + self.outcome.astype(np.int64))[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        mean = np.bincount(cell, self.probability) / np.bincount(cell)
        run = key[starts]
        return self.of((run % 2).astype(np.float64), mean[run // 2]), order, starts

    @cached_property
    def log_odds(self) -> Float64:
        """Log-odds of the probabilities, kept finite."""
        kept = np.clip(self.probability, _EDGE, 1.0 - _EDGE)
        return np.asarray(np.log(kept) - np.log1p(-kept))


@dataclass(frozen=True, eq=False)
class Sample:
    """A ranking under weights: one row of weights a replicate.

    Parameters
    ----------
    ranking : Ranking
    weights : ndarray of float64, shape (n_replicates, n)
        In the order of the ranking.
    """

    ranking: Ranking
    weights: Float64 = field(repr=False)

    @classmethod
    def itself(cls, outcome: Float64, probability: Float64) -> Self:
        """The rows as they are, each counted once: one replicate."""
        ranking = Ranking.of(outcome, probability)
        return cls(ranking, np.ones((1, outcome.size)))

    @cached_property
    def cumulative(self) -> Float64:
        """Weight of all rows before each position, shape (n_replicates, n + 1)."""
        return _cumulative(self.weights)

    @cached_property
    def cumulative_events(self) -> Float64:
        """The same of the rows with outcome 1."""
        return _cumulative(self.weights * self.ranking.outcome)

    @property
    def total(self) -> Float64:
        """Weight of all rows, shape (n_replicates,)."""
        return self.cumulative[:, -1]

    @property
    def events(self) -> Float64:
        """Weight of the rows with outcome 1, shape (n_replicates,)."""
        return self.cumulative_events[:, -1]

    @cached_property
    def cells(self) -> Cells:
        """Neighbouring rows together; every row its own for the sample itself."""
        size = self.ranking.outcome.size
        most = size if self.weights.shape[0] == 1 else CELLS
        edges = np.unique(np.linspace(0, size, min(size, most) + 1).astype(np.intp))
        width = np.maximum(np.diff(edges), 1)
        return Cells(
            log_odds=np.add.reduceat(self.ranking.log_odds, edges[:-1]) / width
            if size
            else np.zeros(0),
            probability=np.add.reduceat(self.ranking.probability, edges[:-1]) / width
            if size
            else np.zeros(0),
            weights=np.diff(self.cumulative[:, edges], axis=1),
            events=np.diff(self.cumulative_events[:, edges], axis=1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Groups of neighbouring rows.

    Parameters
    ----------
    log_odds, probability : ndarray of float64, shape (n_cells,)
        Means of the rows, ascending.
    weights, events : ndarray of float64, shape (n_replicates, n_cells)
        Weight of all rows, and of those with outcome 1.
    """

    log_odds: Float64
    probability: Float64
    weights: Float64
    events: Float64


def _cumulative(weights: Float64) -> Float64:
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
