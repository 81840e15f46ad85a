"""Before go-live: what a daily list would bring here, and what an evaluation could show of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.random import default_rng

from feature_store.dataset import Dataset
from feature_store.errors import BadInput
from models.bundle import Bundle
from training.impact.detect import detectable, outcomes_planned, usual_beds
from training.impact.protocol import Money
from training.impact.reach import reach, share_reached
from training.impact.stays import Level, stays_of
from training.judging import unseen_of
from training.survey import survey

HORIZON: Final = "7"
_YEAR: Final = 365.25
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What nobody knows before trying; each a range, each to be replaced by the site's own.

    Parameters
    ----------
    acted_on : tuple of (float, float)
        Share of the long stays reached for whom something is done that would not have been.
    nights_saved : tuple of (float, float)
        Of each of them.
    money : Money
    """

    acted_on: tuple[float, float] = (0.3, 0.7)
    nights_saved: tuple[float, float] = (0.0, 2.0)
    money: Money = field(default_factory=Money)

    def __post_init__(self) -> None:
        low, high = self.acted_on
        if not 0.0 <= low <= high <= 1.0:
            msg = "acted on: 0 <= low <= high <= 1 expected"
            raise BadInput(msg)
        low, high = self.nights_saved
        if not 0.0 <= low <= high:
            msg = "nights saved: 0 <= low <= high expected"
            raise BadInput(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a plan is asked for.

    Parameters
    ----------
    capacity : int
        Patients a hub can take up, a site and day.
    assumptions : Assumptions
    seed : int
        Of the simulations of power.
    """

    capacity: int = 10
    assumptions: Assumptions = field(default_factory=Assumptions)
    seed: int = 1

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.seed < 0:
            msg = "capacity of 1 or more and seed of 0 or more expected"
            raise BadInput(msg)


def plan_golive(
    bundle: Bundle, dataset: Dataset, wishes: Wishes, *, report: Report
) -> dict[str, Any]:
    """Plan.

    Parameters
    ----------
    bundle : Bundle
    dataset : Dataset
        The site's own; of data the model learnt from, only the held-out spells are judged.
    wishes : Wishes
    report : callable
        Takes lines of progress.

    Returns
    -------
    dict
        Plain JSON data.

    Raises
    ------
    BadInput
        No spell in scope, or none that the model has not seen.
    Refused
        See :func:`training.impact.reach.reach`.
    """
    report("reading spells")
    found = survey(dataset, bundle.scope)
    held_out, unseen = unseen_of(bundle, found, report=report)
    prediction = bundle.model.predict(held_out.material.matrix, held_out.material.days_so_far)
    reached = reach(held_out, prediction, found, capacity=wishes.capacity)
    power, beds = [], 0.0
    rng = default_rng(wishes.seed)
    for level in Level:
        stays = stays_of(found, level)
        beds = beds or usual_beds(stays)
        for measure in outcomes_planned(stays):
            report(f"power of {measure.name} by {level.value}")
            power += detectable(stays, level, measure, rng)
    return {
        "synthetic": dataset.manifest.synthetic or bool(bundle.provenance["synthetic"]),
        "model": bundle.name,
        "judged": unseen,
        "data": {"source": dataset.manifest.source, "content_hash": dataset.manifest.content_hash},
        "assumptions": asdict(wishes.assumptions),
        "reach": reached,
        "expected": _expected(reached, wishes.assumptions, beds),
        "power": power,
    }


def _expected(reached: Mapping[str, Any], told: Assumptions, beds: float) -> dict[str, Any] | None:
    """Bed days a year, from the least of every range to the most."""
    if HORIZON not in reached["horizons"]:
        return None
    share, a_year = share_reached(reached, HORIZON)
    patients = share * a_year
    if np.isnan(patients).any():
        return None
    days = patients * np.array(told.acted_on) * np.array(told.nights_saved)
    worth = days * np.array([told.money.low, told.money.high])
    return {
        "long_stays_a_year": a_year,
        "reached_a_year": [round(float(one)) for one in patients],
        "bed_days_a_year": [round(float(one)) for one in days],
        "beds_per_100": [round(float(one) / _YEAR / beds * 100.0, 2) for one in days],
        "pounds_a_year": [round(float(one)) for one in worth],
    }
