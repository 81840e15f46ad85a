"""Ranking, range and use: by period, by version and by group, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_day
from models.judging import Lists, judge, judge_alerts, judge_coverage, judge_lists
from models.judging.groups import Grouping, judge_groups, rounded
from models.judging.metrics import Bootstrap
from training.facts import groupings, months, sites
from training.monitor.findings import Finding, State
from training.monitor.lived import Lived, horizons

METRICS: Final = ("auroc", "brier", "calibration_slope", "calibration_intercept")
LEAST_EVENTS: Final = 30
HELD: Final = 0.8
"""Share of stays that the range of the day of leaving is meant to hold."""

_SLACK: Final = 0.05
_HIGH: Final = 0.5


def watch_accuracy(
    lived: Lived, expected: Mapping[str, Any], bootstrap: Bootstrap
) -> tuple[list[Finding], dict[str, Any]]:
    """Discrimination of each horizon against what the model showed when it was judged.

    Parameters
    ----------
    lived : Lived
    expected : mapping
        Horizon (as text) to ``{"low": ...}``, the lower end of its AUROC when judged.
    bootstrap : Bootstrap
    """
    findings, told = [], {}
    for days in horizons(lived):
        outcome = lived.outcome(days)
        events = int((outcome == 1).sum())
        if min(events, int((outcome == 0).sum())) < LEAST_EVENTS:
            continue
        judged = judge(
            outcome,
            lived.chance(days),
            lived.snapshots.subject_id,
            metrics=METRICS,
            bootstrap=bootstrap,
        )
        told[str(days)] = {name: figure.to_json() for name, figure in judged.items()}
        findings.append(_ranking(days, judged["auroc"].interval, expected.get(str(days))))
    if not told:
        text = f"Fewer than {LEAST_EVENTS} long and short stays are due: ranking cannot be told."
        findings.append(Finding("discrimination", State.UNKNOWN, text))
    return findings, told


def _ranking(
    days: int, interval: tuple[float, float], expected: Mapping[str, Any] | None
) -> Finding:
    low, high = interval
    figures = f"AUROC at {days} nights {low:.3f} to {high:.3f}"
    if expected is None or expected.get("low") is None:
        text = f"{figures}; the bundle does not say what to expect."
        return Finding("discrimination", State.UNKNOWN, text)
    below = high < expected["low"]
    state = State.BREACH if below else State.OK
    words = "below" if below else "not below"
    text = f"{figures}, {words} what was shown when judged (from {expected['low']:.3f})."
    return Finding("discrimination", state, text)


def watch_range(lived: Lived, bootstrap: Bootstrap) -> tuple[list[Finding], dict[str, Any] | None]:
    """Coverage of the range of the day of leaving, first scores of spells."""
    first = lived.take(lived.firsts())
    low, high = (np.asarray(first.told[f"discharge_{name}"], np.float64) for name in ("p10", "p90"))
    found = judge_coverage(
        low, high, first.outcomes, subject_id=first.snapshots.subject_id, bootstrap=bootstrap
    )
    if found.rows < LEAST_EVENTS:
        return [Finding("coverage", State.UNKNOWN, "Too few ranges are over to tell.")], None
    least, most = found.share.interval
    text = f"The range of the day of leaving held {least:.2f} to {most:.2f} of stays; {HELD} meant."
    state = State.WATCH if most < HELD - _SLACK else State.OK
    return [Finding("coverage", state, text)], {
        "share": found.share.to_json(),
        "stays": rounded(found.rows),
    }


def use(lived: Lived, *, capacity: int, bootstrap: Bootstrap) -> dict[str, Any]:
    """Alerts and the daily lists: how many, and how many of those listed stay long."""
    days = horizons(lived)
    if not days:
        return {}
    first = days[0]
    flagged = (lived.snapshots.days_so_far < first) & (lived.chance(first) >= _HIGH)
    site = sites(lived.facts, lived.fact_set)
    rows, lists = daily_lists(lived, first, capacity)
    told = judge_lists(
        lived.outcome(first)[rows],
        lists.listed(lived.chance(first)[rows]),
        lists,
        bootstrap=bootstrap,
    )
    return {
        "horizon": first,
        "capacity": capacity,
        "alerts": judge_alerts(flagged, lived.snapshots, site=site, bootstrap=bootstrap),
        "lists": {name: figure.to_json() for name, figure in told.items()},
    }


def daily_lists(lived: Lived, days: int, capacity: int) -> tuple[NDArray[np.intp], Lists]:
    """Rows that daily lists are made of, and the lists.

    Parameters
    ----------
    lived : Lived
    days : int
        Horizon: patients who have not reached it.
    capacity : int
        A site and day.
    """
    rows = _last_of_each_day(lived, lived.snapshots.days_so_far < days)
    return rows, Lists(
        sites(lived.facts, lived.fact_set)[rows],
        local_day(lived.snapshots.prediction_time[rows]),
        lived.snapshots.spell_id[rows],
        lived.snapshots.subject_id[rows],
        capacity,
    )


def _last_of_each_day(lived: Lived, among: NDArray[np.bool_]) -> NDArray[np.intp]:
    """One score a spell and day: a list that is asked for every minute counts once."""
    rows = np.flatnonzero(among)
    key = np.column_stack(
        [lived.snapshots.spell_id[rows], local_day(lived.snapshots.prediction_time[rows])]
    )
    _, last = np.unique(key[::-1], axis=0, return_index=True)
    return np.sort(rows[rows.size - 1 - last])


def parted(lived: Lived, bootstrap: Bootstrap) -> dict[str, Any]:
    """Figures by group, month and version at the first horizon; small numbers are not shown."""
    days = horizons(lived)
    if not days:
        return {}
    first = lived.take(lived.firsts())
    by = [
        *groupings(first.facts, first.fact_set, first.snapshots.days_so_far),
        months(first.snapshots.prediction_time),
        _versions(first),
    ]
    return {
        grouping.name: judge_groups(
            first.outcome(days[0]),
            first.chance(days[0]),
            first.snapshots.subject_id,
            grouping=grouping,
            bootstrap=bootstrap,
        )
        for grouping in by
    }


def _versions(lived: Lived) -> Grouping:
    names = [str(one or "not told") for one in lived.told["model_version"]]
    labels = tuple(sorted(set(names)))
    member = np.array([labels.index(one) for one in names], np.int64)
    return Grouping("model version", labels, member)
