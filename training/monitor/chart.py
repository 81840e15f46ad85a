"""A control chart of calibration that may be looked at every week.

A risk-adjusted CUSUM adds up, patient by patient, the evidence that the odds of a long stay are no
longer the odds foreseen. Its limit is found by simulation from the chances foreseen themselves, for
as many outcomes as the whole period will have: in all of it a model that is right crosses it only
as often as stated, however often one looks on the way. So there is no second penalty for looking
often, and none for small numbers.

References
----------
Steiner, Cook, Farewell & Treasure 2000, Biostatistics 1(4):441-452, section 3 (the weights);
limits by simulation over the period in place of an average run length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.judging.estimate import Float64

ODDS_RATIO: Final = 1.6
"""The change that the chart is tuned to find soonest."""

_RATIOS: Final = (ODDS_RATIO, 1.0 / ODDS_RATIO)

ALARMS_A_PERIOD: Final = 0.05
"""Chance that a period without any change raises an alarm, all charts of it together."""

SIMULATIONS: Final = 2000
LEAST: Final = 30
"""Outcomes below which no chart is drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """One chart, in one direction.

    Parameters
    ----------
    odds_ratio : float
        Above 1: stays longer than foreseen; below: shorter.
    path : ndarray of float64, shape (n,)
        The sum after each outcome.
    limit : float
    """

    odds_ratio: float
    path: Float64
    limit: float

    @property
    def alarm_at(self) -> int | None:
        """Outcome at which the limit was first crossed; None if it was not."""
        crossed = np.flatnonzero(self.path > self.limit)
        return int(crossed[0]) if crossed.size else None


def weights(outcome: Float64, chance: Float64, odds_ratio: float) -> Float64:
    """Evidence of each outcome for odds that are ``odds_ratio`` times the odds foreseen.

    >>> weights(np.array([1.0]), np.array([0.5]), 2.0).round(3).tolist()
    [0.288]
    """
    return np.asarray(outcome * np.log(odds_ratio) - np.log(1.0 - chance + odds_ratio * chance))


def cusum(evidence: Float64) -> Float64:
    """Sums that never fall below nothing, along the last axis.

    >>> cusum(np.array([1.0, -3.0, 2.0])).tolist()
    [1.0, 0.0, 2.0]
    """
    total = np.cumsum(evidence, axis=-1)
    lowest = np.minimum.accumulate(np.minimum(total, 0.0), axis=-1)
    return np.asarray(total - lowest)


def charts(
    outcome: Float64,
    chance: Float64,
    *,
    among: int,
    rng: np.random.Generator,
    whole: int = 0,
    simulations: int = SIMULATIONS,
) -> tuple[Chart, Chart]:
    """Charts for stays longer and shorter than foreseen.

    Parameters
    ----------
    outcome, chance : ndarray of float64, shape (n,)
        Known outcomes in the order they became due, one a spell; chances strictly between 0 and 1.
    among : int
        How many pairs of charts share the chance of a false alarm.
    rng : numpy.random.Generator
        Of the simulation that sets the limits.
    whole : int
        Outcomes that the whole period of looking will have; these are all, if no more are said.
    simulations : int

    Returns
    -------
    tuple of Chart
        Longer, shorter.
    """
    share = ALARMS_A_PERIOD / (2 * among)
    foreseen = np.resize(chance, max(whole, chance.size))  # repeated for as long as it takes
    longer, shorter = (
        Chart(odds_ratio, cusum(weights(outcome, chance, odds_ratio)), _limit(highest, share))
        for odds_ratio, highest in zip(_RATIOS, _highest(foreseen, rng, simulations), strict=True)
    )
    return longer, shorter


def _highest(chance: Float64, rng: np.random.Generator, simulations: int) -> list[Float64]:
    """Highest point of each simulated chart without a change, for both directions."""
    weighed = [(weights(np.ones(1), chance, ratio), ratio) for ratio in _RATIOS]
    highest = [np.empty(simulations) for _ in weighed]
    at_once = max(1, min(simulations, 4_000_000 // max(chance.size, 1)))
    for first in range(0, simulations, at_once):
        size = min(at_once, simulations - first)
        came_about = rng.random((size, chance.size), dtype=np.float32) < chance
        for (if_long, ratio), kept in zip(weighed, highest, strict=True):
            # The evidence of a short stay is that of a long one less the log of the odds ratio.
            evidence = if_long - np.log(ratio) * ~came_about
            kept[first : first + size] = cusum(evidence).max(axis=1)
    return highest


def _limit(highest: Float64, share: float) -> float:
    """Height that the highest point of a chart without a change passes with this chance.

    A simulated maximum is rarely seen so far out, so its tail is carried on as exponential from
    the highest tenth: the maximum of a random walk with negative drift has such a tail.
    """
    start = float(np.quantile(highest, 0.9))
    beyond = highest[highest > start] - start
    scale = float(beyond.mean()) if beyond.size else 1.0
    return start + scale * max(float(np.log(0.1 / share)), 0.0)
