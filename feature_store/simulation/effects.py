"""Effects: from what is true of a patient to the pace of the stay.

One table says what moves what; ``profile_of`` adds it up. Directions and orders of size follow the
studies named in docs/simulator.md; where none gives a size it is a judgement, and says so there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_store.simulation.arrivals import Arrivals
from feature_store.simulation.chance import Columns, Flags, Floats, Ints
from feature_store.simulation.people import (
    CHILD,
    DAY_CASE,
    ELECTIVE,
    ETHNIC_CODES,
    MATERNITY,
    People,
)
from feature_store.simulation.presentation import Presentation
from feature_store.simulation.problems import PROBLEMS, column
from feature_store.simulation.trust import Sites

_ASIAN, _BLACK = "HJKL", "MNP"

EFFECTS: Final[dict[str, tuple[float, float, float, float]]] = {
    "intercept": (-0.2, -4.2, 0.0, -6.55),
    "cfs above 4": (0.12, 0.25, 0.05, 0.22),
    "age above 70, decades": (0.13, 0.16, 0.0, 0.26),
    "dementia": (0.09, 0.27, 0.20, 0.15),
    "delirium": (0.27, 0.36, 0.10, 0.25),
    "needs help to walk": (0.18, 0.45, 0.0, 0.10),
    "care home": (0.03, -0.18, 0.0, 0.25),
    "lives alone": (0.06, 0.27, 0.15, 0.0),
    "carer": (0.0, -0.06, -0.10, 0.0),
    "care package": (0.03, 0.12, 0.0, 0.0),
    "albumin below 38, 5 g/L": (0.12, 0.03, 0.0, 0.25),
    "log urea above 1.8": (0.15, 0.0, 0.0, 0.35),
    "haemoglobin below 125, 10 g/L": (0.03, 0.0, 0.0, 0.03),
    "prior spells, up to 4": (0.07, 0.06, 0.0, 0.05),
    "left within 30 days": (0.09, 0.06, 0.0, 0.10),
    "hours after 8, by night 6": (0.035, 0.0, 0.0, 0.0),
    "waited over 12 h": (0.09, 0.0, 0.0, 0.05),
    "winter": (0.05, 0.0, 0.12, 0.05),
    "deciles more deprived than 5": (0.01, 0.0, 0.07, 0.0),
    "Asian": (0.0, 0.0, 0.20, 0.0),
    "Black": (0.0, 0.0, 0.32, 0.0),
    "interpreter": (0.03, 0.03, 0.25, 0.0),
}
"""Log-odds a day per unit named: slow to be ready, support needed to leave, delay once ready,
death. The intercepts are those of emergency adults."""

# Shift of (slow, support, delay, death) for each kind of spell, in the order of KINDS.
_KIND_SHIFTS: Final = np.array(
    [
        [0.0, 0.0, 0.0, 0.0],
        [-0.05, -0.5, 0.0, -1.3],
        [0.0, -9.0, 0.0, -3.0],
        [-0.7, -6.0, 0.0, -3.0],
        [-1.3, -4.0, 0.0, -2.6],
    ]
)

_PROBLEM_EFFECTS: Final = np.column_stack(
    [column("slow"), column("support"), np.zeros(len(PROBLEMS)), column("death")]
)


@dataclass(frozen=True, slots=True, eq=False)
class Profile(Columns):
    """What the course of a stay depends on, beside its daily state; one row a spell.

    Parameters
    ----------
    slow, support, delay, death : ndarray of float64, shape (n,)
        Sums of ``EFFECTS``, log-odds a day: on not becoming ready, on coming to need support, on
        waiting longer once ready, on dying.
    frail : ndarray of float64
        Log-odds against recovering, and half of it for worsening, of acuity from day to day.
    pathway_2, pathway_3 : ndarray of float64
        Log-odds of these pathways against pathway 1, given that support is needed.
    pathway_0 : ndarray of float64
        The same for going home without new support after all.
    weekday : ndarray of int64
        Of day 0, Monday 0.
    hour : ndarray of float64
        Local hour of the start.
    same_day : ndarray of bool
        Day cases: leave on day 0.
    sooner : ndarray of float64
        Of a planted change: taken off the delay; 0 where there is none.
    sooner_from : ndarray of int64
        Day of stay from which it works.
    """

    slow: Floats
    support: Floats
    delay: Floats
    death: Floats
    frail: Floats
    pathway_0: Floats
    pathway_2: Floats
    pathway_3: Floats
    weekday: Ints
    hour: Floats
    same_day: Flags
    sooner: Floats
    sooner_from: Ints


def profile_of(arrivals: Arrivals, people: People, seen: Presentation, sites: Sites) -> Profile:
    """Add up the effects of each spell.

    Every input is recorded in the events under its own code when it is recorded at all: nothing
    hidden moves a stay.
    """
    who = people.take(arrivals.person)
    units = _units(arrivals, who, seen)
    table = np.array([EFFECTS[name] for name in units])
    problem = _PROBLEM_EFFECTS[arrivals.problem]
    sums = np.column_stack(list(units.values())) @ table + _KIND_SHIFTS[arrivals.kind] + problem
    frailer, older = who.cfs - 4, (arrivals.age_years - 70) / 10
    return Profile(
        slow=sums[:, 0] + sites.slow[arrivals.site],
        support=sums[:, 1],
        delay=sums[:, 2] + sites.delay[arrivals.site],
        death=sums[:, 3],
        frail=0.12 * frailer + 0.10 * older,
        pathway_0=-0.6 - 0.15 * frailer + 1.6 * who.care_home,
        pathway_2=-0.95 + 0.10 * frailer + 0.30 * who.lives_alone + 0.25 * problem[:, 1],
        pathway_3=-2.2
        + 0.35 * frailer
        + 0.8 * who.dementia
        + 0.3 * seen.delirium
        - 2.5 * who.care_home,
        weekday=(arrivals.day + 3) % 7,
        hour=arrivals.hour,
        same_day=arrivals.kind == DAY_CASE,
        sooner=np.zeros(arrivals.day.size),
        sooner_from=np.zeros_like(arrivals.day),
    )


def _units(arrivals: Arrivals, who: People, seen: Presentation) -> dict[str, Floats]:
    adult = ~np.isin(arrivals.kind, (CHILD, MATERNITY))
    age = np.where(adult, np.clip(arrivals.age_years, 30, 95), 50.0)
    # Whoever could wait came in the morning: later arrivals stay longer.
    hours = np.where(arrivals.hour >= 8, arrivals.hour - 8, 6.0)
    hours = hours * ~np.isin(arrivals.kind, (ELECTIVE, DAY_CASE))
    units = {
        "intercept": np.ones(age.size),
        "cfs above 4": who.cfs - 4,
        "age above 70, decades": (age - 70) / 10,
        "dementia": who.dementia,
        "delirium": seen.delirium,
        "needs help to walk": seen.needs_help,
        "care home": who.care_home,
        "lives alone": who.lives_alone,
        "carer": who.carer,
        "care package": who.care_package,
        "albumin below 38, 5 g/L": (38 - seen.albumin) / 5,
        "log urea above 1.8": np.log(seen.urea) - 1.8,
        "haemoglobin below 125, 10 g/L": (125 - seen.haemoglobin) / 10,
        "prior spells, up to 4": np.minimum(arrivals.prior_spells, 4),
        "left within 30 days": arrivals.days_since_last <= 30,
        "hours after 8, by night 6": hours,
        "waited over 12 h": arrivals.waited_hours > 12,
        "winter": arrivals.winter,
        "deciles more deprived than 5": 5.0 - who.decile,
        "Asian": _of_group(who.ethnicity, _ASIAN),
        "Black": _of_group(who.ethnicity, _BLACK),
        "interpreter": who.interpreter,
    }
    return {name: np.asarray(unit, dtype=np.float64) for name, unit in units.items()}


def _of_group(ethnicity: Ints, codes: str) -> Flags:
    return np.isin(ethnicity, [ETHNIC_CODES.index(code) for code in codes])
