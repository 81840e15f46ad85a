"""Whom the daily list would reach, how early, and whom it would miss: from held-out forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_day, midnights_between
from feature_store.errors import Refused
from feature_store.events import Int64
from feature_store.manifest import Clock
from feature_store.vocabulary import LONG_STAY_DAYS
from models.judging.estimate import Estimate, Float64
from models.judging.groups import rounded
from models.survival import Prediction
from training.facts import groupings, sites
from training.survey import Survey
from training.use import HeldOut, Use

HUB: Final = "REFERRAL//discharge_hub"
GROUPINGS: Final = ("age", "sex", "ethnicity", "deprivation")
LEAST_LONG: Final = 20
"""Long stays of a group below which it is not judged."""

LEAST_DAYS: Final = 28
_YEAR: Final = 365.25


def reach(
    held_out: HeldOut, prediction: Prediction, found: Survey, *, capacity: int
) -> dict[str, Any]:
    """Lists at half, once and twice the capacity, by horizon.

    Raises
    ------
    Refused
        No dates finer than a day, or held-out data over fewer than 28 days.
    """
    if held_out.clock is not Clock.EXACT:
        raise Refused(["daily lists need data with times: nobody's mornings are known"])
    span = _span(held_out)
    if span < LEAST_DAYS:
        raise Refused([f"held-out mornings over {LEAST_DAYS} days expected, got {span}"])
    referred = _referred(found)
    horizons = [days for days in LONG_STAY_DAYS if days in prediction.grid.horizons]
    told = {}
    for days in horizons:
        chance = prediction.at_least(days)
        rows = []
        for slots in sorted({max(1, capacity // 2), capacity, 2 * capacity}):
            sized = replace(held_out, settings=replace(held_out.settings, capacity=slots))
            rows.append({"capacity": slots} | _one(Use.of(sized, chance, days), referred, span))
        asked = replace(held_out, settings=replace(held_out.settings, capacity=capacity))
        told[str(days)] = {"lists": rows, "groups": _groups(Use.of(asked, chance, days))}
    return {"capacity": capacity, "days": span, "horizons": told}


def _span(held_out: HeldOut) -> int:
    day = local_day(held_out.material.snapshots.prediction_time)
    return int(np.ptp(day)) + 1


def _one(use: Use, referred: Mapping[int, int], span: int) -> dict[str, Any]:
    """Figures of one list."""
    snapshots = use.held_out.material.snapshots
    spells, first = _first_listed(use)
    places = max(1, np.unique(sites(use.held_out.material.facts, use.held_out.told)).size)
    lead = use.lead(use.listed)
    figures = use.list_figures()
    long = np.unique(snapshots.spell_id[use.target == 1.0])
    known = (use.held_out.material.outcomes.follow_up_days >= use.days) & use.on_list
    days_known = np.unique(local_day(snapshots.prediction_time[known])).size
    return {
        "listed_a_site_and_day": round(float(use.listed.sum()) / span / places, 2),
        "new_a_site_and_day": round(spells.size / span / places, 2),
        "sites": places,
        "right": figures["ppv_at_capacity"].to_json(),
        "reached": figures["recall_at_capacity"].to_json(),
        "long_stays": rounded(long.size),
        "long_stays_a_year": round(long.size / max(days_known, 1) * _YEAR),
        "nights_before": lead.median_days.to_json(),
        "before_referral": _before_referral(spells, first, long, referred),
    }


def _first_listed(use: Use) -> tuple[Int64, Int64]:
    """Spells ever listed, and the day of stay on which each first was."""
    snapshots = use.held_out.material.snapshots
    shown = np.flatnonzero(use.listed)
    order = shown[np.lexsort((snapshots.prediction_time[shown], snapshots.spell_id[shown]))]
    spells, first = np.unique(snapshots.spell_id[order], return_index=True)
    return spells, snapshots.days_so_far[order[first]]


def _before_referral(
    spells: Int64, first: Int64, long: Int64, referred: Mapping[int, int]
) -> dict[str, Any] | None:
    """Nights between the first listing and today's first referral to the hub, of long stays."""
    if not referred:
        return None
    kept = np.isin(spells, long)
    pairs = zip(spells[kept].tolist(), first[kept].tolist(), strict=True)
    gaps = np.array([referred[spell] - day for spell, day in pairs if spell in referred])
    if gaps.size < LEAST_LONG:
        return None
    return {
        "median": float(np.median(gaps)),
        "quarter": float(np.quantile(gaps, 0.25)),
        "three_quarters": float(np.quantile(gaps, 0.75)),
        "never_referred": round(1.0 - gaps.size / max(int(kept.sum()), 1), 3),
    }


def _referred(found: Survey) -> dict[int, int]:
    """Day of stay of each spell's first referral to the hub."""
    told: dict[int, int] = {}
    for shard, _ in found.shards():
        events = shard.current()
        rows = np.flatnonzero(events.rows_of(HUB) & np.isin(events.spell_id, found.spells.spell_id))
        rows = rows[np.argsort(events.time[rows], kind="stable")[::-1]]
        spell = events.spell_id[rows]
        start = found.spells.start[np.searchsorted(found.spells.spell_id, spell)]
        days = midnights_between(start, events.time[rows])
        told.update(zip(spell.tolist(), days.tolist(), strict=True))
    return told


def _groups(use: Use) -> dict[str, list[dict[str, Any]]]:
    """Share of long stays reached in each group: whose are missed."""
    material = use.held_out.material
    overall = use.list_figures()["recall_at_capacity"].value
    told = {}
    for grouping in groupings(material.facts, use.held_out.told, material.days_so_far):
        if grouping.name in GROUPINGS:
            rows = [
                _group(use, label, grouping.member == at, overall)
                for at, label in enumerate(grouping.labels)
            ]
            told[grouping.name] = [row for row in rows if row["any"]]
    return told


def _group(use: Use, label: str, member: NDArray[np.bool_], overall: float) -> dict[str, Any]:
    snapshots = use.held_out.material.snapshots
    long = np.unique(snapshots.spell_id[member & use.on_list & (use.target == 1.0)]).size
    short = np.unique(snapshots.spell_id[member & use.on_list & (use.target == 0.0)]).size
    told: dict[str, Any] = {
        "group": label,
        "any": bool((member & use.on_list).any()),
        "long_stays": rounded(long, least=min(long, short)),
        "too_few": min(long, short) < LEAST_LONG,
    }
    if not told["too_few"]:
        reached: Estimate = use.list_figures(member)["recall_at_capacity"]
        told["reached"] = reached.to_json()
        told["missed_more"] = bool(reached.interval[1] < overall)
    return told


def share_reached(told: Mapping[str, Any], days: str) -> tuple[Float64, float]:
    """Share of long stays reached at the capacity (low, high), and long stays a year."""
    lists = told["horizons"][days]["lists"]
    row = next(row for row in lists if row["capacity"] == told["capacity"])
    reached = row["reached"]
    return np.array([reached["low"], reached["high"]], np.float64), row["long_stays_a_year"]
