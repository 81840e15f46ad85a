"""Champion and challenger on the same patients at the same moments: how far they agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.vocabulary import LONG_STAY_DAYS

Columns = Mapping[str, NDArray[Any]]
NEEDED: Final = (
    "spell",
    "site",
    "prediction_time",
    "model_version",
    "refused",
    *(f"probability_{days}" for days in LONG_STAY_DAYS),
)
"""Columns of the record that a comparison reads."""
CLOSE: Final = 0.1
_NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two models at one horizon, on patients who had not reached it.

    Parameters
    ----------
    days : int
    scores, patients : int
    champion, challenger : float
        Mean chances.
    low, high : float
        Limits of agreement: 95% of differences (challenger less champion) lie between them, if they
        are normal (Bland and Altman 1986, Lancet 327:307).
    close : float
        Share of scores that differ by less than ``CLOSE``.
    same_side : float
        Share that both put at or both below even odds.
    """

    days: int
    scores: int
    patients: int
    champion: float
    challenger: float
    low: float
    high: float
    close: float
    same_side: float


def agreements(live: Columns, shadow: Columns) -> list[Agreement]:
    """How far they agree at each horizon; nothing for one without scores of both.

    Parameters
    ----------
    live, shadow : mapping of str to ndarray
        ``NEEDED`` columns of ``Record.between``, of either mode. Of one patient and moment the last
        score of each counts; where either refused, none does.
    """
    ours, theirs = _pairs(live, shadow)
    found = [
        _agreement(
            days, live["spell"][ours], _chances(live, ours, days), _chances(shadow, theirs, days)
        )
        for days in LONG_STAY_DAYS
    ]
    return [one for one in found if one is not None]


def shared_of_lists(live: Columns, shadow: Columns, capacity: int) -> tuple[float, int] | None:
    """Share of the champion's lists that the challenger lists too, and how many lists there were.

    A list is the ``capacity`` patients of a site at a moment with the highest chance of passing
    their next horizon; a site with no more patients than that needs no list. None without lists.
    """
    ours, theirs = _pairs(live, shadow)
    first, second = _next_chance(live, ours), _next_chance(shadow, theirs)
    sites = np.array([str(one or "") for one in live["site"][ours]])
    places = np.unique(np.stack([sites, live["prediction_time"][ours].astype(str)]), axis=1)
    shares = []
    for site, moment in places.T:
        here = (sites == site) & (live["prediction_time"][ours].astype(str) == moment)
        here &= ~np.isnan(first) & ~np.isnan(second)
        if here.sum() > capacity:
            tops = [set(np.argsort(-of[here], kind="stable")[:capacity]) for of in (first, second)]
            shares.append(len(tops[0] & tops[1]) / capacity)
    return (float(np.mean(shares)), len(shares)) if shares else None


def _pairs(live: Columns, shadow: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the same patient at the same moment, that were not refused."""
    ours, theirs = _by_question(live), _by_question(shadow)
    both = [question for question in ours if question in theirs]
    return (
        np.array([ours[one] for one in both], np.intp),
        np.array([theirs[one] for one in both], np.intp),
    )


def _by_question(columns: Columns) -> dict[tuple[int, int], int]:
    scored = np.flatnonzero([one is None for one in columns["refused"]])
    spells, moments = columns["spell"][scored], columns["prediction_time"][scored]
    return dict(
        zip(zip(spells.tolist(), moments.tolist(), strict=True), scored.tolist(), strict=True)
    )


def _chances(columns: Columns, rows: NDArray[np.intp], days: int) -> NDArray[np.float64]:
    """Chances of a horizon that is still ahead; NaN where it is passed or cannot be told."""
    chance = columns[f"probability_{days}"][rows].astype(np.float64)
    return np.where(chance < 1, chance, np.nan)


def _next_chance(columns: Columns, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    chance = np.full(rows.size, np.nan)
    for days in reversed(LONG_STAY_DAYS):
        ahead = _chances(columns, rows, days)
        chance = np.where(np.isnan(ahead), chance, ahead)
    return chance


def _agreement(
    days: int,
    spells: NDArray[np.int64],
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
) -> Agreement | None:
    both = ~np.isnan(champion) & ~np.isnan(challenger)
    if not both.any():
        return None
    first, second = champion[both], challenger[both]
    apart = second - first
    spread = float(apart.std(ddof=1)) if apart.size > 1 else 0.0
    return Agreement(
        days=days,
        scores=int(apart.size),
        patients=int(np.unique(spells[both]).size),
        champion=float(first.mean()),
        challenger=float(second.mean()),
        low=float(apart.mean()) - _NORMAL_95 * spread,
        high=float(apart.mean()) + _NORMAL_95 * spread,
        close=float((np.abs(apart) < CLOSE).mean()),
        same_side=float(((first >= 0.5) == (second >= 0.5)).mean()),  # noqa: PLR2004 - even odds
    )
