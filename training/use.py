"""What a hub and a ward would meet: daily lists, alerts, warning in time, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_day, local_hour
from feature_store.definitions import FeatureSet
from feature_store.manifest import Clock
from feature_store.vocabulary import MORNING_HOUR
from models.judging import (
    Estimate,
    Lists,
    difference,
    judge,
    judge_alerts,
    judge_decision,
    judge_lead,
    judge_lists,
)
from models.judging.decision import THRESHOLDS
from models.judging.estimate import Float64
from models.judging.lead import Lead
from models.judging.metrics import Bootstrap
from training.config import JudgingSettings
from training.facts import sites
from training.group_gates import EARLY_DAYS
from training.material import Material

Baselines = Mapping[str, Mapping[int, Float64]]

NO_DATES: Final = "the source has no dates, so nobody shared a day in hospital"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a model is judged on.

    Parameters
    ----------
    material : Material
    told : FeatureSet
        Names the columns of ``material.facts``.
    clock : Clock
    settings : JudgingSettings
    seed : int
    """

    material: Material
    told: FeatureSet
    clock: Clock
    settings: JudgingSettings
    seed: int

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Patients drawn once for everything, so that all differences are paired."""
        drawn = Bootstrap(replicates=self.settings.replicates, seed=self.seed)
        return drawn.over(self.material.snapshots.subject_id)


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One horizon's chances put to use: who is alerted, who is listed.

    Parameters
    ----------
    held_out : HeldOut
    chance, target : ndarray of float64, shape (n,)
    days : int
        The horizon.
    alerted, listed : ndarray of bool, shape (n,)
        At or above the alert level; among the first of their daily list. Only where the horizon is
        still ahead.
    lists : Lists or None
        Of the rows in ``on_list``; None where nobody shared a day.
    on_list : ndarray of bool, shape (n,)
    """

    held_out: HeldOut
    chance: Float64
    target: Float64
    days: int
    alerted: NDArray[np.bool_]
    listed: NDArray[np.bool_]
    lists: Lists | None
    on_list: NDArray[np.bool_]

    @classmethod
    def of(cls, held_out: HeldOut, chance: Float64, days: int) -> Use:
        """Alert and list the held-out snapshots by a chance."""
        material = held_out.material
        ahead = material.days_so_far < days
        on_list, lists = _on_a_list(held_out) & ahead, None
        listed = np.zeros(len(material), bool)
        if held_out.clock.calendar:
            lists = _daily_lists(held_out).take(on_list)
            listed[on_list] = lists.listed(chance[on_list])
        alerted = ahead & (chance >= held_out.settings.alert)
        return cls(held_out, chance, material.target(days), days, alerted, listed, lists, on_list)

    def list_figures(self, rows: NDArray[np.bool_] | None = None) -> dict[str, Estimate]:
        """Precision and recall of the daily lists, counted on these rows; empty without lists."""
        if self.lists is None:
            return {}
        kept = self.on_list
        return judge_lists(
            self.target[kept],
            self.listed[kept],
            self.lists,
            bootstrap=self.held_out.bootstrap,
            among=None if rows is None else rows[kept],
        )

    def lead(self, flagged: NDArray[np.bool_], rows: NDArray[np.bool_] | None = None) -> Lead:
        """Warning that flags gave, of these rows (:func:`models.judging.lead.judge_lead`)."""
        material = self.held_out.material
        return judge_lead(
            flagged,
            self.target if rows is None else np.where(rows, self.target, np.nan),
            self.days,
            material.snapshots,
            bootstrap=self.held_out.bootstrap,
        )

    def net_benefit(
        self, chance: Float64, thresholds: tuple[float, ...], rows: NDArray[np.bool_] | None = None
    ) -> list[Estimate]:
        """Net benefit of acting on a chance at each threshold, of these rows."""
        return judge_decision(
            self.target if rows is None else np.where(rows, self.target, np.nan),
            chance,
            self.held_out.material.snapshots.subject_id,
            thresholds=thresholds,
            bootstrap=self.held_out.bootstrap,
        )

    def gain(self, metric: str, other: Float64, rows: NDArray[np.bool_]) -> Estimate:
        """Figure of the chance minus that of another, paired, of these rows."""
        subject, bootstrap = self.held_out.material.snapshots.subject_id, self.held_out.bootstrap
        own, rest = (
            judge(
                self.target[rows],
                chance[rows],
                subject[rows],
                metrics=[metric],
                bootstrap=bootstrap,
            )
            for chance in (self.chance, other)
        )
        return difference(own[metric], rest[metric])

    def figures(self, rows: NDArray[np.bool_]) -> dict[str, Estimate]:
        """Figures of a group of patients."""
        lead = self.lead(self.alerted, rows)
        worth = self.net_benefit(self.chance, (self.held_out.settings.alert,), rows)
        return {
            "net_benefit": worth[0],
            "flagged_before": lead.flagged,
            "flagged_early": lead.at_least[EARLY_DAYS - 1],
            "lead_days": lead.median_days,
            **self.list_figures(rows),
        }


def judge_use(
    held_out: HeldOut, chances: Mapping[int, Float64], baselines: Baselines
) -> dict[str, Any]:
    """Daily lists, decision curve, lead time and alerts of each horizon.

    Parameters
    ----------
    held_out : HeldOut
    chances : mapping of int to ndarray of float64
        By horizon, those judged.
    baselines : mapping of str to mapping of int to ndarray

    Returns
    -------
    dict
        ``lists``, ``decision``, ``lead`` and ``alerts``, plain JSON data.
    """
    uses = {days: Use.of(held_out, chance, days) for days, chance in chances.items()}
    others = {
        days: {name: chances[days] for name, chances in baselines.items() if days in chances}
        for days in uses
    }
    return {
        "lists": _lists(held_out, uses),
        "decision": {str(days): _decision(use, others[days]) for days, use in uses.items()},
        "lead": {str(days): _lead(use) for days, use in uses.items()},
        "alerts": _alerts(held_out, uses),
    }


def _lists(held_out: HeldOut, uses: Mapping[int, Use]) -> dict[str, Any]:
    """Daily lists: each morning's inpatients who have not reached the horizon, by chance."""
    if not held_out.clock.calendar:
        return {"left_out": NO_DATES}
    told = {str(days): _told(use.list_figures()) for days, use in uses.items()}
    return {"capacity": held_out.settings.capacity, "horizons": told}


def _on_a_list(held_out: HeldOut) -> NDArray[np.bool_]:
    """Morning snapshots; where only dates are known, the day's admissions."""
    if held_out.clock is Clock.EXACT:
        times = held_out.material.snapshots.prediction_time
        return np.asarray(local_hour(times) == MORNING_HOUR)
    return np.full(len(held_out.material), held_out.clock is Clock.DAYS)


def _daily_lists(held_out: HeldOut) -> Lists:
    material = held_out.material
    return Lists(
        site=sites(material.facts, held_out.told),
        day=local_day(material.snapshots.prediction_time),
        spell_id=material.snapshots.spell_id,
        subject_id=material.snapshots.subject_id,
        capacity=held_out.settings.capacity,
    )


def _decision(use: Use, others: Mapping[str, Float64]) -> dict[str, Any]:
    """Net benefit by threshold, of the model, of acting on everybody, of baselines."""
    level = use.held_out.settings.alert
    thresholds = tuple(sorted({*THRESHOLDS, level}))
    own = use.net_benefit(use.chance, thresholds)
    everybody = use.net_benefit(np.ones_like(use.chance), thresholds)
    rest = {name: use.net_benefit(chance, thresholds) for name, chance in others.items()}
    at = thresholds.index(level)
    return {
        "alert": level,
        "net_benefit": own[at].to_json(),
        "against": {
            name: difference(own[at], other[at]).to_json()
            for name, other in {"everybody": everybody, **rest}.items()
        },
        "curve": [
            {
                "threshold": threshold,
                "model": own[row].to_json(),
                "everybody": everybody[row].value,
                **{name: other[row].value for name, other in rest.items()},
            }
            for row, threshold in enumerate(thresholds)
        ],
    }


def _lead(use: Use) -> dict[str, Any]:
    """Warning given by alerts, and by the daily list."""
    rules = {"alert": use.alerted} | ({"list": use.listed} if use.lists is not None else {})
    leads = {name: use.lead(flagged) for name, flagged in rules.items()}
    return {"spells": leads["alert"].spells} | {
        name: lead.to_json() for name, lead in leads.items()
    }


def _alerts(held_out: HeldOut, uses: Mapping[int, Use]) -> dict[str, Any]:
    """Alerts a site and day, by shift."""
    if not held_out.clock.calendar:
        return {"left_out": NO_DATES}
    snapshots, told = held_out.material.snapshots, {}
    for days, use in uses.items():
        one = judge_alerts(
            use.alerted,
            snapshots,
            site=sites(held_out.material.facts, held_out.told),
            bootstrap=held_out.bootstrap,
        )
        if one is None:
            return {"left_out": "the held-out data span too few days to count alerts a day"}
        told[str(days)] = one
    return {"level": held_out.settings.alert, "horizons": told}


def _told(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: estimate.to_json() for name, estimate in estimates.items()}
