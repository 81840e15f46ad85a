"""Compare two runs on the snapshots both were judged on: paired, by patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import BadInput
from models.judging import METRICS, Estimate, difference, judge
from models.judging.estimate import Float64, Int64
from models.judging.groups import METRICS_SHOWN, Grouping, count_group
from models.judging.metrics import Bootstrap
from training.held_out import HeldOutRows, in_common

LEAST_ROWS: Final = 200
"""Snapshots in common below which two runs are not compared."""

COMPARED: Final = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece")

Parted = Callable[[Int64], Sequence[Grouping]]
"""From keyed row numbers to groupings of those rows (:mod:`training.membership`)."""


def compare(
    first: HeldOutRows,
    second: HeldOutRows,
    *,
    bootstrap: Bootstrap | None = None,
    parted: Parted | None = None,
) -> dict[str, Any]:
    """Paired differences, first minus second, at each horizon that both have.

    Parameters
    ----------
    first, second : HeldOutRows
    bootstrap : Bootstrap, optional
    parted : callable, optional
        Groups of patients to compare the two by as well.

    Returns
    -------
    dict
        ``rows`` in common, and by horizon, then metric: ``first``, ``second`` and ``difference``,
        each with its interval. With ``parted`` also ``groups``: by horizon, then grouping.

    Raises
    ------
    BadInput
        Too few snapshots in common, or outcomes that disagree: the data changed between the runs.
    """
    here, there = in_common(first, second)
    if here.size < LEAST_ROWS:
        msg = (
            f"compare: at least {LEAST_ROWS} held-out snapshots in common expected, found "
            f"{here.size}; judge both on the same data with homeward evaluate, with the same "
            "pseudonym key"
        )
        raise BadInput(msg)
    pairs = {
        days: _paired(first, second, days, here=here, there=there)
        for days in first.horizons
        if days in second.horizons
    }
    drawn = (bootstrap or Bootstrap()).over(first.patient[here])
    told = {
        "rows": int(here.size),
        "horizons": {str(days): pair.judge(COMPARED, drawn) for days, pair in pairs.items()},
    }
    if parted is None:
        return told
    groupings = parted(first.row[here])
    by_group = {
        str(days): {one.name: _by_group(pair, one, drawn) for one in groupings}
        for days, pair in pairs.items()
    }
    return {**told, "groups": by_group}


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Chances that two models gave the same rows, at one horizon.

    Parameters
    ----------
    target, first, second : ndarray of float64, shape (n,)
        Target 1, 0 or NaN.
    patient : ndarray of int64, shape (n,)
    """

    target: Float64
    first: Float64
    second: Float64
    patient: Int64

    def take(self, rows: NDArray[np.bool_]) -> Pair:
        """Return these rows."""
        return Pair(*(getattr(self, name)[rows] for name in self.__slots__))

    def judge(self, metrics: Sequence[str], bootstrap: Bootstrap) -> dict[str, Any]:
        """By metric: ``first``, ``second`` and ``difference``, paired."""
        one, other = (
            judge(self.target, chance, self.patient, metrics=metrics, bootstrap=bootstrap)
            for chance in (self.first, self.second)
        )
        return {name: _told(one[name], other[name]) for name in metrics}


def _paired(
    first: HeldOutRows, second: HeldOutRows, days: int, *, here: Int64, there: Int64
) -> Pair:
    target = first.target[days][here]
    _check_same(target, second.target[days][there], days)
    return Pair(target, first.chance[days][here], second.chance[days][there], first.patient[here])


def _by_group(pair: Pair, grouping: Grouping, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Differences within each group; one too small to judge is named and not judged."""
    known, told = ~np.isnan(pair.target), []
    for position, label in enumerate(grouping.labels):
        rows = known & (grouping.member == position)
        if rows.any():
            inside = pair.take(rows)
            one = {"group": label, **count_group(inside.target, inside.patient)}
            if not one["too_few"]:
                one["metrics"] = inside.judge(METRICS_SHOWN, bootstrap)
            told.append(one)
    return told


def _check_same(first: Float64, second: Float64, days: int) -> None:
    if not np.array_equal(first, second, equal_nan=True):
        msg = (
            f"compare: the same outcomes at {days} midnights expected in both runs, found others; "
            "the data grew or changed between them: judge both again with homeward evaluate"
        )
        raise BadInput(msg)


def _told(first: Estimate, second: Estimate) -> dict[str, Any]:
    return {
        "first": first.to_json(),
        "second": second.to_json(),
        "difference": difference(first, second).to_json(),
    }


def better_words(name: str, gap: Mapping[str, Any]) -> str:
    """Say what a difference means, first minus second.

    >>> better_words("auroc", {"value": 0.02, "low": 0.01, "high": 0.03})
    'first better'
    >>> better_words("brier", {"value": 0.02, "low": -0.01, "high": 0.03})
    'no clear difference'
    """
    side = METRICS[name].better
    if gap["low"] is None or side == 0:
        return ""
    if gap["low"] > 0:
        return "first better" if side > 0 else "second better"
    if gap["high"] < 0:
        return "second better" if side > 0 else "first better"
    return "no clear difference"
