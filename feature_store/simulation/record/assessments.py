"""Frailty, cognition and home life: asked mostly of the older, within hours, not of everybody.

Missing not at random: whom a nurse asks depends on age, and on how the patient is.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Flags, Floats, Ints, happens, rows_where
from feature_store.simulation.people import ELECTIVE, EMERGENCY
from feature_store.simulation.record.chart import MINUTE, Chart, Ledger

_RATER_ERROR = (-1, *(0,) * 14, 1)
"""An eighth of the CFS scores are a point off; raters differ more than that (docs/simulator.md)."""


def record_assessments(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """Write scores, and yes or no to questions about home."""
    asked, who, seen = _asked_share(chart), chart.who, chart.seen
    cfs = np.clip(who.cfs + rng.choice(_RATER_ERROR, len(chart)), 1, 9)
    scores = {
        "CFS": (0.95 * asked, cfs.astype(np.float64)),
        "FOUR_AT": ((0.60 + 0.30 * seen.delirium) * asked, seen.four_at),
        "WATERLOW": (0.10 * (asked > 0) + 0.50 * asked, seen.waterlow),
    }
    for family, (share, value) in scores.items():
        rows, time, delay = _when(rng, chart, share)
        ledger.write(rows, family, time, value=value[rows], delay=delay)
    answers = {
        "MOBILITY": (0.85 * asked, seen.needs_help),
        "LIVES_ALONE": (0.85 * asked, who.lives_alone),
        "CARER": (0.45 * asked, who.carer),
        "CARE_PACKAGE": (0.55 * asked, who.care_package),
        "DEMENTIA": ((0.40 + 0.45 * who.dementia) * asked, who.dementia),
    }
    for family, (share, answer) in answers.items():
        rows, time, delay = _when(rng, chart, share)
        code = ledger.codes(family, ("N", "Y"))[_number(answer[rows])]
        ledger.write(rows, code, time, delay=delay)


def _asked_share(chart: Chart) -> Floats:
    age, kind = chart.arrivals.age_years, chart.arrivals.kind
    emergency = np.interp(age, (40, 60, 65, 75), (0.06, 0.55, 0.92, 1.0))
    planned = np.interp(age, (60, 75), (0.05, 0.5))
    return np.where(kind == EMERGENCY, emergency, np.where(kind == ELECTIVE, planned, 0.0))


def _when(rng: Generator, chart: Chart, share: Floats) -> tuple[Ints, Ints, Floats]:
    """Spells that are asked, when, and the hours until it is entered."""
    rows = rows_where(happens(rng, share))
    time = chart.arrivals.start[rows] + rng.integers(-30, 120, rows.size) * MINUTE
    return rows, time, rng.lognormal(-0.3, 0.8, rows.size)


def _number(answer: Flags) -> Ints:
    return answer.astype(np.int64)
