"""Referrals: the states of the course as the order system shows them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Ints, happens, rows_where
from feature_store.simulation.course import EARLY_HOURS
from feature_store.simulation.record.chart import Chart, Ledger
from feature_store.simulation.states import (
    ACUITY_LEVELS,
    GONE,
    acuity_of,
    needs_support,
    starts_of_waiting,
)

_MADE: Final = 0.97
"""Share of the referrals that are ever entered."""

_SOCIAL_CARE_SHARE: Final = np.array([0.0, 0.75, 0.25, 0.95])
"""By pathway 0 to 3."""


def record_referrals(rng: Generator, chart: Chart, ledger: Ledger) -> None:
    """Write referrals on the day before the state that they show.

    Therapy before support is needed; the hub, and social care by pathway, before waiting begins;
    palliative care for some of the critically ill, which shows nothing that NEWS2 does not.
    """
    state = chart.stays.state
    needing = (state != GONE) & needs_support(state)
    rows = rows_where(needing.any(axis=1) & happens(rng, _MADE, len(chart)))
    _refer(rng, ledger, rows, needing[rows].argmax(axis=1) - 1, to="therapy")
    row, day, pathway = starts_of_waiting(state)
    for to, share in (
        ("discharge_hub", np.full(row.size, _MADE)),
        ("social_care", _SOCIAL_CARE_SHARE[pathway]),
    ):
        made = happens(rng, share)
        _refer(rng, ledger, row[made], day[made] - 1, to=to)
    critical = (state != GONE) & (acuity_of(state) == ACUITY_LEVELS - 1)
    chance = np.where(chart.arrivals.age_years > 70, 0.35, 0.08)
    rows = rows_where(critical.any(axis=1) & happens(rng, chance))
    _refer(rng, ledger, rows, np.maximum(critical[rows].argmax(axis=1), 1), to="palliative")


def _refer(rng: Generator, ledger: Ledger, rows: Ints, day: Ints, *, to: str) -> None:
    """Write referrals of a day of stay, between ten and five.

    On day 0 after the first snapshot, which must not know what the day will bring; nobody is
    referred then who came after ``course.LAST_THERAPY_HOUR``.
    """
    chart = ledger.chart
    hour = rng.uniform(10.0, 17.0, rows.size)
    soonest = chart.arrivals.hour[rows] + EARLY_HOURS + rng.uniform(0.1, 2.0, rows.size)
    hour = np.where(day == 0, np.maximum(hour, soonest), hour)
    delay = rng.uniform(0.05, 1.5, rows.size)
    ledger.write(rows, f"REFERRAL//{to}", chart.moment(rows, day, hour), delay=delay)
