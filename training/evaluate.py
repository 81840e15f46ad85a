"""Judge a model on held-out snapshots: overall, beside the baselines, by group, on daily lists.

The result is plain JSON data (null for what is not known), kept in the bundle, logged by
:mod:`training.tracking`, read by the gates, the card and the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.vocabulary import LONG_STAY_DAYS
from models.judging import Estimate, Sample, difference, judge, judge_coverage
from models.judging.accuracy import brier_parts
from models.judging.estimate import Float64
from models.judging.groups import judge_groups, rounded
from models.judging.reliability import curve
from models.survival import Prediction
from training.facts import groupings, months
from training.group_gates import EARLY_DAYS
from training.leaving import judge_leaving, leaving_figures
from training.material import Material
from training.use import HeldOut, Use, judge_use

LEAST_PATIENTS: Final = 20
"""Held-out patients with, and without, an outcome below which a horizon is not judged."""

COMPARED: Final = ("auroc", "auprc", "brier")
"""Metrics in which a model is set against another on the same rows."""

_FOLLOW_UP_DEATH: Final = 28
_RANGE: Final = (0.1, 0.9)


def evaluate(
    held_out: HeldOut, prediction: Prediction, baselines: Mapping[str, Mapping[int, Float64]]
) -> dict[str, Any]:
    """Judge a prediction, and baselines beside it.

    Parameters
    ----------
    held_out : HeldOut
    prediction : Prediction
        Of the held-out snapshots.
    baselines : mapping of str to mapping of int to ndarray
        By name, then horizon: probabilities of the same snapshots.

    Returns
    -------
    dict
        Plain JSON data.
    """
    material = held_out.material
    left_out = {
        str(days): why
        for days in LONG_STAY_DAYS
        if (why := _unsupported(material, prediction, days))
    }
    judged = [days for days in LONG_STAY_DAYS if str(days) not in left_out]
    return {
        "held_out": _counts(material),
        "horizons": {str(days): _horizon(held_out, prediction, baselines, days) for days in judged},
        "left_out": left_out,
        "coverage_80": _coverage(held_out, prediction),
        **judge_use(held_out, {days: prediction.at_least(days) for days in judged}, baselines),
        "groups": {
            str(days): _groups(held_out, prediction, days, baselines.get("champion", {}).get(days))
            for days in judged
        },
        "death": _death(held_out, prediction),
        "leaving": judge_leaving(held_out, prediction),
    }


def _unsupported(material: Material, prediction: Prediction, days: int) -> str:
    """Why a horizon is not judged; empty if it is."""
    if days not in prediction.grid.horizons:
        return f"the training data hold too few stays on both sides of {days} midnights"
    target = material.target(days)
    patients = [
        np.unique(material.snapshots.subject_id[target == side]).size for side in (0.0, 1.0)
    ]
    if min(patients) < LEAST_PATIENTS:
        return f"fewer than {LEAST_PATIENTS} held-out patients on one side of {days} midnights"
    return ""


def _counts(material: Material) -> dict[str, Any]:
    spells, first = np.unique(material.snapshots.spell_id, return_index=True)
    outcomes = material.outcomes.take(first)
    return {
        "snapshots": len(material),
        "spells": int(spells.size),
        "patients": int(np.unique(material.snapshots.subject_id).size),
        "deaths": rounded(int(outcomes.died.sum())),
        "still_in_hospital": rounded(int(outcomes.censored.sum())),
    }


def _horizon(
    held_out: HeldOut,
    prediction: Prediction,
    baselines: Mapping[str, Mapping[int, Float64]],
    days: int,
) -> dict[str, Any]:
    material = held_out.material
    target, subjects = material.target(days), material.snapshots.subject_id
    chance = prediction.at_least(days)
    judged = judge(target, chance, subjects, bootstrap=held_out.bootstrap)
    others = {
        name: judge(target, chances[days], subjects, bootstrap=held_out.bootstrap)
        for name, chances in baselines.items()
        if days in chances
    }
    known = ~np.isnan(target)
    return {
        "rows": int(known.sum()),
        "spells": int(np.unique(material.snapshots.spell_id[known]).size),
        "events": int(np.nansum(target)),
        "share": float(np.nanmean(target)),
        "metrics": _told(judged),
        "brier_parts": brier_parts(target[known], chance[known]),
        "curve": curve(Sample.itself(target[known], chance[known])),
        "baselines": {name: _told(other) for name, other in others.items()},
        "against": {
            name: _told({metric: difference(judged[metric], other[metric]) for metric in COMPARED})
            for name, other in others.items()
        },
    }


def _told(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.to_json() for name, estimate in estimates.items()}


def _coverage(held_out: HeldOut, prediction: Prediction) -> dict[str, Any]:
    low, high = (prediction.quantile(share) for share in _RANGE)
    judged = judge_coverage(
        low,
        high,
        held_out.material.outcomes,
        subject_id=held_out.material.snapshots.subject_id,
        bootstrap=held_out.bootstrap,
    )
    return {**judged.share.to_json(), "rows": judged.rows, "unknown": judged.unknown}


def _groups(
    held_out: HeldOut, prediction: Prediction, days: int, last: Float64 | None
) -> dict[str, Any]:
    material, chance = held_out.material, prediction.at_least(days)
    use = Use.of(held_out, chance, days)

    def more(rows: NDArray[np.bool_]) -> dict[str, Estimate]:
        gain = {} if last is None else {"gain_over_champion_auroc": use.gain("auroc", last, rows)}
        return {**use.figures(rows), **gain}

    parted = groupings(material.facts, held_out.told, material.days_so_far)
    if held_out.clock.calendar:
        parted.append(months(material.snapshots.prediction_time))
    return {
        grouping.name: judge_groups(
            material.target(days),
            chance,
            material.snapshots.subject_id,
            grouping=grouping,
            bootstrap=held_out.bootstrap,
            more=more,
        )
        for grouping in parted
    }


def _death(held_out: HeldOut, prediction: Prediction) -> dict[str, Any]:
    """Chance of death in hospital, on spells that could be followed for long enough."""
    material = held_out.material
    if np.isnan(prediction.died).all():
        return {"left_out": "the training data hold too few deaths in hospital"}
    followed = material.outcomes.follow_up_days >= _FOLLOW_UP_DEATH
    told = followed & ~np.isnan(prediction.died)  # beyond the model's grid nothing is said
    target = np.where(told, material.outcomes.died.astype(np.float64), np.nan)
    dead = np.unique(material.snapshots.subject_id[target == 1.0]).size
    if dead < LEAST_PATIENTS:
        return {"left_out": f"fewer than {LEAST_PATIENTS} held-out patients died in hospital"}
    judged = judge(
        target, prediction.died, material.snapshots.subject_id, bootstrap=held_out.bootstrap
    )
    return {"metrics": _told(judged)}


def figures_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Flat names and values, as MLflow keeps them; what is not known is left out, never NaN.

    ``auroc_7``, ``auroc_7_low``, ``auroc_7_high``, ``baseline_lr_auroc_7``, ``coverage_80``, ...
    """
    told = [
        ("coverage_80", evaluation["coverage_80"]),
        *(figure for days in evaluation["horizons"] for figure in _figures(evaluation, days)),
        *leaving_figures(evaluation["leaving"]),
        *((f"{name}_death", at) for name, at in evaluation["death"].get("metrics", {}).items()),
    ]
    return {
        f"{name}{suffix}": float(figure[key])
        for name, figure in told
        for suffix, key in (("", "value"), ("_low", "low"), ("_high", "high"))
        if figure[key] is not None
    }


def _figures(evaluation: Mapping[str, Any], days: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    horizon = evaluation["horizons"][days]
    for name, figure in horizon["metrics"].items():
        yield f"{name}_{days}", figure
    for name, part in horizon["brier_parts"].items():
        yield f"brier_{name}_{days}", {"value": part, "low": None, "high": None}
    for name, figure in _use_figures(evaluation, days):
        yield f"{name}_{days}", figure
    for kind, prefix in (("baselines", "baseline"), ("against", "gain_over")):
        for other, figures in horizon[kind].items():
            for name, figure in figures.items():
                yield f"{prefix}_{other}_{name}_{days}", figure


def _use_figures(
    evaluation: Mapping[str, Any], days: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of lists, decisions, warning in time and alerts."""
    yield from evaluation["lists"].get("horizons", {}).get(days, {}).items()
    decision, lead = evaluation["decision"][days], evaluation["lead"][days]
    yield "net_benefit", decision["net_benefit"]
    for name, gap in decision["against"].items():
        yield f"gain_over_{name}_net_benefit", gap
    yield "flagged_before", lead["alert"]["flagged"]
    yield "flagged_early", lead["alert"]["at_least"][str(EARLY_DAYS)]
    yield "lead_days", lead["alert"]["median_days"]
    alerts = evaluation["alerts"].get("horizons", {}).get(days, {})
    if alerts:
        yield "new_alerts_a_day", alerts["new"]
