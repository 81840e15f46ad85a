"""Blood results: a first panel, lactate for the sicker, and some later ones."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.clock import HOUR
from feature_store.simulation import problems
from feature_store.simulation.chance import Floats, Ints, happens, rows_where
from feature_store.simulation.people import EMERGENCY
from feature_store.simulation.record.chart import Chart, Ledger
from feature_store.simulation.states import acuity_of, is_waiting

_PANEL_SHARE: Final = np.array([0.93, 0.60, 0.0, 0.0, 0.45])
"""Of each kind of spell, in the order of ``KINDS``."""

_LACTATE_SHARE: Final = np.array([0.12, 0.35, 0.75, 0.95])
"""By acuity: who looks ill gets a blood gas. Missing not at random."""

_LATER_DAYS: Final = np.array([1, 3, 6, 10, 15, 21, 28, 40, 60, 90])
_INFLAMMATION_DAYS: Final = 5.0
"""Days in which the CRP of the presenting problem falls to a third."""


def record_bloods(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """Take bloods in the department; results about an hour later."""
    seen, arrivals = chart.seen, chart.arrivals
    rows = rows_where(happens(rng, _PANEL_SHARE[arrivals.kind]))
    waited = np.minimum(arrivals.waited_hours[rows], 3.0) * rng.uniform(0.0, 0.9, rows.size)
    time = arrivals.start[rows] - (waited * HOUR).astype(np.int64)
    delay = rng.lognormal(0.0, 0.35, rows.size)
    for name in ("UREA", "CREATININE", "SODIUM", "HAEMOGLOBIN"):
        ledger.write(rows, name, time, value=getattr(seen, name.lower())[rows], delay=delay)
    inflamed = problems.column("inflamed")[arrivals.problem]
    ledger.write(rows, "CRP", time, value=_crp(rng, inflamed[rows], seen.acuity[rows]), delay=delay)
    for name, share in (
        ("ALBUMIN", np.full(rows.size, 0.85)),
        ("LACTATE", _LACTATE_SHARE[seen.acuity[rows]]),
    ):
        asked = happens(rng, share)
        value = getattr(seen, name.lower())[rows[asked]]
        ledger.write(rows[asked], name, time[asked], value=value, delay=delay[asked])
    _record_later_bloods(rng, ledger, inflamed)


def _crp(rng: Generator, inflamed: Floats, acuity: Ints) -> Floats:
    level = 1.3 + inflamed + 0.45 * acuity + rng.normal(0, 0.75, acuity.size)
    return np.clip(np.exp(level), 0.3, 600.0)


def _record_later_bloods(rng: Generator, ledger: Ledger, inflamed: Floats) -> None:
    chart = ledger.chart
    row, day, state = chart.days_in_hospital()
    share = np.where(is_waiting(state), 0.25, 0.8) * (chart.arrivals.kind[row] == EMERGENCY)
    taken = np.isin(day, _LATER_DAYS) & happens(rng, share)
    row, day, acuity = row[taken], day[taken], acuity_of(state[taken])
    time = chart.moment(row, day, rng.uniform(6.5, 9.5, row.size))
    delay = rng.lognormal(0.3, 0.35, row.size)
    crp = _crp(rng, inflamed[row] * np.exp(-day / _INFLAMMATION_DAYS), acuity)
    urea = chart.seen.urea[row] * np.exp(0.05 * acuity + rng.normal(0, 0.15, row.size))
    ledger.write(row, "CRP", time, value=crp, delay=delay)
    ledger.write(row, "UREA", time, value=np.clip(urea, 1.0, 60.0), delay=delay)
