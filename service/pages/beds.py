"""Beds that long stays will hold in the days to come, of those who are here now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.vocabulary import LONG_STAY_DAYS

Float64 = NDArray[np.float64]
AHEAD_DAYS: Final = 7
_LOW, _HIGH = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class Beds:
    """Expected beds on one day ahead.

    Parameters
    ----------
    day : int
        Days from now.
    horizon : int
        Nights from which a stay counts as long.
    expected : float
    low, high : int
        Between them with chance 0.8 or more, if the chances are right and patients leave
        independently of each other.
    """

    day: int
    horizon: int
    expected: float
    low: int
    high: int


def still_here(score: Mapping[str, Any], days_ahead: int) -> float | None:
    """Chance that a patient is still in hospital so many days from now.

    Between the moments that a score tells of, the daily chance of leaving is taken as constant;
    None beyond the last of them.

    Parameters
    ----------
    score : mapping
        As in the answer of ``POST /v1/scores``.
    days_ahead : int

    Examples
    --------
    >>> score = {"days_so_far": 3, "probability": {"7": 0.5, "14": 0.1, "21": None}}
    >>> still_here(score, 4), still_here(score, 20) is None
    (0.5, True)
    """
    now = int(score["days_so_far"])
    known = [(now, 1.0)]
    for days in LONG_STAY_DAYS:
        chance = score["probability"].get(str(days))
        if days > now and chance is not None:
            known.append((days, float(chance)))
    target = now + days_ahead
    for (start, before), (end, after) in pairwise(known):
        if start <= target <= end:
            share = (target - start) / (end - start)
            return float(before * (after / before) ** share) if before > 0 else 0.0
    return None


def long_stay_beds(scores: Sequence[Mapping[str, Any]], horizon: int) -> tuple[list[Beds], int]:
    """Beds held by stays of ``horizon`` nights or more on each of the coming days.

    Parameters
    ----------
    scores : sequence of mapping
        Of the patients who are here now; those still to come are not counted.
    horizon : int

    Returns
    -------
    list of Beds
        One for each of the next ``AHEAD_DAYS`` days.
    int
        How many patients could not be counted, because too little is told of them.
    """
    untold = 0
    days = []
    for ahead in range(1, AHEAD_DAYS + 1):
        there = [score for score in scores if score["days_so_far"] + ahead >= horizon]
        told = [still_here(score, ahead) for score in there]
        chances = np.array([chance for chance in told if chance is not None])
        untold = max(untold, len(told) - chances.size)
        spread = distribution(chances)
        days.append(
            Beds(
                ahead,
                horizon,
                float(chances.sum()),
                _quantile(spread, _LOW),
                _quantile(spread, _HIGH),
            )
        )
    return days, untold


def distribution(chances: Float64) -> Float64:
    """Chance of each count of independent events, shape (n + 1,): exact, by convolution.

    >>> distribution(np.array([0.5, 0.5])).tolist()
    [0.25, 0.5, 0.25]
    """
    spread = np.zeros(chances.size + 1)
    spread[0] = 1.0
    for done, chance in enumerate(chances, start=1):
        spread[1 : done + 1] = spread[1 : done + 1] * (1 - chance) + spread[:done] * chance
        spread[0] *= 1 - chance
    return spread


def _quantile(spread: Float64, share: float) -> int:
    return int(np.searchsorted(np.cumsum(spread), share - 1e-12))
