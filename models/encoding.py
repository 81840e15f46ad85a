"""Features to the columns of the trees.

Every feature is one column. A category with many values (diagnosis, ward, specialty) gets a second
one: the log of observed over expected ends for that value, shrunk towards 0, so that a value seen
twenty times need not earn its own split. In training the ratios are cross-fitted by patient: nobody
is described by their own stay.

References
----------
Micci-Barreca 2001, SIGKDD Explorations 3 (shrunken target statistics); Prokhorenkova et al. 2018,
"CatBoost", section 3 (why they must not see their own row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from feature_store.definitions import FeatureSet
from models.grid import Int64, Risks
from models.survival import Float64

MANY_VALUES: Final = 10
"""Categories from which a feature gets a ratio column."""

FOLDS: Final = 5
_PRIOR_ENDS: Final = 20.0
"""Expected ends at which a value counts half for itself, half for the average."""

_WIDEST: Final = 1e4
"""Wider than any interval, so that start and width make one number."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio column of one categorical feature.

    Parameters
    ----------
    feature : int
        Which feature.
    table : tuple of float
        Log ratio by category; then one for any other value, and one for missing.
    """

    feature: int
    table: tuple[float, ...]

    def apply(self, column: Float64) -> Float64:
        """Log ratios of the categories in a column."""
        return np.array(self.table)[_slots(column, len(self.table))]


@dataclass(frozen=True, slots=True)
class Encoding:
    """Columns of the trees: the features as they are, then the ratios.

    Parameters
    ----------
    features : int
        How many features.
    ratios : tuple of Ratio
    """

    features: int
    ratios: tuple[Ratio, ...]

    @property
    def width(self) -> int:
        """Columns in all."""
        return self.features + len(self.ratios)

    def apply(self, matrix: Float64) -> Float64:
        """Columns of the trees, shape (n, width)."""
        return np.column_stack(
            [matrix, *(ratio.apply(matrix[:, ratio.feature]) for ratio in self.ratios)]
        )

    def gather(self, contributions: Float64) -> Float64:
        """Contributions of columns to contributions of features: ratios go to their feature."""
        gathered = contributions[:, : self.features].copy()
        for position, ratio in enumerate(self.ratios):
            gathered[:, ratio.feature] += contributions[:, self.features + position]
        return gathered

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        ratios = [{"feature": ratio.feature, "table": list(ratio.table)} for ratio in self.ratios]
        return {"features": self.features, "ratios": ratios}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_json`."""
        ratios = tuple(
            Ratio(int(row["feature"]), tuple(map(float, row["table"]))) for row in raw["ratios"]
        )
        return cls(int(raw["features"]), ratios)


def learn_encoding(
    matrix: Float64, feature_set: FeatureSet, risks: Risks, weight: Float64, subject_id: Int64
) -> tuple[Encoding, Float64]:
    """Encoding of a training set, and its cross-fitted columns.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, n_features)
    feature_set : FeatureSet
    risks : Risks
        Intervals the snapshots were at risk in.
    weight : ndarray of float64, shape (n,)
        Of each snapshot.
    subject_id : ndarray of int64, shape (n,)
        Decides the fold: a patient is never on both sides.

    Returns
    -------
    encoding : Encoding
        Learnt on everybody: for later patients.
    columns : ndarray of float64, shape (n, width)
        Each snapshot's ratios learnt on other patients.
    """
    many = [
        column
        for column in feature_set.categorical
        if len(feature_set.features[column].categories) >= MANY_VALUES
    ]
    sizes = [len(feature_set.features[column].categories) + 2 for column in many]
    slots = [_slots(matrix[:, column], size) for column, size in zip(many, sizes, strict=True)]
    everybody = _pool(risks, weight, np.ones(len(subject_id), bool))
    ratios = tuple(
        Ratio(column, tuple(map(float, everybody.ratios(slot, size))))
        for column, slot, size in zip(many, slots, sizes, strict=True)
    )
    crossed = np.zeros((len(subject_id), len(many)))
    fold = (subject_id * np.int64(0x9E3779B97F4A7C1 | 1) >> np.int64(40)) % FOLDS
    for part in range(FOLDS if many else 0):
        own, others = fold == part, _pool(risks, weight, fold != part)
        for position, (slot, size) in enumerate(zip(slots, sizes, strict=True)):
            crossed[own, position] = others.ratios(slot, size)[slot[own]]
    return Encoding(matrix.shape[1], ratios), np.hstack([matrix, crossed])


def _slots(column: Float64, size: int) -> Int64:
    known = np.where(np.isnan(column), size - 1, column)
    return np.asarray(np.clip(known, 0, size - 1), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Person-intervals of some of the snapshots: ends observed in each, and ends expected."""

    row: Int64
    ended: Float64
    due: Float64

    def ratios(self, slots: Int64, size: int) -> Float64:
        """Log of observed over expected ends by slot, shrunk."""
        slot = slots[self.row]
        ended = np.bincount(slot, self.ended, minlength=size)
        due = np.bincount(slot, self.due, minlength=size)
        return np.asarray(np.log((ended + _PRIOR_ENDS) / (due + _PRIOR_ENDS)))


def _pool(risks: Risks, weight: Float64, chosen: NDArray[np.bool_]) -> _Pool:
    """Ends are expected by the pooled hazard of an interval, of these snapshots and no others."""
    rows = np.flatnonzero(chosen[risks.row])
    row = risks.row[rows]
    mass, ended = weight[row], weight[row] * risks.left[rows]
    bounds = risks.start[rows] * _WIDEST + risks.width[rows]
    interval = np.unique(bounds, return_inverse=True)[1].ravel()
    hazard = np.bincount(interval, ended) / np.bincount(interval, mass)
    return _Pool(row, ended, hazard[interval] * mass)
