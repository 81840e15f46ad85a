"""How well it says who leaves soon: within 24, 48 and 72 hours and 5 days of a morning.

The buckets that NHS England's own PLOS work uses, read from the same survival curve as everything
else. Long stays are what Homeward is for; this says whether the near end of its curve holds too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np

from feature_store.clock import local_hour
from feature_store.manifest import Clock
from feature_store.vocabulary import LEAVING_WITHIN, MORNING_HOUR
from models.judging import judge
from models.judging.estimate import Float64
from models.survival import Prediction
from training.use import HeldOut

METRICS_SHOWN: Final = (
    *("auroc", "brier", "calibration_slope", "calibration_intercept"),
    *("ece", "e_average", "e_90"),
)

LEAST_PATIENTS: Final = 20
"""Patients on either side below which a bucket is not judged."""


def judge_leaving(held_out: HeldOut, prediction: Prediction) -> dict[str, Any]:
    """Judge the chances of leaving soon, on morning snapshots.

    Returns
    -------
    dict
        ``left_out`` with a reason; or by ``24h``, ``48h``, ``72h`` and ``5d`` under ``within``:
        ``rows``, ``share`` and ``metrics``; and ``buckets``: mean chance and share of each, and
        of whoever stays longer, on the rows that could be followed for all of them.
    """
    if held_out.clock is not Clock.EXACT:
        return {"left_out": "the source has no times of day, so nobody was asked in the morning"}
    material = held_out.material
    morning = local_hour(material.snapshots.prediction_time) == MORNING_HOUR
    told, chances, targets = {}, {}, {}
    for name, nights in LEAVING_WITHIN.items():
        chance = prediction.leaving_within(nights)
        target = np.where(morning & ~np.isnan(chance), _left(held_out, nights), np.nan)
        chances[name], targets[name] = chance, target
        if _enough(held_out, target):
            told[name] = _one(held_out, target, chance)
    return {"within": told, "buckets": _buckets(chances, targets)}


def _left(held_out: HeldOut, nights: int) -> Float64:
    """1 if the spell ended before so many more midnights, 0 if not, NaN if not known."""
    material, ended = held_out.material, np.full(len(held_out.material), np.nan)
    for day in np.unique(material.days_so_far):
        rows = material.days_so_far == day
        ended[rows] = 1.0 - material.outcomes.take(rows).long_stay(int(day) + nights)
    return ended


def _enough(held_out: HeldOut, target: Float64) -> bool:
    subject = held_out.material.snapshots.subject_id
    sides = (np.unique(subject[target == side]).size for side in (0.0, 1.0))
    return min(sides) >= LEAST_PATIENTS


def _one(held_out: HeldOut, target: Float64, chance: Float64) -> dict[str, Any]:
    judged = judge(
        target,
        chance,
        held_out.material.snapshots.subject_id,
        metrics=METRICS_SHOWN,
        bootstrap=held_out.bootstrap,
    )
    return {
        "rows": int((~np.isnan(target)).sum()),
        "share": float(np.nanmean(target)),
        "metrics": {name: figure.to_json() for name, figure in judged.items()},
    }


def _buckets(
    chances: Mapping[str, Float64], targets: Mapping[str, Float64]
) -> list[dict[str, Any]]:
    """Mean chance and observed share of leaving between one bound and the next; they sum to 1."""
    last = list(LEAVING_WITHIN)[-1]
    known = ~np.isnan(targets[last])
    if not known.any():
        return []
    bounds = [("", 0.0, 0.0)]
    bounds += [
        (name, float(chances[name][known].mean()), float(targets[name][known].mean()))
        for name in LEAVING_WITHIN
    ]
    told = [
        {"from": before[0], "to": name, "chance": chance - before[1], "share": share - before[2]}
        for before, (name, chance, share) in pairwise(bounds)
    ]
    _, chance, share = bounds[-1]
    return [*told, {"from": last, "to": "", "chance": 1.0 - chance, "share": 1.0 - share}]


def leaving_figures(leaving: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Names and figures for MLflow: ``auroc_leaving_24h`` and so on."""
    for name, one in leaving.get("within", {}).items():
        for metric, figure in one["metrics"].items():
            yield f"{metric}_leaving_{name}", figure
