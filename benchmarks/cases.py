"""Snapshots with their features and outcomes: what every contestant is given, row for row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.definitions import FeatureSet
from feature_store.outcome import Outcomes
from feature_store.snapshots import Snapshots

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """Snapshots to learn from or to be judged on.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, n_features)
        From :func:`feature_store.compute.compute_features`; NaN is missing.
    snapshots : Snapshots
    outcomes : Outcomes
        As known at the end of the period the cases belong to.
    feature_set : FeatureSet
        Names the columns.
    """

    matrix: Float64
    snapshots: Snapshots
    outcomes: Outcomes
    feature_set: FeatureSet

    def __len__(self) -> int:
        """Return how many snapshots there are."""
        return len(self.snapshots)

    @property
    def days_so_far(self) -> Int64:
        """Local midnights since admission, of each snapshot."""
        return self.snapshots.days_so_far

    def target(self, horizon: int) -> Float64:
        """1 or 0 by length of stay >= ``horizon``; NaN if not known, or if already passed."""
        return np.where(self.days_so_far < horizon, self.outcomes.long_stay(horizon), np.nan)

    def take(self, rows: NDArray[Any]) -> Cases:
        """Return the cases at these rows."""
        return Cases(
            self.matrix[rows],
            self.snapshots.take(rows),
            self.outcomes.take(rows),
            self.feature_set,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One division of the data, the same for every contestant.

    Parameters
    ----------
    train : Cases
        To fit what the calibration is learnt from.
    calibration : Cases
        Other patients, unseen by that fit.
    test : Cases
        Other patients again.
    whole : Cases, optional
        Train and calibration cases together, if the model that is judged is fitted on all of them;
        else it is the one fitted on ``train``.
    """

    train: Cases
    calibration: Cases
    test: Cases
    whole: Cases | None = None


def part_patients(subject_id: Int64, parts: int, *, seed: int) -> Int64:
    """Part of each row, 0 to ``parts - 1``, by chance and by patient: nobody is in two.

    >>> part_patients(np.array([7, 7, 8, 9]), 2, seed=1).tolist()
    [1, 1, 0, 0]
    """
    patients, row = np.unique(subject_id, return_inverse=True)
    part = np.random.default_rng(seed).permutation(patients.size) % parts
    return np.asarray(part[row.ravel()], dtype=np.int64)
