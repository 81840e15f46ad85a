"""What is recorded at the door, and once of the person."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.clock import HOUR, SECOND
from feature_store.simulation.arrivals import METHOD_CODES, SOURCE_CODES
from feature_store.simulation.chance import happens, rows_where
from feature_store.simulation.people import CHILD, DAY_CASE, EMERGENCY, ETHNIC_CODES
from feature_store.simulation.problems import PROBLEM_NAMES
from feature_store.simulation.record.chart import MINUTE, Chart, Ledger
from feature_store.vocabulary import SPELL_START

_INTERPRETER_ASKED: Final = np.array([0.25, 0.85])
"""Who needs none, who needs one: the question is often left out. Missing not at random."""


def record_people(chart: Chart, ledger: Ledger) -> None:
    """Sex and ethnic category, once a person and without a time."""
    subject, first = np.unique(chart.subject_id, return_index=True)
    sexes = ledger.codes("SEX", ("1", "2"))[chart.who.female[first].astype(np.int64)]
    ledger.write_of_person(subject, sexes)
    stated = ledger.codes("ETHNICITY", ETHNIC_CODES)[chart.who.stated[first]]
    ledger.write_of_person(subject, stated)


def record_admission(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """The start of the spell and the facts that come with it."""
    arrivals, start, rows = chart.arrivals, chart.arrivals.start, chart.rows
    ledger.write(rows, SPELL_START, start)
    ledger.write(rows, ledger.codes("ADMISSION_METHOD", METHOD_CODES)[arrivals.method], start)
    ledger.write(rows, ledger.codes("ADMISSION_SOURCE", SOURCE_CODES)[arrivals.source], start)
    day_case = (arrivals.kind == DAY_CASE).astype(np.int64)
    ledger.write(rows, ledger.codes("PATIENT_CLASSIFICATION", ("1", "2"))[day_case], start)
    ledger.write(rows, ledger.codes("SITE", chart.trust.sites.codes)[arrivals.site], start)
    ledger.write(rows, "AGE", start, value=np.floor(arrivals.age_years))
    traced = rows_where(happens(rng, 0.98, len(chart)))
    ledger.write(traced, "DEPRIVATION_DECILE", start[traced], value=chart.who.decile[traced])
    needed = chart.who.interpreter.astype(np.int64)
    asked = rows_where(happens(rng, _INTERPRETER_ASKED[needed]))
    ledger.write(asked, ledger.codes("INTERPRETER", ("N", "Y"))[needed[asked]], start[asked])


def record_emergency_department(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """Arrival, how and why, and the decision to admit."""
    arrivals = chart.arrivals
    rows = rows_where(np.isin(arrivals.kind, (EMERGENCY, CHILD)))
    start = arrivals.start[rows]
    waited = (arrivals.waited_hours[rows] * (HOUR // SECOND)).astype(np.int64) * SECOND
    arrived = start - waited
    ledger.write(rows, "EMERGENCY_ARRIVAL", arrived)
    modes = ledger.codes("ARRIVAL_MODE", ("other", "ambulance"))
    ledger.write(rows, modes[arrivals.ambulance[rows].astype(np.int64)], arrived)
    ledger.write(rows, "DECISION_TO_ADMIT", start - rng.integers(0, 20, rows.size) * MINUTE)
    coded = happens(rng, 0.97, rows.size)
    names = ledger.codes("PRESENTING_PROBLEM", PROBLEM_NAMES)
    problem = names[arrivals.problem[rows[coded]]]
    delay = rng.uniform(0.05, 0.5, problem.size)
    ledger.write(rows[coded], problem, arrived[coded], delay=delay)
