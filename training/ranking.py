"""How well one fact ranks spells by itself, learnt on some and judged on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_store.events import Int64
from models.judging.estimate import Float64

RANGES: Final = 32
_PRIOR: Final = 10.0
"""Spells at the overall share that every range starts with: a value seen twice ranks nothing."""

_NORMAL_95: Final = 1.96

Column = tuple[Float64, Float64]
"""Values of one fact (NaN where missing), and the target: 1, 0, or NaN where not known."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Area under the ROC curve with the ends of its 95 % interval; NaN with one side only."""

    area: float
    low: float
    high: float


def rank_alone(learn: Column, judge: Column, *, categories: int = 0) -> Ranked:
    """Rank by a table of shares.

    Parameters
    ----------
    learn, judge : tuple of (ndarray of shape (n,), ndarray of shape (n,))
        Values and target; rows without a target are left out.
    categories : int
        How many known ones, where values are positions; 0 for quantities.

    Returns
    -------
    Ranked
        Interval by Hanley and McNeil (1982, Radiology 143).

    >>> values, target = np.arange(100.0), np.repeat([0.0, 1.0], 50)
    >>> rank_alone((values, target), (values, target)).area > 0.99
    True
    >>> empty = np.full(100, np.nan)
    >>> rank_alone((empty, target), (empty, target)).area
    0.5
    """
    values, target = _known(learn)
    edges = _edges(values, categories)
    places = _places(values, edges)
    size = edges.size + 2
    rows = np.bincount(places, minlength=size)
    overall = target.mean() if target.size else 0.0
    shares = (np.bincount(places, target, size) + _PRIOR * overall) / (rows + _PRIOR)
    judged, truth = _known(judge)
    return _area(shares, _places(judged, edges), truth)


def _known(column: Column) -> Column:
    values, target = column
    told = ~np.isnan(target)
    return values[told], target[told]


def _edges(values: Float64, categories: int) -> Float64:
    if categories:
        return np.arange(categories, dtype=np.float64) + np.float64(0.5)
    there = values[~np.isnan(values)]
    if not there.size:
        return np.zeros(0)
    ends = np.quantile(there, np.arange(1, RANGES) / RANGES, method="lower")
    return np.asarray(np.unique(ends), np.float64)


def _places(values: Float64, edges: Float64) -> Int64:
    """Range of each value; missing is the last one."""
    places = np.searchsorted(edges, values, side="left")
    return np.where(np.isnan(values), edges.size + 1, places).astype(np.int64)


def _area(shares: Float64, places: Int64, truth: Float64) -> Ranked:
    # Ranges of one share tie, as two rows of one range do.
    level = np.unique(shares, return_inverse=True)[1].ravel()
    long = np.bincount(level[places], truth, shares.size)
    short = np.bincount(level[places], 1.0 - truth, shares.size)
    pairs = long.sum() * short.sum()
    if not pairs:
        return Ranked(np.nan, np.nan, np.nan)
    below = np.cumsum(short) - short
    area = float((long * (below + short / 2.0)).sum() / pairs)
    error = _error(area, long.sum(), short.sum())
    return Ranked(area, max(area - _NORMAL_95 * error, 0.0), min(area + _NORMAL_95 * error, 1.0))


def _error(area: float, long: float, short: float) -> float:
    both_long, both_short = area / (2.0 - area), 2.0 * area**2 / (1.0 + area)
    variance = (
        area * (1.0 - area)
        + (long - 1.0) * (both_long - area**2)
        + (short - 1.0) * (both_short - area**2)
    ) / (long * short)
    return float(np.sqrt(max(variance, 0.0)))
