"""What is recorded of leaving: staff's expectation, readiness, pathway, and the discharge."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Ints, choose, happens, rows_where, sigmoid
from feature_store.simulation.people import DAY_CASE, ELECTIVE, EMERGENCY
from feature_store.simulation.record.chart import MINUTE, Chart, Ledger
from feature_store.simulation.states import (
    is_waiting,
    pathway_of,
    starts_of_relapse,
    starts_of_waiting,
)
from feature_store.vocabulary import DEATH, SPELL_END

_READY_RECORDED: Final = 0.96
_READY_THE_DAY_BEFORE: Final = 0.20

_DESTINATIONS: Final = ("19", "29", "51", "54", "65", "79", "85", "88")
_DESTINATION_SHARES: Final = np.array(
    [
        [0.955, 0.008, 0.028, 0.000, 0.002, 0, 0.004, 0.003],  # pathway 0
        [0.945, 0.015, 0.020, 0.000, 0.005, 0, 0.005, 0.010],  # pathway 1
        [0.300, 0.020, 0.300, 0.120, 0.080, 0, 0.170, 0.010],  # pathway 2
        [0.050, 0.000, 0.050, 0.100, 0.300, 0, 0.440, 0.060],  # pathway 3
        [0.350, 0.000, 0.030, 0.080, 0.240, 0, 0.290, 0.010],  # back to the care home
    ]
)
_BACK_TO_CARE_HOME: Final = 4


def record_expectation(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """Staff's expected length of stay within a day: an ideal recovery, no waits, a wide error."""
    asked = (chart.arrivals.kind != DAY_CASE) & happens(rng, 0.75, len(chart))
    rows = rows_where(asked)
    time = chart.arrivals.start[rows] + rng.integers(120, 1440, rows.size) * MINUTE
    typical = 1.0 + 0.55 * chart.profile.slow[rows] + 0.35 * chart.seen.acuity[rows]
    guess = np.rint(np.exp(typical + rng.normal(0, 0.5, rows.size)))
    delay = rng.uniform(0.1, 3, rows.size)
    ledger.write(rows, "EXPECTED_DISCHARGE", time, value=np.clip(guess, 0, 60), delay=delay)


def record_readiness(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """No criteria to reside from the morning waiting begins, or from that of a discharge home.

    Of stays of one night and more (NHS England counts no others). Some of those who go home
    without support were ready the day before.
    """
    state, length = chart.stays.state, chart.stays.length_of_stay_days
    row, day, pathway = starts_of_waiting(state)
    _ready(rng, ledger, row, day, pathway)
    row, day = starts_of_relapse(state)
    time = chart.moment(row, day, rng.uniform(9, 12, row.size))
    ledger.write(row, "CRITERIA_TO_RESIDE//Y", time, delay=1.0)
    home = (length > 0) & ~chart.stays.died & ~is_waiting(_last_state(chart))
    row = rows_where(home & np.isin(chart.arrivals.kind, (EMERGENCY, ELECTIVE)))
    before = happens(rng, _READY_THE_DAY_BEFORE, row.size) & (length[row] > 1)
    _ready(rng, ledger, row, length[row] - before, np.zeros(row.size, np.int64))


def _ready(rng: Generator, ledger: Ledger, row: Ints, day: Ints, pathway: Ints) -> None:
    made = happens(rng, _READY_RECORDED, row.size)
    row, day, pathway = row[made], day[made], pathway[made]
    time = ledger.chart.moment(row, day, rng.uniform(8.2, 11.5, row.size))
    time = np.minimum(time, ledger.chart.end[row] - 5 * MINUTE)
    delay = rng.lognormal(-0.7, 0.6, row.size)
    ledger.write(row, "DISCHARGE_READY", time, delay=delay)
    ledger.write(row, "CRITERIA_TO_RESIDE//N", time, delay=delay)
    codes = ledger.codes("DISCHARGE_PATHWAY", ("0", "1", "2", "3"))
    ledger.write(row, codes[pathway], time, delay=delay + rng.uniform(0.1, 4.0, row.size))


def record_discharge(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """The end of the spell, how and where to; entered within the hour or so."""
    stays, end, rows = chart.stays, chart.end, chart.rows
    delay = rng.lognormal(-1.4, 0.9, len(chart))
    ledger.write(rows, SPELL_END, end, value=stays.length_of_stay_days, delay=delay)
    died, alive = rows[stays.died], rows[~stays.died]
    ledger.write(died, DEATH, end[died], delay=delay[died])
    # Against advice: mostly the younger.
    impatient = sigmoid(-3.2 - 0.03 * (chart.arrivals.age_years[alive] - 40))
    left = happens(rng, impatient * (chart.arrivals.kind[alive] == EMERGENCY))
    methods = ledger.codes("DISCHARGE_METHOD", ("1", "2"))
    ledger.write(alive, methods[left.astype(np.int64)], end[alive], delay=delay[alive])
    codes = ledger.codes("DISCHARGE_DESTINATION", _DESTINATIONS)
    ledger.write(rows, codes[_destination(rng, chart)], end, delay=delay)


def _destination(rng: Generator, chart: Chart) -> Ints:
    pathway = pathway_of(_last_state(chart))
    back = chart.who.care_home & (pathway <= 1)
    going = choose(rng, _DESTINATION_SHARES[np.where(back, _BACK_TO_CARE_HOME, pathway)])
    adult = np.isin(chart.arrivals.kind, (EMERGENCY, ELECTIVE))
    going = np.where(adult, going, _DESTINATIONS.index("19"))
    return np.where(chart.stays.died, _DESTINATIONS.index("79"), going)


def _last_state(chart: Chart) -> Ints:
    return chart.stays.state[chart.rows, chart.stays.length_of_stay_days].astype(np.int64)
