"""The evaluation: a protocol and a dataset in, estimates with their limits out, as JSON data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from feature_store.clock import to_moment
from feature_store.dataset import Dataset
from feature_store.errors import Refused
from training.impact.breakdown import groups_of, released
from training.impact.estimating import Study, effect_of, rollout_of
from training.impact.limits import assumptions, cannot_show, limits_of
from training.impact.measures import BALANCING, MEASURES, Kind, Measure
from training.impact.national import control_series
from training.impact.outcomes import Calendar, census
from training.impact.protocol import Protocol
from training.impact.stays import Stays, read_stays

WARM_UP_DAYS: Final = 28

Report = Callable[[str], None]


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
    if not manifest.clock.calendar:
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
        effect = effect_of(study, measure)
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
        told["released"] = released(study, effect, due)
    if measure.name in (study.protocol.primary, *BALANCING):
        told["groups"] = groups_of(study, measure)
    return told
