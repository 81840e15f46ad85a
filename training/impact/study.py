"""The evaluation: a protocol and a dataset in, estimates with their limits out, as JSON data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import to_moment
from feature_store.dataset import Dataset
from feature_store.errors import Refused
from feature_store.manifest import Clock
from models.judging.groups import rounded
from training.impact.effect import Effect, Rules, estimate_panel, estimate_series
from training.impact.interrupted import Shape
from training.impact.limits import assumptions, cannot_show, limits_of
from training.impact.measures import BALANCING, MEASURES, Kind, Measure
from training.impact.national import control_series
from training.impact.outcomes import Calendar, Counted, census, count, panel_of
from training.impact.panel import NEVER, Float64, Int64, Panel, Rollout
from training.impact.protocol import Design, Protocol, day_number
from training.impact.stays import Stays, read_stays

LEAST_PATIENTS: Final = 20
"""Spells of a group, on either side of the change, below which it is not judged."""

WARM_UP_DAYS: Final = 28

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What every estimate of an evaluation shares.

    Parameters
    ----------
    protocol : Protocol
    stays : Stays
    rows : ndarray of int64, shape (n_units,)
        Of the protocol's units among those of the stays.
    usual : ndarray of float64, shape (n_units,)
        Beds occupied at midnight before anybody changed.
    external : ndarray of float64, shape (n_points,), or None
    """

    protocol: Protocol
    stays: Stays
    rows: Int64
    usual: Float64
    external: Float64 | None

    @property
    def calendar(self) -> Calendar:
        """Points of the protocol."""
        told = self.protocol
        return Calendar(first=told.first_day, points=told.points, days=told.days)

    def rollout(self, points: int) -> Rollout:
        """Who changed when, over the points that are due."""
        return rollout_of(self.protocol, points)


def rollout_of(protocol: Protocol, points: int) -> Rollout:
    """Who changed when; a change begins with the first point that holds none of the time before.

    The point in which a unit changes part of the way is its first of transition, or, without a
    transition, the last before.
    """
    changes = np.array(
        [(day_number(step.starts) - protocol.first_day) / protocol.days for step in protocol.steps]
    )
    begins = np.floor(changes) if protocol.transition else np.ceil(changes)
    start = np.append(begins.astype(np.int64), np.full(len(protocol.controls), NEVER))
    return Rollout(np.where(start < points, start, NEVER), points, protocol.transition)


def evaluate_impact(
    protocol: Protocol, dataset: Dataset, *, folder: Path, report: Report
) -> dict[str, Any]:
    """Evaluate.

    Parameters
    ----------
    protocol : Protocol
    dataset : Dataset
    folder : Path
        Where the file of an external control lies.
    report : callable
        Takes lines of progress.

    Raises
    ------
    Refused
        Units that the data do not have, a period outside the data, nothing due, too few points.
    """
    report("reading stays")
    study = _open(protocol, dataset, folder)
    outcomes = {}
    for name in protocol.asked:
        report(f"estimating {name}")
        outcomes[name] = _outcome(study, MEASURES[name])
    primary = outcomes[protocol.primary]
    if "refused" in primary:
        raise Refused([f"{protocol.primary}: {primary['refused']}"])
    return {
        "title": protocol.title,
        "synthetic": dataset.manifest.synthetic,
        "protocol": protocol.to_mapping(),
        "protocol_hash": protocol.hash,
        "data": {
            "source": dataset.manifest.source,
            "content_hash": dataset.manifest.content_hash,
            "observed_until": to_moment(dataset.manifest.until).isoformat(),
        },
        "primary": protocol.primary,
        "outcomes": outcomes,
        "limits": limits_of(protocol),
        "assumptions": assumptions(protocol),
        "cannot_show": cannot_show(protocol),
    }


def _open(protocol: Protocol, dataset: Dataset, folder: Path) -> Study:
    manifest = dataset.manifest
    if manifest.clock is Clock.ORDER:
        raise Refused(["the data have no dates: there is no before and after"])
    stays = read_stays(dataset, protocol.level)
    _refuse_units(protocol, stays)
    earliest = int(stays.admitted.min())
    if protocol.first_day < earliest or protocol.first_day >= stays.until:
        raise Refused(["the period of the evaluation begins outside the data"])
    if protocol.first_day < earliest + WARM_UP_DAYS:
        reason = (
            f"the period must begin {WARM_UP_DAYS} days after the data: until then, who has been "
            "in hospital for long is not in them"
        )
        raise Refused([reason])
    rows = np.array([stays.units.index(unit) for unit in protocol.units])
    before = rollout_of(protocol, protocol.points).before
    calendar = Calendar(first=protocol.first_day, points=max(before, 1), days=protocol.days)
    usual = census(stays, calendar).mean(axis=1)[rows] / protocol.days
    empty = [unit for unit, beds in zip(protocol.units, usual, strict=True) if beds <= 0]
    if empty:
        raise Refused([f"{', '.join(empty)}: nobody stayed there before the change"])
    external = None
    if protocol.external:
        told = protocol.external[0]
        external = control_series(folder / told.file, told, protocol)
    return Study(protocol, stays, rows, usual, external)


def _refuse_units(protocol: Protocol, stays: Stays) -> None:
    absent = sorted(set(protocol.units) - set(stays.units))
    if absent:
        reason = (
            f"{', '.join(absent)}: no such {protocol.level} in the data; "
            f"there are {', '.join(stays.units) or 'none'}"
        )
        raise Refused([reason])


def _outcome(study: Study, measure: Measure) -> dict[str, Any]:
    told: dict[str, Any] = {
        "label": measure.label,
        "unit": measure.unit,
        "less_is_better": measure.less_is_better,
        "balancing": measure.balancing,
    }
    try:
        effect = _effect(study, measure)
    except Refused as refusal:
        return told | {"refused": str(refusal)}
    told |= effect.to_json()
    due = study.calendar.due(measure, study.stays.until)
    told["points"] = {"planned": study.protocol.points, "due": due}
    if due < study.protocol.points:
        told["limits"].append(
            f"the last {study.protocol.points - due} of {study.protocol.points} points are not due "
            f"(follow-up of {measure.follow_up} days) and are left out"
        )
    if measure.kind is Kind.CENSUS:
        told["released"] = _released(study, effect, due)
    if measure.name in (study.protocol.primary, *BALANCING):
        told["groups"] = _groups(study, measure)
    return told


def _effect(study: Study, measure: Measure, member: NDArray[np.bool_] | None = None) -> Effect:
    protocol = study.protocol
    if measure.name in ("bed_days_not_residing", "ready_delay") and (
        not study.stays.records_readiness
    ):
        raise Refused(["readiness to leave is not recorded in the data"])
    counted = count(study.stays, measure, study.calendar, member=member)
    points = counted.total.shape[1]
    rules = Rules(
        design=protocol.design,
        by_lot=protocol.by_lot,
        harmonics=protocol.harmonics,
        trend=protocol.trend,
        seed=protocol.seed,
    )
    rollout = study.rollout(points)
    if not rollout.treated.any():
        raise Refused(["not due: no point after a change is over and followed up"])
    panel = _panel(study, measure, counted)
    if protocol.design is Design.INTERRUPTED:
        return _interrupted(study, measure, panel, rollout, rules)
    return estimate_panel(panel, rollout, rules)


def _panel(study: Study, measure: Measure, counted: Counted) -> Panel:
    rows = study.rows
    census_like = measure.kind is Kind.CENSUS
    per = 100.0 / study.usual if census_like else np.ones(rows.size)
    told = Counted(counted.total[rows], counted.size[rows])
    panel = panel_of(told, study.protocol.units, study.calendar, per)
    if np.isnan(panel.values).any():
        reason = (
            f"{int(np.isnan(panel.values).sum())} of {panel.values.size} cells (unit by point) "
            "have no patient; use more weeks a point"
        )
        raise Refused([reason])
    return panel


def _interrupted(
    study: Study, measure: Measure, panel: Panel, rollout: Rollout, rules: Rules
) -> Effect:
    treated = panel.values[rollout.treated].mean(axis=0)
    if study.external is not None:
        control = study.external[: panel.points]
    else:
        control = panel.values[~rollout.treated].mean(axis=0)
    shape = Shape(
        start=rollout.before,
        transition=rollout.transition,
        days=panel.days,
        harmonics=rules.harmonics,
        trend=rules.trend,
    )
    proportional = measure.kind is Kind.CENSUS or study.external is not None
    return estimate_series(treated, control, shape, rules, proportional=proportional)


def _released(study: Study, effect: Effect, due: int) -> dict[str, Any]:
    """Bed days fewer than expected in the units and time that were exposed, and their worth."""
    nights = study.rollout(due).exposed.sum(axis=1) * study.protocol.days
    scale = -float((study.usual * nights).sum()) / 100.0
    money = study.protocol.money
    days = {
        "estimate": scale * effect.estimate,
        "low": scale * effect.high,
        "high": scale * effect.low,
    }
    known = {name: round(value) if np.isfinite(value) else None for name, value in days.items()}
    worth = [money.low, money.high]
    return {
        "bed_days": known,
        "pounds_a_bed_day": worth,
        "pounds": {
            name: None if told is None else sorted(round(told * price) for price in worth)
            for name, told in known.items()
        },
    }


def _groups(study: Study, measure: Measure) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            _group(study, measure, label, grouping.member == at)
            for at, label in enumerate(grouping.labels)
            if (grouping.member == at).any()
        ]
        for name, grouping in study.stays.groups.items()
    }


def _group(study: Study, measure: Measure, label: str, member: NDArray[np.bool_]) -> dict[str, Any]:
    """Effect in one group; a small group is named and not judged."""
    sides = _spells_of(study, member)
    told: dict[str, Any] = {
        "group": label,
        "spells": rounded(sum(sides), least=min(sides)),
        "too_few": min(sides) < LEAST_PATIENTS,
    }
    if told["too_few"]:
        return told
    try:
        effect = _effect(study, measure, member)
    except Refused as refusal:
        return told | {"too_few": True, "refused": str(refusal)}
    kept: Mapping[str, Any] = effect.to_json()
    return told | {
        name: kept[name] for name in ("estimate", "low", "high", "p_value", "mean_before", "model")
    }


def _spells_of(study: Study, member: NDArray[np.bool_]) -> tuple[int, int]:
    """Spells of a group in the units that changed, admitted before and after."""
    sides = [0, 0]
    for step in study.protocol.steps:
        here = member & (study.stays.unit == study.stays.units.index(step.unit))
        here &= study.stays.admitted >= study.protocol.first_day
        late = study.stays.admitted[here] >= day_number(step.starts)
        sides = [sides[0] + int((~late).sum()), sides[1] + int(late.sum())]
    return sides[0], sides[1]
