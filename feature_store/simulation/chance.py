"""Chance as an argument: small vectorised draws from a generator that is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Arrays of one length, one row a person or a spell; subclasses name them."""

    def take(self, rows: Ints | Flags) -> Self:
        """Return these rows, in this order."""
        return type(self)(*(getattr(self, column.name)[rows] for column in fields(self)))

    @classmethod
    def stack(cls, parts: Sequence[Self]) -> Self:
        """One table from several, in order."""
        return cls(
            *(
                np.concatenate([getattr(part, column.name) for part in parts])
                for column in fields(cls)
            )
        )


def sigmoid(log_odds: Floats) -> Floats:
    """Chance of these log-odds; no overflow for log-odds within +-700."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def happens(rng: Generator, chance: ArrayLike, size: int | None = None) -> Flags:
    """One yes or no for each chance."""
    chances = np.asarray(chance, dtype=np.float64)
    return rng.random(chances.shape if size is None else size) < chances


def choose(rng: Generator, weights: ArrayLike, size: int | None = None) -> Ints:
    """One column number a row, in proportion to the weights.

    Parameters
    ----------
    rng : Generator
    weights : array_like of shape (n, k) or (k,)
        Not negative, a positive sum in each row; need not sum to 1.
    size : int, optional
        Number of draws from one row of weights.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    table = np.asarray(weights, dtype=np.float64)
    if table.ndim == 1:
        edges = np.cumsum(table)
        drawn = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
    else:
        edges = np.cumsum(table, axis=1)
        draw = rng.random(len(table)) * edges[:, -1]
        drawn = (edges[:, :-1] <= draw[:, None]).sum(axis=1)
    return np.asarray(drawn, dtype=np.int64)


def rows_where(mask: Flags) -> Ints:
    """Numbers of the rows that a mask picks.

    >>> rows_where(np.array([True, False, True])).tolist()
    [0, 2]
    """
    return np.flatnonzero(mask).astype(np.int64)
