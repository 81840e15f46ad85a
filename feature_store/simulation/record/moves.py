"""Specialty, first ward and moves from ward to ward."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.simulation.arrivals import Arrivals
from feature_store.simulation.chance import Ints, happens, rows_where
from feature_store.simulation.people import CHILD, EMERGENCY
from feature_store.simulation.problems import PROBLEMS
from feature_store.simulation.record.chart import MINUTE, Chart, Ledger

_KIND_WARDS: Final = ("AMU", "SURG", "DAY", "MAT", "PAED")
"""First ward of each kind of spell, in the order of ``KINDS``."""

_INNER_WARDS: Final = ("MED", "MED2", "OLD", "OLD2", "STROKE", "ORTHO", "CARD", "RESP")
WARDS: Final = _KIND_WARDS + _INNER_WARDS
_OWN_WARD: Final = np.array([WARDS.index(problem.ward) for problem in PROBLEMS])
_IN_TWO: Final = (WARDS.index("MED"), WARDS.index("OLD"))
"""Wards that are two, the second next in the list."""

_SPECIALTIES: Final = (*dict.fromkeys(each.specialty for each in PROBLEMS), "420", "430")
_OWN_SPECIALTY: Final = np.array([_SPECIALTIES.index(problem.specialty) for problem in PROBLEMS])
_GERIATRIC_AGE: Final = 80


def record_moves(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """Specialty, first ward, the move off the assessment unit, and later moves.

    Later moves come at random, a few in a hundred days: whoever stays longer has more of them, and
    none of them makes a stay longer. A model that takes them for a cause is wrong.
    """
    arrivals, start, rows = chart.arrivals, chart.arrivals.start, chart.rows
    ward, specialty = _own(rng, arrivals)
    ledger.write(rows, ledger.codes("SPECIALTY", _SPECIALTIES)[specialty], start)
    sites = chart.trust.sites.codes
    codes = ledger.codes("WARD", [f"{site}-{ward}" for site in sites for ward in WARDS])
    site = arrivals.site * len(WARDS)
    ledger.write(rows, codes[site + arrivals.kind], start)
    moved = rows_where((arrivals.kind == EMERGENCY) & happens(rng, 0.70, len(chart)))
    minutes = (rng.uniform(5, 30, moved.size) * 60).astype(np.int64)
    ledger.write(moved, codes[(site + ward)[moved]], start[moved] + minutes * MINUTE)
    row, day, _ = chart.days_in_hospital()
    again = (day > 1) & (arrivals.kind[row] == EMERGENCY) & happens(rng, 0.05, row.size)
    row, day = row[again], day[again]
    anywhere = site[row] + rng.integers(len(_KIND_WARDS), len(WARDS), row.size)
    time = chart.moment(row, day, rng.uniform(10, 23, row.size))
    ledger.write(row, codes[anywhere], time, delay=rng.uniform(0, 1, row.size))


def _own(rng: Generator, arrivals: Arrivals) -> tuple[Ints, Ints]:
    """Ward and specialty of each patient: geriatrics for the general medicine of the old."""
    ward, specialty = _OWN_WARD[arrivals.problem], _OWN_SPECIALTY[arrivals.problem]
    old = (arrivals.age_years >= _GERIATRIC_AGE) & (ward == WARDS.index("MED"))
    ward = np.where(old, WARDS.index("OLD"), ward)
    specialty = np.where(old, _SPECIALTIES.index("430"), specialty)
    specialty = np.where(arrivals.kind == CHILD, _SPECIALTIES.index("420"), specialty)
    second = np.isin(ward, _IN_TWO) & happens(rng, 0.5, ward.size)
    return ward + second, specialty
