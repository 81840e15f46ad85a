"""Randomisation inference: the estimate beside those of every other order of the roll-out.

With a handful of sites no large-sample formula holds. If the order of the sites was drawn by lot,
every order was as likely, and the share of orders with an estimate at least as far from the
supposed effect is an exact p-value, whatever the distribution, the autocorrelation or the season.
Where the order was not drawn by lot, that the units could have changed places is an assumption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial, prod
from typing import Final

import numpy as np
from numpy.random import Generator

from training.impact.panel import Float64, Int64, Panel, Rollout
from training.impact.weights import Weigh

LEVEL: Final = 0.95
MOST_ORDERS: Final = 1000
LEAST_ORDERS: Final = 20
"""Orders below which no estimate, however large, could be told from chance at 5 %."""

_DUST: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """Estimates under every order considered, the one that happened first.

    Parameters
    ----------
    of_values : ndarray of float64, shape (n_orders,)
        Estimate of each order on the values as seen.
    of_effect : ndarray of float64, shape (n_orders,)
        Estimate of each order on a panel that holds an effect of 1 in the cells truly treated.
    exact : bool
        Whether these are all orders that there are.
    """

    of_values: Float64
    of_effect: Float64
    exact: bool

    @property
    def estimate(self) -> float:
        """Of the order that happened."""
        return float(self.of_values[0])

    def p_value(self, effect: float = 0.0) -> float:
        """Chance of an estimate at least as far from ``effect``, if that were the effect."""
        return float(self._p_values(np.array([effect]))[0])

    def interval(self) -> tuple[float, float]:
        """Effects that are not rejected at 5 %; without end where the orders are too few.

        An effect is supposed to be the same in every treated cell.
        """
        if (np.abs(self.of_effect) >= 1.0 - _DUST).mean() > 1.0 - LEVEL:
            return -np.inf, np.inf
        edges = self._edges()
        middles = np.concatenate(
            [[edges[0] - 1.0], (edges[1:] + edges[:-1]) / 2.0, [edges[-1] + 1.0]]
        )
        kept = np.flatnonzero(self._p_values(middles) > 1.0 - LEVEL)
        if not kept.size:
            return self.estimate, self.estimate
        low = -np.inf if kept[0] == 0 else edges[kept[0] - 1]
        high = np.inf if kept[-1] == edges.size else edges[kept[-1]]
        return float(min(low, self.estimate)), float(max(high, self.estimate))

    def _edges(self) -> Float64:
        """Effects at which some order stops being as far away as the one that happened."""
        values, effect = self.of_values[1:], self.of_effect[1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            edges = np.concatenate(
                [(self.estimate - values) / (1 - effect), (self.estimate + values) / (1 + effect)]
            )
        return np.unique(np.append(edges[np.isfinite(edges)], self.estimate))

    def _p_values(self, effects: Float64) -> Float64:
        away = np.abs(self.of_values[None, :] - effects[:, None] * self.of_effect[None, :])
        seen = np.abs(self.estimate - effects)[:, None]
        return np.asarray((away >= seen - _DUST * (1.0 + seen)).mean(axis=1), dtype=np.float64)


def orders_of(start: Int64, rng: Generator, *, most: int = MOST_ORDERS) -> tuple[Int64, bool]:
    """Distinct ways to hand the starts to the units, the true one first.

    Parameters
    ----------
    start : ndarray of int64, shape (n_units,)
    rng : Generator
        Draws orders where there are more than ``most``.
    most : int

    Returns
    -------
    orders : ndarray of int64, shape (n_orders, n_units)
    exact : bool
        Whether these are all.

    >>> orders, exact = orders_of(np.array([3, 9, 9]), np.random.default_rng(0))
    >>> orders.tolist(), exact
    ([[3, 9, 9], [9, 3, 9], [9, 9, 3]], True)
    """
    if count_orders(start) <= most:
        everything = [order for order in _arrangements(start.tolist()) if order != start.tolist()]
        return np.array([start.tolist(), *everything], dtype=np.int64), True
    drawn = [start, *(rng.permutation(start) for _ in range(most - 1))]
    return np.stack(drawn).astype(np.int64), False


def count_orders(start: Int64) -> int:
    """How many distinct orders there are.

    >>> count_orders(np.array([3, 9, 9]))
    3
    """
    same = Counter(start.tolist()).values()
    return factorial(start.size) // prod(factorial(count) for count in same)


def _arrangements(items: list[int]) -> Iterator[list[int]]:
    if not items:
        yield []
        return
    for one in sorted(set(items)):
        rest = items.copy()
        rest.remove(one)
        for tail in _arrangements(rest):
            yield [one, *tail]


def randomise(
    panel: Panel, rollout: Rollout, weigh: Weigh, rng: Generator, *, most: int = MOST_ORDERS
) -> Orders:
    """Estimate under the order that happened and under the others."""
    starts, exact = orders_of(rollout.start, rng, most=most)
    weights = weigh(starts, rollout.points, rollout.transition)
    flat = weights.reshape(len(starts), -1)
    return Orders(
        of_values=flat @ panel.values.ravel(),
        of_effect=flat @ rollout.exposed.astype(np.float64).ravel(),
        exact=exact,
    )
