"""Does what was foreseen come about: charts over time, for all and for each site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import DAY, to_moment
from models.judging.groups import rounded
from training.facts import site_names, sites
from training.monitor.chart import LEAST, Chart, charts
from training.monitor.findings import Finding, State
from training.monitor.lived import Lived, horizons

LEAST_OF_A_SITE: Final = 200
_EDGE: Final = 1e-4
_KEPT_POINTS: Final = 200
_WEEK: Final = 7.0


def watch_calibration(
    lived: Lived, *, days: int, simulations: int, rng: np.random.Generator
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Charts of every horizon, for all patients and for each large enough site.

    One score a spell counts, its first: later ones say much the same of the same patient.

    Parameters
    ----------
    lived : Lived
    days : int
        Length of the whole period of looking, which the limits allow for.
    simulations : int
        Of the limits.
    rng : numpy.random.Generator

    Returns
    -------
    list of Finding
    list of dict
        ``who, horizon, outcomes, came_about, foreseen, ratio, longer, shorter``; the last two with
        ``path`` (thinned), ``limit`` and ``alarm_at``.
    """
    first = lived.take(lived.firsts())
    asked = [(who, nights, rows) for who, nights, rows in _parts(first) if rows.size >= LEAST]
    findings, told = [], []
    for who, nights, rows in asked:
        part = first.take(rows)
        chance = np.clip(part.chance(nights), _EDGE, 1 - _EDGE)
        due = part.due_at(nights)
        whole = _whole(due, days)
        pair = charts(
            part.outcome(nights),
            chance,
            among=len(asked),
            rng=rng,
            whole=whole,
            simulations=simulations,
        )
        told.append(_told(part, nights, who, pair, due))
        findings.append(_finding(told[-1]))
    if not asked:
        text = f"Fewer than {LEAST} outcomes are due: calibration cannot be told yet."
        findings.append(Finding("calibration", State.UNKNOWN, text))
    return findings, told


def _whole(due: NDArray[np.int64], days: int) -> int:
    """Outcomes that the whole period will have, if they go on coming as they have."""
    seen = max(float(due[-1] - due[0]) / DAY, _WEEK)
    return int(np.ceil(due.size * max(days / seen, 1.0)))


def _parts(first: Lived) -> Iterator[tuple[str, int, NDArray[np.intp]]]:
    """Rows with a known outcome, in the order they became due: of all, then of each site."""
    site = sites(first.facts, first.fact_set)
    names = site_names(first.fact_set)
    several = np.unique(site).size > 1
    for days in horizons(first):
        known = np.flatnonzero(~np.isnan(first.outcome(days)))
        known = known[np.argsort(first.due_at(days)[known], kind="stable")]
        yield "all", days, known
        for place in np.unique(site[known]) if several else ():
            rows = known[site[known] == place]
            if rows.size >= LEAST_OF_A_SITE:
                yield names[place], days, rows


def _told(
    part: Lived, days: int, who: str, pair: tuple[Chart, Chart], due: NDArray[np.int64]
) -> dict[str, Any]:
    outcome, chance = part.outcome(days), part.chance(days)
    return {
        "who": who,
        "horizon": days,
        "outcomes": rounded(outcome.size),
        "came_about": rounded(int(outcome.sum())),
        "foreseen": round(float(chance.sum()), 1),
        "ratio": round(float(outcome.sum() / chance.sum()), 3),
        "longer": _drawn(pair[0], due),
        "shorter": _drawn(pair[1], due),
    }


def _drawn(chart: Chart, due: NDArray[np.int64]) -> dict[str, Any]:
    step = max(1, chart.path.size // _KEPT_POINTS)
    at = chart.alarm_at
    return {
        "path": [round(float(one), 3) for one in chart.path[::step]],
        "limit": round(chart.limit, 3),
        "alarm_at": None if at is None else to_moment(int(due[at])).date().isoformat(),
    }


def _finding(told: dict[str, Any]) -> Finding:
    whom = "all patients" if told["who"] == "all" else f"site {told['who']}"
    nights = f"{told['horizon']} nights or more"
    figures = f"{told['ratio']} times as many stays of {nights} as foreseen, {whom}"
    for name in ("longer", "shorter"):
        if told[name]["alarm_at"] is not None:
            text = f"Stays are {name} than foreseen since {told[name]['alarm_at']}: {figures}."
            return Finding("calibration", State.BREACH, text)
    return Finding("calibration", State.OK, f"As foreseen: {figures}.")
