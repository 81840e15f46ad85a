"""NEWS2 through the stay: acuity as a nurse sees it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Ints, choose, happens, rows_where
from feature_store.simulation.people import DAY_CASE
from feature_store.simulation.record.chart import MINUTE, Chart, Ledger
from feature_store.simulation.states import acuity_of

_NEWS2: Final = np.array(
    [
        [0.50, 0.33, 0.15, 0.02, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0.04, 0.24, 0.43, 0.21, 0.08, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0.03, 0.20, 0.35, 0.24, 0.12, 0.06, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0.07, 0.16, 0.25, 0.22, 0.15, 0.09, 0.06],
    ]
)
"""Chance of 0 to 12 points, a row an acuity. With the mix of acuity on arrival it gives the first
NEWS2 of docs/simulator.md; neighbours overlap, so one reading does not tell the acuity."""

_TWICE_DAYS: Final = 3


def record_observations(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """On arrival and again, each morning before six, and in the evening of the first days."""
    start, acuity = chart.arrivals.start, chart.seen.acuity
    watched = chart.arrivals.kind != DAY_CASE
    first = rows_where(happens(rng, 0.97, len(chart)) & watched)
    again = first[happens(rng, 0.85, first.size)]
    _read(
        rng, ledger, first, start[first] - rng.integers(0, 30, first.size) * MINUTE, acuity[first]
    )
    _read(
        rng, ledger, again, start[again] + rng.integers(60, 220, again.size) * MINUTE, acuity[again]
    )
    row, day, state = chart.days_in_hospital()
    morning = (day >= 1) & happens(rng, 0.95, day.size)
    evening = (day <= _TWICE_DAYS) & happens(rng, 0.75, day.size) & watched[row]
    for chosen, earliest, latest in ((morning, 4.6, 5.7), (evening, 17.0, 20.5)):
        at = chart.moment(row[chosen], day[chosen], rng.uniform(earliest, latest, chosen.sum()))
        later = at > start[row[chosen]]
        rows = row[chosen][later]
        _read(rng, ledger, rows, at[later], acuity_of(state[chosen][later]))


def _read(rng: Generator, ledger: Ledger, rows: Ints, time: Ints, acuity: Ints) -> None:
    points = choose(rng, _NEWS2[acuity])
    ledger.write(rows, "NEWS2", time, value=points, delay=rng.uniform(0.02, 0.2, rows.size))
