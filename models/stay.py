"""The stay model: discrete-time hazards of leaving hospital, read as chances of a long stay.

For each interval of the day grid that still lies ahead, gradient-boosted trees give the chance that
the spell ends in it, for whatever cause; a second set of trees gives, for a spell that ends, the
chance that it ends by death. The product of the two is the cause-specific hazard of death, the rest
that of discharge alive. P(length of stay >= k) is the product of (1 - hazard) up to k: coherent
across horizons, conditional on the days already stayed, with censored spells taken as they are.

Needs NumPy and the compiled kernel only; how it is fitted is :mod:`models.fitting`.

References
----------
Tutz & Schmid 2016, *Modeling Discrete Time-to-Event Data*, chapters 3 and 8 (hazards from binary
models; competing risks); van Houwelingen 2007, Scand J Stat 34 (landmarking).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from models.calibration import Calibration, expit
from models.encoding import Encoding
from models.grid import Grid, Int64
from models.survival import Float64, Prediction, staying_from
from models.trees import Trees


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Exact contributions to the model's log-odds.

    The quantity explained is the log-odds of staying past an interval, averaged over the nights
    from now to the next horizon: minus the mean margin of the hazard trees. It is additive in the
    trees, so the contributions are exact Shapley values of it, not of an approximation.

    Parameters
    ----------
    base_value : ndarray of float64, shape (n,)
        Expected value plus what the interval itself contributes.
    effects : ndarray of float64, shape (n, n_features)
        Positive lengthens the stay.
    log_odds : ndarray of float64, shape (n,)
        ``base_value + effects.sum(axis=1)``, within rounding.
    """

    base_value: Float64
    effects: Float64
    log_odds: Float64


@dataclass(frozen=True, slots=True, eq=False)
class StayModel:
    """A fitted stay model.

    Parameters
    ----------
    feature_set : FeatureSet
    encoding : Encoding
        Features to columns of the trees.
    grid : Grid
    exit_trees : Trees
        Margin of leaving in an interval; the last two columns are its start and width.
    death_trees : Trees or None
        Margin of dying, for a spell that ends in the interval; None if deaths were too few.
    calibration : Calibration
    importance : tuple of float
        Total gain of each feature, of the exit trees.
    """

    feature_set: FeatureSet
    encoding: Encoding
    grid: Grid
    exit_trees: Trees
    death_trees: Trees | None
    calibration: Calibration
    importance: tuple[float, ...]

    def predict(self, matrix: Float64, days_so_far: Int64) -> Prediction:
        """Calibrated prediction of each row.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, n_features)
            Columns in the order of ``feature_set``.
        days_so_far : ndarray of int64, shape (n,)
            Midnights since admission.

        Raises
        ------
        BadInput
            Another number of columns or rows than declared.
        """
        return self.calibration.apply(self.predict_raw(matrix, days_so_far))

    def predict_raw(self, matrix: Float64, days_so_far: Int64) -> Prediction:
        """Return the product of hazards, before calibration: what calibration is learnt from."""
        columns = self._columns(matrix, days_so_far)
        boundaries = len(self.grid.boundaries)
        staying = np.ones((len(days_so_far), boundaries))
        died = np.full(len(days_so_far), np.nan)  # beyond the grid nothing is known
        for rows, ahead in self._by_day(days_so_far):
            hazards = expit(self.exit_trees.predict_raw_grid(columns[rows], self._varying, ahead))
            part = staying_from(hazards, boundaries)
            staying[rows] = part
            died[rows] = self._deaths(columns[rows], ahead, hazards, part)
        return Prediction(self.grid, days_so_far, staying, died)

    def explain(self, matrix: Float64, days_so_far: Int64) -> Explanation:
        """Exact contributions of each feature, for each row."""
        columns = self._columns(matrix, days_so_far)
        totals = np.zeros((len(days_so_far), columns.shape[1] + 1))
        for rows, ahead in self._by_day(days_so_far):
            until = self.grid.next_horizon(int(days_so_far[rows[0]]))
            nights = np.where(ahead[:, 0] < until, ahead[:, 1], 0.0)
            weights = np.tile(-nights / max(nights.sum(), 1.0), (rows.size, 1))
            totals[rows] = self.exit_trees.contributions_grid(
                columns[rows], self._varying, ahead, weights
            )
        effects = self.encoding.gather(totals[:, :-3])
        base = totals[:, -3:].sum(axis=1)
        return Explanation(base, effects, base + effects.sum(axis=1))

    @property
    def _varying(self) -> tuple[int, int]:
        width = self.encoding.width
        return (width, width + 1)

    def _columns(self, matrix: Float64, days_so_far: Int64) -> Float64:
        if matrix.shape != (len(days_so_far), len(self.feature_set)):
            expected = (len(days_so_far), len(self.feature_set))
            msg = f"features: shape {expected} expected, got {matrix.shape}"
            raise BadInput(msg)
        columns = np.zeros((len(days_so_far), self.encoding.width + 2))
        # The trees learnt their thresholds from 32-bit columns: a request must round the same way.
        columns[:, :-2] = self.encoding.apply(matrix).astype(np.float32)
        return columns

    def _by_day(self, days_so_far: Int64) -> Iterator[tuple[NDArray[np.intp], Float64]]:
        """Rows that share their days so far share the intervals ahead; none ahead, none yielded."""
        order = np.argsort(days_so_far, kind="stable")
        days, first = np.unique(days_so_far[order], return_index=True)
        for day, rows in zip(days, np.split(order, first)[1:], strict=True):
            ahead = self.grid.ahead(int(day))
            if ahead.size:
                yield rows, ahead

    def _deaths(
        self, columns: Float64, ahead: Float64, hazards: Float64, staying: Float64
    ) -> Float64:
        if self.death_trees is None:
            return np.full(columns.shape[0], np.nan)
        dies = expit(self.death_trees.predict_raw_grid(columns, self._varying, ahead))
        first = staying.shape[1] - hazards.shape[1] - 1
        return np.asarray((staying[:, first:-1] * hazards * dies).sum(axis=1))
