"""Compare two runs on the snapshots both were judged on: paired, by patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from feature_store.errors import BadInput
from models.judging import METRICS, Estimate, difference, judge
from models.judging.estimate import Float64, Int64
from models.judging.metrics import Bootstrap
from training.held_out import HeldOutRows, in_common

LEAST_ROWS: Final = 200
"""Snapshots in common below which two runs are not compared."""

COMPARED: Final = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece")


def compare(
    first: HeldOutRows, second: HeldOutRows, *, bootstrap: Bootstrap | None = None
) -> dict[str, Any]:
    """Paired differences, first minus second, at each horizon that both have.

    Returns
    -------
    dict
        ``rows`` in common, and by horizon, then metric: ``first``, ``second`` and ``difference``,
        each with its interval.

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
    horizons = [days for days in first.horizons if days in second.horizons]
    return {
        "rows": int(here.size),
        "horizons": {
            str(days): _paired(first, second, days, here=here, there=there, bootstrap=bootstrap)
            for days in horizons
        },
    }


def _paired(
    first: HeldOutRows,
    second: HeldOutRows,
    days: int,
    *,
    here: Int64,
    there: Int64,
    bootstrap: Bootstrap | None,
) -> dict[str, Any]:
    target = first.target[days][here]
    _check_same(target, second.target[days][there], days)
    patient = first.patient[here]
    one = judge(target, first.chance[days][here], patient, metrics=COMPARED, bootstrap=bootstrap)
    other = judge(
        target, second.chance[days][there], patient, metrics=COMPARED, bootstrap=bootstrap
    )
    return {name: _told(one[name], other[name]) for name in COMPARED}


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
