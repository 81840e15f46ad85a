"""Arrivals: which spell starts when, where, how and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.clock import SECOND, at_local_hour, local_hour
from feature_store.simulation import problems
from feature_store.simulation.chance import Columns, Flags, Floats, Ints, choose, happens, sigmoid
from feature_store.simulation.people import CHILD, DAY_CASE, ELECTIVE, EMERGENCY, MATERNITY, People
from feature_store.simulation.settings import TrustSettings
from feature_store.simulation.trust import Trust
from feature_store.vocabulary import ADMISSION_METHODS, ADMISSION_SOURCES, MORNING_HOUR

METHOD_CODES: Final = tuple(ADMISSION_METHODS)
SOURCE_CODES: Final = tuple(ADMISSION_SOURCES)
_EMERGENCY_METHODS: Final = {
    "21": 74, "22": 9, "23": 1, "24": 6, "25": 1, "28": 1, "2A": 4, "2B": 3, "2D": 1,
}  # fmt: skip
_ELECTIVE_METHODS: Final = {"11": 45, "12": 32, "13": 17, "81": 6}
_MATERNITY_METHODS: Final = {"31": 85, "32": 15}
# Start of the spell (decision to admit) by hour of day: a long evening (shape [judgement]).
_EMERGENCY_HOURS: Final = (
    3.0, 2.5, 2.2, 2.0, 1.8, 1.7, 1.6, 1.7, 2.2, 3.0, 4.0, 4.8,
    5.4, 5.8, 6.1, 6.3, 6.4, 6.4, 6.1, 5.7, 5.2, 4.7, 4.2, 3.6,
)  # fmt: skip
_MIDWINTER_DAY: Final = 15
_CHEST_IN_WINTER: Final = 0.25
"""Log-odds of a chest problem, mid-January against the mean of the year."""

_EMERGENCY_WEEK: Final = np.array([1.08, 1.02, 1.0, 1.0, 1.0, 0.95, 0.95])
_PLANNED_WEEK: Final = np.array([1.0, 1.0, 1.0, 1.0, 0.9, 0.12, 0.06])
"""Relative arrivals by weekday, Monday first."""

_CARE_HOME_CODED: Final = 0.7
"""Share of residents recorded as coming from a care home; the others as from their usual place."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals(Columns):
    """One row a spell, as known at the door.

    Parameters
    ----------
    person : ndarray of int64, shape (n,)
        Row in ``People``.
    kind, site, method, source, problem : ndarray of int64
        Indices into ``KINDS``, the sites, ``METHOD_CODES``, ``SOURCE_CODES``, ``PROBLEMS``.
    day, start : ndarray of int64
        Local day number, and the moment in UTC microseconds.
    hour : ndarray of float64
        Local hour of ``start``.
    waited_hours : ndarray of float64
        In the emergency department before ``start``; 0 for a planned admission.
    age_years : ndarray of float64
        On admission.
    ambulance : ndarray of bool
    prior_spells : ndarray of int64
        Spells that ended in the 365 days before, within the period.
    days_since_last : ndarray of float64
        Since the last discharge; infinite for a first spell.
    winter : ndarray of float64
        From -1 in mid-July to 1 in mid-January.
    """

    person: Ints
    kind: Ints
    site: Ints
    method: Ints
    source: Ints
    problem: Ints
    day: Ints
    start: Ints
    hour: Floats
    waited_hours: Floats
    age_years: Floats
    ambulance: Flags
    prior_spells: Ints
    days_since_last: Floats
    winter: Floats


@dataclass(frozen=True, slots=True, eq=False)
class History(Columns):
    """What came before a spell: shape (n,) each, as in :class:`Arrivals`."""

    prior_spells: Ints
    days_since_last: Floats


def winter_of(day: Ints) -> Floats:
    """Season of these days, 1 in mid-January and -1 in mid-July."""
    return np.asarray(np.cos(2 * np.pi * (day - _MIDWINTER_DAY) / 365.25), dtype=np.float64)


def first_days(rng: Generator, kind: Ints, settings: TrustSettings) -> Ints:
    """Local day of each person's first spell: more in winter, planned ones on weekdays."""
    days = settings.first_day + np.arange(settings.days)
    weekday = (days + 3) % 7
    emergency = (1.0 + 0.07 * winter_of(days)) * _EMERGENCY_WEEK[weekday]
    any_day = choose(rng, emergency, kind.size)
    weekdays = choose(rng, _PLANNED_WEEK[weekday], kind.size)
    return days[np.where(np.isin(kind, (ELECTIVE, DAY_CASE)), weekdays, any_day)]


def moment_of(day: Ints, hour: Floats) -> Ints:
    """UTC microseconds, whole seconds, of an hour of the local day, 0 <= hour < 24.

    Counted from 06:00, which lies after any change of the clocks, and before 01:00 from midnight;
    on the night the clocks change an hour between may be shifted by one, never to another day.
    """
    after_six = ((hour - MORNING_HOUR) * 3600).astype(np.int64) * SECOND
    after_midnight = (hour * 3600).astype(np.int64) * SECOND
    from_six = at_local_hour(day, MORNING_HOUR) + after_six
    return np.where(hour < 1, at_local_hour(day, 0) + after_midnight, from_six)


def receive(
    rng: Generator, person: Ints, day: Ints, *, people: People, trust: Trust, history: History
) -> Arrivals:
    """Draw what is known at the door of spells of these people on these local days."""
    who = people.take(person)
    # Whoever comes back comes as an emergency, except children and mothers, who stay what they are.
    planned = np.isin(who.kind, (ELECTIVE, DAY_CASE))
    kind = np.where((history.prior_spells > 0) & planned, EMERGENCY, who.kind)
    start = moment_of(day, _hours(rng, kind))
    emergency = np.isin(kind, (EMERGENCY, CHILD))
    elsewhere = choose(rng, trust.sites.share, kind.size)
    wait = np.clip(rng.lognormal(1.55, 0.65, kind.size), 0.5, 40.0)
    carried = sigmoid(-0.65 + 0.3 * (who.cfs - 3) + 0.01 * (who.age_years - 60))
    return Arrivals(
        person=person,
        kind=kind,
        site=np.where(happens(rng, 0.06, kind.size), elsewhere, who.home_site),
        method=_methods(rng, kind),
        source=_sources(rng, who),
        problem=_problems(rng, kind, who.age_years, day),
        day=day,
        start=start,
        hour=local_hour(start),
        waited_hours=np.where(emergency, wait, 0.0),
        age_years=who.age_years + (day - trust.settings.first_day) / 365.25,
        ambulance=emergency & happens(rng, carried),
        prior_spells=history.prior_spells,
        days_since_last=history.days_since_last,
        winter=winter_of(day),
    )


def _hours(rng: Generator, kind: Ints) -> Floats:
    size = kind.size
    hour = choose(rng, _EMERGENCY_HOURS, size) + rng.random(size)
    planned = np.clip(rng.normal(8.2, 1.0, size), 6.5, 13.0)
    anytime = rng.uniform(0, 24, size)
    return np.choose(kind, [hour, planned, planned + rng.uniform(0, 4, size), anytime, hour])


def _draw_code(rng: Generator, table: dict[str, int], codes: tuple[str, ...], size: int) -> Ints:
    positions = np.array([codes.index(code) for code in table], dtype=np.int64)
    return positions[choose(rng, list(table.values()), size)]


def _methods(rng: Generator, kind: Ints) -> Ints:
    emergency = _draw_code(rng, _EMERGENCY_METHODS, METHOD_CODES, kind.size)
    elective = _draw_code(rng, _ELECTIVE_METHODS, METHOD_CODES, kind.size)
    day_case = np.where(METHOD_CODES.index("81") == elective, METHOD_CODES.index("11"), elective)
    maternity = _draw_code(rng, _MATERNITY_METHODS, METHOD_CODES, kind.size)
    return np.choose(kind, [emergency, elective, day_case, maternity, emergency])


def _sources(rng: Generator, who: People) -> Ints:
    size = who.kind.size
    home = _draw_code(rng, {"54": 1, "65": 4, "85": 5}, SOURCE_CODES, size)
    other = _draw_code(rng, {"29": 50, "51": 40, "39": 3}, SOURCE_CODES, size)
    usual = np.where(happens(rng, 0.03, size), other, SOURCE_CODES.index("19"))
    return np.where(who.care_home & happens(rng, _CARE_HOME_CODED, size), home, usual)


def _problems(rng: Generator, kind: Ints, age: Floats, day: Ints) -> Ints:
    decades = (np.clip(age, 18, 95) - 65) / 10
    chest = problems.is_one_of("breathlessness", "pneumonia")
    log_odds = decades[:, None] * problems.column("older")
    log_odds += _CHEST_IN_WINTER * winter_of(day)[:, None] * chest
    adults = problems.column("adults") * np.exp(log_odds)
    drawn = choose(rng, np.where((kind == CHILD)[:, None], problems.column("children"), adults))
    planned = np.where(kind == MATERNITY, problems.PREGNANCY, problems.PLANNED_PROCEDURE)
    return np.where(np.isin(kind, (ELECTIVE, DAY_CASE, MATERNITY)), planned, drawn)
