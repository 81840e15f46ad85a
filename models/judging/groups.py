"""The same figures by group of patients, and what is too small to be shown.

Groups too small to judge are named as such, never dropped in silence: whom a model has not been
judged on is a finding. Counts are rounded, and small ones hidden, in the manner of NHS statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.judging.estimate import Estimate, Float64, Int64
from models.judging.metrics import Bootstrap, judge

LEAST_SHOWN: Final = 10
"""A smaller count is not told."""

ROUNDED_TO: Final = 5

LEAST_ROWS: Final = 100
LEAST_EVENTS: Final = 20
"""Of snapshots, and of patients with and without the outcome, below which a group is not judged."""

METRICS_SHOWN: Final = ("auroc", "brier", "calibration_slope", "calibration_intercept")


More = Callable[[NDArray[np.bool_]], Mapping[str, Estimate]]
"""Further figures of some of the rows, given as a mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """One way to part the rows.

    Parameters
    ----------
    name : str
        ``sex``, ``ethnicity``, ``elapsed`` ...
    labels : tuple of str
    member : ndarray of int64, shape (n,)
        Position in ``labels``; -1 for a row of no group.
    """

    name: str
    labels: tuple[str, ...]
    member: Int64


def judge_groups(
    outcome: Float64,
    probability: Float64,
    subject_id: Int64,
    *,
    grouping: Grouping,
    bootstrap: Bootstrap | None = None,
    more: More | None = None,
) -> list[dict[str, Any]]:
    """Figures of each group of one grouping, with ``more`` of those large enough.

    Returns
    -------
    list of dict
        ``group``, ``rows``, ``patients`` and ``events`` (rounded, null where small), ``too_few``,
        and the metrics where there are enough.
    """
    known = ~np.isnan(outcome)
    told = []
    for position, label in enumerate(grouping.labels):
        rows = known & (grouping.member == position)
        if rows.any():
            one = _one(outcome[rows], probability[rows], subject_id[rows], bootstrap)
            if more is not None and not one["too_few"]:
                one["metrics"] |= {name: figure.to_json() for name, figure in more(rows).items()}
            told.append({"group": label, **one})
    return told


def _one(
    outcome: Float64, probability: Float64, subject_id: Int64, bootstrap: Bootstrap | None
) -> dict[str, Any]:
    told = count_group(outcome, subject_id)
    if not told["too_few"]:
        judged = judge(outcome, probability, subject_id, metrics=METRICS_SHOWN, bootstrap=bootstrap)
        told["metrics"] = {name: estimate.to_json() for name, estimate in judged.items()}
        told["mean_probability"] = round(float(probability.mean()), 4)
        told["share"] = round(float(outcome.mean()), 3)
    return told


def count_group(outcome: Float64, subject_id: Int64) -> dict[str, Any]:
    """``rows``, ``patients`` and ``events`` of a group as they may be told, and ``too_few``."""
    long, short = (np.unique(subject_id[outcome == side]).size for side in (1.0, 0.0))
    return {
        "rows": rounded(outcome.size),
        "patients": rounded(np.unique(subject_id).size),
        "events": rounded(int((outcome == 1.0).sum()), least=min(long, short)),
        "too_few": outcome.size < LEAST_ROWS or min(long, short) < LEAST_EVENTS,
    }


def rounded(count: int, *, least: int | None = None) -> int | None:
    """Count to the nearest five; None where it, or what it stands beside, is small.

    >>> rounded(9), rounded(12), rounded(13), rounded(500, least=3)
    (None, 10, 15, None)
    """
    if min(count, count if least is None else least) < LEAST_SHOWN:
        return None
    return ROUNDED_TO * round(count / ROUNDED_TO)


def bands(values: Float64, edges: Sequence[float], labels: tuple[str, ...]) -> Int64:
    """Position of each value among bands [edge, next edge); the last label is for missing.

    >>> bands(np.array([40, 65, np.nan]), (0, 65), ("under 65", "65 and over", "?")).tolist()
    [0, 1, 2]
    """
    place = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right") - 1
    return np.where(np.isnan(values), len(labels) - 1, np.clip(place, 0, len(labels) - 2)).astype(
        np.int64
    )
