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

from dataclasses import dataclass
from functools import cached_property

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from models.calibration import Calibration
from models.encoding import Encoding
from models.grid import Grid, Int64
from models.outlook import Oracle, Outcome
from models.survival import Float64, Prediction
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


@dataclass(frozen=True, eq=False)
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

    def outlook(self, matrix: Float64, days_so_far: Int64, *, explain: bool = True) -> Outcome:
        """All that the model says of each row.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, n_features)
            Columns in the order of ``feature_set``.
        days_so_far : ndarray of int64, shape (n,)
            Midnights since admission.
        explain : bool
            Whether effects, base and log-odds are wanted; they are left undefined otherwise.

        Raises
        ------
        BadInput
            Another number of columns or rows than declared, or days below 0.
        """
        if matrix.shape != (len(days_so_far), len(self.feature_set)):
            expected = (len(days_so_far), len(self.feature_set))
            msg = f"features: shape {expected} expected, got {matrix.shape}"
            raise BadInput(msg)
        return self._oracle.forecast(matrix, days_so_far, explain=explain)

    def predict(self, matrix: Float64, days_so_far: Int64) -> Prediction:
        """Calibrated prediction of each row; errors and parameters as of :meth:`outlook`."""
        said = self.outlook(matrix, days_so_far, explain=False)
        return Prediction(self.grid, days_so_far, said.staying, said.died)

    def predict_raw(self, matrix: Float64, days_so_far: Int64) -> Prediction:
        """Return the product of hazards, before calibration: what calibration is learnt from."""
        said = self.outlook(matrix, days_so_far, explain=False)
        return Prediction(self.grid, days_so_far, said.raw, said.raw_died)

    def explain(self, matrix: Float64, days_so_far: Int64) -> Explanation:
        """Exact contributions of each feature, for each row."""
        said = self.outlook(matrix, days_so_far)
        return Explanation(said.base, said.effects, said.log_odds)

    @cached_property
    def _oracle(self) -> Oracle:
        return Oracle(self.encoding, self.grid, self.exit_trees, self.death_trees, self.calibration)
