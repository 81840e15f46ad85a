"""Drift: are the patients, and the scores, still like those the model was judged on.

The reference is kept in the bundle: shares of each feature's values in ten or fewer bins, cut at
rounded deciles, with no patient's value in it.

References
----------
Siddiqi 2006, *Credit Risk Scorecards*, chapter 8 (population stability index, .1 and .25); here a
shift must also exceed what chance makes of so few patients, all features together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from models.judging.estimate import Float64

BINS: Final = 10
LEAST_SHARE: Final = 0.02
"""Of a category; rarer ones are counted together."""

WATCH, BREACH = 0.1, 0.25
CHANCE: Final = 0.01
"""Of any drift found where there is none, all columns together, at one look."""

SCORE: Final = "chance of a stay of so many nights: "
"""Begins the name of a column that holds scores and not a feature."""

LEAST_ROWS: Final = 100
_FLOOR: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Column:
    """What one column was like.

    Parameters
    ----------
    name : str
    edges : tuple of float
        Between bins; a value on an edge belongs above it.
    shares : tuple of float
        Of each bin, the missing last.
    categories : tuple of int
        In place of edges for a category: bins are these, the rest, the missing.
    """

    name: str
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    categories: tuple[int, ...] = ()

    def count(self, values: Float64) -> Float64:
        """How many values fall into each bin."""
        missing = np.isnan(values)
        known = values[~missing]
        if self.categories:
            hit = [float((known == one).sum()) for one in self.categories]
            return np.array([*hit, known.size - sum(hit), missing.sum()], np.float64)
        place = np.searchsorted(np.array(self.edges), known, side="right")
        counted = np.bincount(place, minlength=len(self.edges) + 1)
        return np.array([*counted, missing.sum()], np.float64)


@dataclass(frozen=True, slots=True)
class Reference:
    """What every column was like, on how many rows."""

    rows: int
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, matrix: Float64, names: Sequence[str], *, categorical: Sequence[int] = ()) -> Self:
        """Describe columns, one row a patient.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, n_columns)
        names : sequence of str
        categorical : sequence of int
            Positions of columns that hold categories.
        """
        chosen = set(categorical)
        columns = tuple(
            _column(name, matrix[:, place], categorical=place in chosen)
            for place, name in enumerate(names)
        )
        return cls(int(matrix.shape[0]), columns)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "rows": self.rows,
            "columns": [
                {
                    "name": column.name,
                    "edges": list(column.edges),
                    "shares": list(column.shares),
                    "categories": list(column.categories),
                }
                for column in self.columns
            ],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read back what :meth:`to_json` gave."""
        return cls(
            raw["rows"],
            tuple(
                Column(
                    one["name"], tuple(one["edges"]), tuple(one["shares"]), tuple(one["categories"])
                )
                for one in raw["columns"]
            ),
        )


def _column(name: str, values: Float64, *, categorical: bool) -> Column:
    known = values[~np.isnan(values)]
    edges: tuple[float, ...] = ()
    categories: tuple[int, ...] = ()
    if categorical:
        found, counts = np.unique(known, return_counts=True)
        common = found[counts >= LEAST_SHARE * max(values.size, 1)]
        categories = tuple(int(one) for one in common) or (-1,)
    elif known.size:
        deciles = np.quantile(known, np.arange(1, BINS) / BINS)
        edges = tuple(sorted({float(f"{one:.3g}") for one in deciles}))
    bare = Column(name, edges, (), categories)
    shares = bare.count(values) / max(values.size, 1)
    return Column(name, edges, tuple(round(float(one), 4) for one in shares), categories)


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one column has moved.

    Parameters
    ----------
    name : str
    index : float
        Population stability index.
    noise : float
        Index that chance alone passes with less than its part of ``CHANCE``.
    missing_before, missing_now : float
        Shares.
    """

    name: str
    index: float
    noise: float
    missing_before: float
    missing_now: float

    @property
    def state(self) -> str:
        """``ok``, ``watch`` or ``breach``: large, and larger than chance."""
        if self.index < max(WATCH, self.noise):
            return "ok"
        return "breach" if self.index >= BREACH else "watch"


def shifts(reference: Reference, matrix: Float64, *, rng: np.random.Generator) -> list[Shift]:
    """Shift of every column; none if there are too few rows to tell.

    Parameters
    ----------
    reference : Reference
    matrix : ndarray of float64, shape (n, n_columns)
        One row a patient, columns as in the reference.
    rng : numpy.random.Generator
        Of the simulation of what chance does.
    """
    if matrix.shape[0] < LEAST_ROWS or not reference.columns:
        return []
    level = 1.0 - CHANCE / len(reference.columns)
    noise = {
        bins: _noise(bins, reference.rows, matrix.shape[0], level, rng)
        for bins in {len(column.shares) for column in reference.columns}
    }
    return [
        _shift(column, matrix[:, place], noise[len(column.shares)])
        for place, column in enumerate(reference.columns)
    ]


def _shift(column: Column, values: Float64, noise: float) -> Shift:
    before = np.array(column.shares)
    now = column.count(values) / values.size
    return Shift(column.name, stability(before, now), noise, float(before[-1]), float(now[-1]))


def stability(before: Float64, now: Float64) -> float:
    """Population stability index of shares, empty bins counted as nearly empty.

    >>> stability(np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    0.0
    """
    a, b = np.maximum(before, _FLOOR), np.maximum(now, _FLOOR)
    return float(((b - a) * np.log(b / a)).sum())


def _noise(bins: int, rows: int, now: int, level: float, rng: np.random.Generator) -> float:
    """Quantile of the index without any shift, by drawing from equal bins."""
    even = np.full(bins, 1.0 / bins)
    first = rng.multinomial(rows, even, 4000) / rows
    then = rng.multinomial(now, even, 4000) / now
    a, b = np.maximum(first, _FLOOR), np.maximum(then, _FLOOR)
    return float(np.quantile(((b - a) * np.log(b / a)).sum(axis=1), level))
