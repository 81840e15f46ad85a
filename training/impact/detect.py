"""The smallest effect that this site's own data say a roll-out could show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from training.impact.measures import MEASURES, Measure
from training.impact.outcomes import Calendar, Counted, census, count, panel_of
from training.impact.panel import NEVER, Int64, Panel, Rollout
from training.impact.power import Noise, noise_of, trials
from training.impact.stays import Level, Stays
from training.impact.weights import two_way

WARM_UP_DAYS: Final = 28
LEAST_POINTS: Final = 12
LEAST_BEDS: Final = 2.0
"""Usual beds below which a unit is too small to be one of its own."""

LENGTHS: Final = (26, 52)
"""Weeks of an evaluation."""

TRANSITION: Final = 2
_WEEK: Final = 7


def detectable(
    stays: Stays, level: Level, measure: Measure, rng: Generator
) -> list[dict[str, Any]]:
    """Smallest effect shown with 80 % power, by roll-out and length.

    Returns
    -------
    list of dict
        One a roll-out; ``smallest`` is null where no effect could be shown, and ``why`` says so.
        Empty if the outcome is not recorded or there are too few units or weeks.
    """
    panel = history(stays, measure)
    if panel is None:
        return []
    noise = noise_of(panel)
    mean = float(panel.values.mean())
    return [
        {"level": level.value, "design": name, "weeks": weeks, "units": len(panel.units)}
        | {"mean": round(mean, 3), "outcome": measure.name}
        | _one(noise, rollout, mean, rng)
        for weeks in LENGTHS
        for name, rollout in _rollouts(len(panel.units), weeks)
    ]


def history(stays: Stays, measure: Measure) -> Panel | None:
    """Weeks of this outcome as they were; None where too little of it is there."""
    first = int(stays.admitted.min()) + WARM_UP_DAYS
    calendar = Calendar(first=first, points=max(0, (stays.until - first) // _WEEK), days=_WEEK)
    if calendar.points < LEAST_POINTS or (not stays.records_readiness and not measure.nights):
        return None
    usual = census(stays, calendar).mean(axis=1) / _WEEK
    rows = np.flatnonzero(usual >= LEAST_BEDS)
    if rows.size < 2:  # noqa: PLR2004 - one unit has nothing to be compared with
        return None
    counted = count(stays, measure, calendar)
    units = tuple(stays.units[row] for row in rows.tolist())
    told = Counted(counted.total[rows], counted.size[rows])
    return panel_of(told, units, calendar, 100.0 / usual[rows])


def usual_beds(stays: Stays) -> float:
    """Beds occupied at midnight in all units, once the data have warmed up."""
    first = min(int(stays.admitted.min()) + WARM_UP_DAYS, stays.until - 1)
    calendar = Calendar(first=first, points=1, days=stays.until - first)
    return max(float(census(stays, calendar).sum()) / calendar.days, 1.0)


def _rollouts(units: int, weeks: int) -> Iterator[tuple[str, Rollout]]:
    steps: Int64 = np.linspace(weeks * 0.25, weeks * 0.75, units).astype(np.int64)
    yield "stepped_wedge", Rollout(steps, weeks, TRANSITION)
    half = np.where(np.arange(units) < units // 2, weeks // 2, NEVER)
    yield "difference_in_differences", Rollout(half, weeks, TRANSITION)


def _one(noise: Noise, rollout: Rollout, mean: float, rng: Generator) -> dict[str, Any]:
    told = trials(noise, rollout, two_way, rng)
    if told is None:
        return {"smallest": None, "share": None, "why": "too few units to order by lot"}
    smallest = told.smallest()
    if not np.isfinite(smallest):
        return {"smallest": None, "share": None, "why": "no effect is shown in 80 % of trials"}
    share = round(smallest / mean, 3) if mean > 0 else None
    return {"smallest": round(smallest, 3), "share": share, "why": ""}


def outcomes_planned(stays: Stays) -> list[Measure]:
    """Outcomes of which power is told: due at once, recorded here."""
    names = ["bed_days_not_residing"] if stays.records_readiness else []
    return [MEASURES[name] for name in (*names, "bed_days_7", "bed_days_21")]
