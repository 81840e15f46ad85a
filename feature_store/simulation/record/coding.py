"""ICD-10 codes of a spell, entered days to weeks after its end."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Floats, happens, rows_where
from feature_store.simulation.problems import PROBLEMS, is_one_of
from feature_store.simulation.record.chart import Chart, Ledger
from feature_store.simulation.states import is_waiting


def record_coding(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """One primary code by presenting problem, and secondary codes by what is true of the patient.

    Known for the next spell of a patient, never for this one.
    """
    delay = 24 * np.clip(rng.lognormal(1.9, 0.6, len(chart)), 0.5, 60)
    primary = ledger.codes("DIAGNOSIS", [problem.icd10 for problem in PROBLEMS])
    ledger.write(chart.rows, primary[chart.arrivals.problem], chart.end, delay=delay)
    for code, share in _secondary(chart).items():
        rows = rows_where(happens(rng, share))
        ledger.write(rows, f"DIAGNOSIS//{code}", chart.end[rows], delay=delay[rows])


def _secondary(chart: Chart) -> dict[str, Floats]:
    who, seen, age = chart.who, chart.seen, chart.arrivals.age_years
    conditions = 0.12 * np.minimum(who.conditions, 5)
    fell = is_one_of("fall", "hip_fracture")
    return {
        "F03X": 0.90 * who.dementia,
        "F059": 0.60 * seen.delirium,
        "R268": 0.30 * seen.needs_help,
        "R54X": 0.30 * (who.cfs >= 6),
        "W19X": 0.70 * fell[chart.arrivals.problem],
        "I10X": np.clip(conditions + 0.006 * (age - 45), 0.0, 0.5),
        "E119": 0.50 * conditions,
        "J449": 0.35 * conditions,
        "I489": np.clip(0.008 * (age - 60), 0.0, 0.3),
        "N179": 0.35 * (seen.urea > 12.0),
        "Z602": 0.30 * who.lives_alone,
        "Z751": 0.20 * is_waiting(chart.stays.state).any(axis=1),
    }
