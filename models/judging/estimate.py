"""A figure with its interval, and the bootstrap by patient that the interval comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

REPLICATES: Final = 200
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A figure and its bootstrap replicates.

    Parameters
    ----------
    value : float
        On the sample itself; NaN where the sample cannot show it.
    replicates : ndarray of float64, shape (n_replicates,)
    """

    value: float
    replicates: Float64 = field(repr=False)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile interval; NaN where too few replicates could show the figure.

        Errors that cannot fall below 0 (ECE, E-avg) are larger in a resample than in the sample; an
        interval is widened to hold its figure.
        """
        known = self.replicates[~np.isnan(self.replicates)]
        if known.size < LEVEL * max(self.replicates.size, 1):
            return float("nan"), float("nan")
        tail = (1.0 - LEVEL) / 2.0
        low, high = np.quantile(known, [tail, 1.0 - tail])
        return float(np.fmin(low, self.value)), float(np.fmax(high, self.value))

    def to_json(self) -> dict[str, Any]:
        """``value``, ``low`` and ``high``; null where unknown, for NaN is not JSON."""
        low, high = self.interval
        return {"value": _known(self.value), "low": _known(low), "high": _known(high)}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def difference(first: Estimate, second: Estimate) -> Estimate:
    """``first - second``, paired: both must come from the same rows, seed and replicates."""
    return Estimate(first.value - second.value, first.replicates - second.replicates)


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """Bootstrap by patient: how often each row counts in each replicate.

    All rows of a patient are drawn together, for they are not independent.

    Parameters
    ----------
    counts : ndarray of uint8, shape (n_replicates, n_patients)
    patient : ndarray of int64, shape (n,)
        Position of each row's patient.
    """

    counts: NDArray[np.uint8]
    patient: Int64

    @classmethod
    def draw(cls, subject_id: Int64, *, replicates: int = REPLICATES, seed: int = 0) -> Resamples:
        """Draw with replacement as many patients as there are, ``replicates`` times.

        The same subjects and seed give the same draws, which is what pairs two models.
        """
        subjects, patient = np.unique(subject_id, return_inverse=True)
        generator = np.random.default_rng(seed)
        counts = np.empty((replicates, subjects.size), np.uint8)
        for row in counts:
            drawn = generator.integers(0, max(subjects.size, 1), subjects.size)
            row[:] = np.minimum(np.bincount(drawn, minlength=subjects.size), 255)
        return cls(counts, patient.ravel())

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Resamples:
        """The same draws, of these rows only."""
        kept, patient = np.unique(self.patient[rows], return_inverse=True)
        return Resamples(self.counts[:, kept], patient.ravel())

    def group_sums(self, starts: NDArray[np.intp]) -> Float64:
        """Weight of runs of neighbouring rows, shape (n_replicates, n_runs).

        Parameters
        ----------
        starts : ndarray of intp, shape (n_runs,)
            Where each run begins, ascending from 0.
        """
        ends = np.append(starts, self.patient.size)
        ones = np.ones(self.patient.size, np.float32)  # counts of less than 2**24 stay exact
        member = csr_array((ones, self.patient, ends), shape=(starts.size, self.counts.shape[1]))
        return np.asarray((member @ self.counts.T.astype(np.float32)).T, np.float64, order="C")

    def sums(self, columns: Float64) -> Float64:
        """Sum of columns of the rows, each replicate counting rows by patient.

        Parameters
        ----------
        columns : ndarray of float64, shape (n, k)

        Returns
        -------
        ndarray of float64, shape (n_replicates, k)
        """
        patients = self.counts.shape[1]
        each = [np.bincount(self.patient, column, minlength=patients) for column in columns.T]
        return np.asarray(self.counts.astype(np.float64) @ np.column_stack(each))

    def ratios(self, above: Float64, below: Float64) -> list[Estimate]:
        """Sum of each column of ``above`` over the sum of ``below``, with replicates.

        Parameters
        ----------
        above : ndarray of float64, shape (n, k)
        below : ndarray of float64, shape (n,)
        """
        sums = self.sums(np.column_stack([above, below]))
        replicates = np.full((sums.shape[0], above.shape[1]), np.nan)
        np.divide(sums[:, :-1], sums[:, [-1]], out=replicates, where=sums[:, [-1]] > 0)
        total = float(below.sum())
        values = above.sum(axis=0) / total if total > 0 else np.full(above.shape[1], np.nan)
        return [Estimate(float(value), replicates[:, at]) for at, value in enumerate(values)]
