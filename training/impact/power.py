"""The smallest effect a roll-out could show, by simulation from the site's own variance.

Noise is drawn as the panel shows it: AR(1) within each unit, about effects of unit and point (which
the estimators take out, and which need not be drawn). An effect is planted in the cells the
roll-out would treat and put to the very test that will be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from training.impact.clusters import contrasts_of
from training.impact.panel import Float64, Panel, Rollout
from training.impact.randomisation import LEAST_ORDERS, LEVEL, count_orders, orders_of
from training.impact.series import spread_of
from training.impact.weights import Weigh

WANTED: Final = 0.8
SIMULATIONS: Final = 400
ORDERS: Final = 200
_STEPS: Final = 12
_FARTHEST: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How a unit moves about what its level and the time explain.

    Parameters
    ----------
    sd : float
        Of one point.
    autocorrelation : float
        From one point to the next.
    """

    sd: float
    autocorrelation: float

    def draw(self, rng: Generator, size: int, units: int, points: int) -> Float64:
        """Panels of noise, shape (size, units, points)."""
        out = rng.normal(0.0, self.sd, (size, units, points))
        keep = np.sqrt(1.0 - self.autocorrelation**2)
        for point in range(1, points):
            out[:, :, point] = self.autocorrelation * out[:, :, point - 1] + keep * out[:, :, point]
        return out


def noise_of(panel: Panel) -> Noise:
    """Noise of a panel in which nothing was changed; at least two units and eight points."""
    autocorrelation, sd = spread_of(contrasts_of(len(panel.units)) @ panel.values)
    return Noise(sd=sd, autocorrelation=autocorrelation)


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Simulated evaluations of one roll-out, before any effect is planted.

    Parameters
    ----------
    of_noise : ndarray of float64, shape (n_trials, n_orders)
        Estimates of each order on the noise.
    of_effect : ndarray of float64, shape (n_orders,)
        Estimates of each order on an effect of 1.
    """

    of_noise: Float64
    of_effect: Float64

    def power(self, effect: float) -> float:
        """Share of trials in which an effect of this size is told from none at 5 %."""
        told = np.abs(self.of_noise + effect * self.of_effect)
        share = (told >= told[:, :1] - 1e-9).mean(axis=1)
        return float((share <= 1.0 - LEVEL).mean())

    def smallest(self, wanted: float = WANTED) -> float:
        """Smallest effect found in a share ``wanted`` of trials; infinite if none is."""
        spread = float(self.of_noise[:, 0].std())
        high = _FARTHEST * max(spread, 1e-12)
        if self.power(high) < wanted:
            return float("inf")
        low = 0.0
        for _ in range(_STEPS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self.power(middle) >= wanted else (middle, high)
        return high


def trials(
    noise: Noise, rollout: Rollout, weigh: Weigh, rng: Generator, *, size: int = SIMULATIONS
) -> Trials | None:
    """Simulate evaluations; None where the orders are too few to show anything."""
    if count_orders(rollout.start) < LEAST_ORDERS:
        return None
    starts, _ = orders_of(rollout.start, rng, most=ORDERS)
    weights = weigh(starts, rollout.points, rollout.transition).reshape(len(starts), -1)
    drawn = noise.draw(rng, size, rollout.start.size, rollout.points).reshape(size, -1)
    return Trials(drawn @ weights.T, weights @ rollout.exposed.astype(np.float64).ravel())
