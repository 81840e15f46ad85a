"""Survival in hospital over the day grid, and its readings: chances, quantiles, coherence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.grid import Grid, Int64

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """P(still in hospital) at each boundary, given still in hospital now.

    Parameters
    ----------
    grid : Grid
    days_so_far : ndarray of int64, shape (n,)
    staying : ndarray of float64, shape (n, n_boundaries)
        P(length of stay >= boundary); 1 up to ``days_so_far``, never rising.
    died : ndarray of float64, shape (n,)
        Chance that the spell ends by death in hospital; NaN where the model cannot know.
    """

    grid: Grid
    days_so_far: Int64
    staying: Float64
    died: Float64

    def at_least(self, days: int) -> Float64:
        """P(length of stay >= ``days``), shape (n,); NaN beyond the grid.

        Between boundaries the daily hazard is constant, so the chance falls log-linearly.
        """
        if days > self.grid.last:
            return np.where(self.days_so_far >= days, 1.0, np.nan)
        upper = int(np.searchsorted(self.grid.boundaries, days))
        if self.grid.boundaries[upper] == days:
            return self.staying[:, upper]
        start = np.maximum(self.days_so_far, self.grid.boundaries[upper - 1])
        share = np.clip(
            (days - start) / np.maximum(self.grid.boundaries[upper] - start, 1), 0.0, 1.0
        )
        before, after = self.staying[:, upper - 1], self.staying[:, upper]
        fall = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
        return np.asarray(before * fall**share)

    def leaving_within(self, nights: int) -> Float64:
        """Chance that the spell ends before so many more midnights have passed, shape (n,).

        For whatever cause. Asked at 06:00, one night is the next 24 hours but for those who
        leave between midnight and 06:00. NaN beyond the grid.
        """
        chance = np.empty(self.days_so_far.size)
        for day in np.unique(self.days_so_far):
            rows = self.days_so_far == day
            of_day = Prediction(
                self.grid, self.days_so_far[rows], self.staying[rows], self.died[rows]
            )
            chance[rows] = 1.0 - of_day.at_least(int(day) + nights)
        return chance

    def quantile(self, share: float) -> Float64:
        """Length of stay, in midnights, not passed with chance ``share``; NaN beyond the grid.

        The smallest k with P(length of stay <= k) >= ``share``.
        """
        level = 1.0 - share
        edges = np.array(self.grid.boundaries, np.float64)
        reached = self.staying <= level
        upper = np.argmax(reached, axis=1)
        row = np.arange(len(self.days_so_far))
        lower = np.maximum(upper - 1, 0)
        start = np.maximum(self.days_so_far, edges[lower])
        before, after = self.staying[row, lower], self.staying[row, upper]
        fall = np.log(np.maximum(before, 1e-300)) - np.log(np.maximum(after, 1e-300))
        part = (np.log(np.maximum(before, 1e-300)) - np.log(level)) / np.where(fall > 0, fall, 1.0)
        moment = start + np.clip(part, 0.0, 1.0) * (edges[upper] - start)
        day = np.maximum(np.ceil(moment - 1e-9) - 1, self.days_so_far)
        return np.where(reached.any(axis=1), day, np.nan)


def staying_from(hazards: Float64, columns: int) -> Float64:
    """P(staying) at the boundaries after now, from hazards of the intervals ahead.

    Parameters
    ----------
    hazards : ndarray of float64, shape (n, n_ahead)
    columns : int
        Boundaries in all; those already passed are 1.

    Returns
    -------
    ndarray of float64, shape (n, columns)
    """
    staying = np.ones((hazards.shape[0], columns))
    staying[:, columns - hazards.shape[1] :] = np.cumprod(1.0 - hazards, axis=1)
    return staying
