"""Beds that long stays will hold in the days to come, of those who are here now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.vocabulary import LONG_STAY_DAYS

Float64 = NDArray[np.float64]
AHEAD_DAYS: Final = 7
_LOW, _HIGH = 0.1, 0.9
_LEFT: Final = {"p10": 0.9, "p50": 0.5, "p90": 0.1}
"""Share that is still here after these days of leaving."""


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

    Between the moments that a score tells of, the daily chance of leaving is taken as constant, and
    after the last of them as what it was before it; None where it tells of none. Moments are the
    horizons ahead and, beyond them, the days by which one, five and nine in ten have left.

    Parameters
    ----------
    score : mapping
        As in the answer of ``POST /v1/scores``.
    days_ahead : int

    Examples
    --------
    >>> leaves = {"p10": 4, "p50": 6, "p90": 27}
    >>> score = {"days_so_far": 3, "probability": {"7": 0.5, "14": 0.2}, "discharge_day": leaves}
    >>> still_here(score, 4), still_here(score, 11), round(still_here(score, 25), 3)
    (0.5, 0.2, 0.1)
    """
    known = _moments(score)
    if len(known) == 1:
        return None
    target = int(score["days_so_far"]) + days_ahead
    place = next((n for n, (day, _) in enumerate(known) if day >= target), len(known) - 1)
    (start, before), (end, after) = known[max(place, 1) - 1], known[max(place, 1)]
    share = (target - start) / (end - start)
    return float(before * (after / before) ** share) if before > 0 else 0.0


def _moments(score: Mapping[str, Any]) -> list[tuple[int, float]]:
    """Days of the stay, ascending, each with the chance of still being here then."""
    known = [(int(score["days_so_far"]), 1.0)]
    horizons = ((days, score["probability"].get(str(days))) for days in LONG_STAY_DAYS)
    # Who leaves on day 9 is not there at the midnight that would make it ten.
    leaves = (
        (day + 1, left)
        for name, left in _LEFT.items()
        if (day := score["discharge_day"].get(name)) is not None
    )
    for day, chance in (*horizons, *leaves):
        if chance is not None and day > known[-1][0] and chance <= known[-1][1]:
            known.append((day, float(chance)))
    return known


def beds_on(scores: Sequence[Mapping[str, Any]], horizon: int, ahead: int) -> Beds:
    """Beds held by stays of ``horizon`` nights or more, so many days from now.

    Of whom too little is told is counted as staying: most of them have been here for months.
    """
    there = [score for score in scores if score["days_so_far"] + ahead >= horizon]
    told = [still_here(score, ahead) for score in there]
    chances = np.array([1.0 if chance is None else chance for chance in told])
    spread = distribution(chances)
    low, high = _quantile(spread, _LOW), _quantile(spread, _HIGH)
    return Beds(ahead, horizon, float(chances.sum()), low, high)


def long_stay_beds(scores: Sequence[Mapping[str, Any]], horizon: int) -> list[Beds]:
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
    """
    return [beds_on(scores, horizon, ahead) for ahead in range(1, AHEAD_DAYS + 1)]


def untold(scores: Sequence[Mapping[str, Any]]) -> int:
    """How many patients are counted as staying because too little is told of them."""
    return sum(len(_moments(score)) == 1 for score in scores)


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
