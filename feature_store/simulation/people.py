"""The people a synthetic trust serves: what is true of a person before any spell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.simulation.chance import Columns, Flags, Floats, Ints, choose, happens, sigmoid
from feature_store.simulation.trust import Sites
from feature_store.vocabulary import ETHNIC_CATEGORIES

EMERGENCY, ELECTIVE, DAY_CASE, MATERNITY, CHILD = range(5)
KINDS: Final = ("emergency adult", "elective adult", "day case", "maternity", "emergency child")

_FIRST_KIND: Final = (0.702, 0.080, 0.110, 0.068, 0.040)
"""Kind of a person's first spell; emergencies come back, so their share of spells is higher."""

ETHNIC_CODES: Final = tuple(ETHNIC_CATEGORIES)
_AGE_RANGE: Final = np.array([(18, 102), (18, 102), (18, 102), (18, 46), (0, 16)], dtype=np.float64)
"""Least age and the one not reached, by kind."""

NOT_STATED, NOT_KNOWN = ETHNIC_CODES.index("Z"), ETHNIC_CODES.index("99")
# NW London, White / Mixed / Asian / Black / other, then shares within each (docs/simulator.md).
_ETHNIC_SHARES: Final = {
    "A": 0.285, "B": 0.045, "C": 0.130,
    "D": 0.014, "E": 0.010, "F": 0.012, "G": 0.014,
    "H": 0.160, "J": 0.050, "K": 0.018, "L": 0.082,
    "M": 0.032, "N": 0.042, "P": 0.011,
    "R": 0.015, "S": 0.080,
}  # fmt: skip
_INTERPRETER_SHARES: Final = {
    "A": 0.0, "B": 0.0, "C": 0.16, "H": 0.12, "J": 0.12, "K": 0.12, "L": 0.12, "R": 0.2, "S": 0.22,
}  # fmt: skip
"""At 50, more with age; the remaining groups 2 % [judgement]."""

_WHITE: Final = ("A", "B", "C")
_MIXED: Final = ("D", "E", "F", "G")
_DECILE_SHARES: Final = np.array([0.08, 0.14, 0.15, 0.14, 0.13, 0.11, 0.09, 0.07, 0.05, 0.04])


@dataclass(frozen=True, slots=True, eq=False)
class People(Columns):
    """One row a person, true values: what is recorded of them may be less.

    Parameters
    ----------
    kind : ndarray of int64, shape (n,)
        Of the first spell, index into ``KINDS``.
    home_site, female, age_years, ethnicity, stated, decile, interpreter, cfs, conditions, dementia,
    care_home, lives_alone, carer, care_package : ndarray, shape (n,)
        ``age_years`` at the start of the period; ``ethnicity`` indexes ``ETHNIC_CODES``, ``stated``
        is how it was recorded; ``cfs`` is the true Clinical Frailty Scale, 1 to 8; ``conditions``
        counts long-term conditions.
    planned : ndarray of int64
        Spells this person would have if time allowed.
    """

    kind: Ints
    home_site: Ints
    female: Flags
    age_years: Floats
    ethnicity: Ints
    stated: Ints
    decile: Ints
    interpreter: Flags
    cfs: Ints
    conditions: Ints
    dementia: Flags
    care_home: Flags
    lives_alone: Flags
    carer: Flags
    care_package: Flags
    planned: Ints


def meet_people(rng: Generator, count: int, sites: Sites) -> People:
    """Draw people, each attribute given those before it."""
    kind = choose(rng, _FIRST_KIND, count)
    home = choose(rng, sites.share, count)
    age = _ages(rng, kind, sites.older[home])
    female = (kind == MATERNITY) | happens(rng, 0.52, count)
    ethnicity = _ethnicities(rng, age, sites.white[home])
    decile = _deciles(rng, sites.deprived[home], age)
    cfs = _frailty(rng, age, decile, kind)
    conditions = rng.poisson(np.clip(0.25 + 0.035 * (age - 40) + 0.25 * (cfs - 3), 0.05, 6.0))
    dementia = happens(
        rng, np.where(age >= 60, sigmoid(-6.1 + 0.06 * (age - 60) + 0.55 * cfs), 0.0)
    )
    care_home = happens(
        rng,
        np.where((age >= 65) & (cfs >= 5), sigmoid(-3.0 + 0.5 * (cfs - 5) + 1.4 * dementia), 0.0),
    )
    alone = ~care_home & happens(rng, np.where(age >= 65, 0.30, np.where(age >= 30, 0.16, 0.05)))
    return People(
        kind=kind,
        home_site=home,
        female=female,
        age_years=age,
        ethnicity=ethnicity,
        stated=_stated(rng, ethnicity),
        decile=decile,
        interpreter=happens(rng, _interpreter_chance(ethnicity, age)),
        cfs=cfs,
        conditions=conditions,
        dementia=dementia,
        care_home=care_home,
        lives_alone=alone & (age >= 18),
        carer=~care_home & happens(rng, sigmoid(-2.6 + 0.45 * (cfs - 3) - 1.2 * alone)),
        care_package=~care_home & happens(rng, sigmoid(-4.4 + 0.75 * (cfs - 3))),
        planned=_planned_spells(rng, kind, cfs, conditions),
    )


def _ages(rng: Generator, kind: Ints, older: Floats) -> Floats:
    """Ages by kind; one outside the range of its kind is drawn again, flat, among the younger."""
    size = kind.size
    young = happens(rng, 0.30, size)
    emergency = np.where(young, rng.uniform(18, 56, size), rng.normal(75, 12, size)) + older
    elective, day_case = rng.normal(60, 15, size), rng.normal(58, 16, size)
    mother, child = rng.normal(31, 5.5, size), rng.uniform(0, 16, size)
    ages = np.choose(kind, [emergency, elective, day_case, mother, child])
    low, high = _AGE_RANGE[kind].T
    # Not clipped: no heap of patients at one age.
    return np.where((ages >= low) & (ages < high), ages, rng.uniform(low, (low + high) / 2))


def _ethnicities(rng: Generator, age: Floats, white: Floats) -> Ints:
    weights = np.tile(list(_ETHNIC_SHARES.values()), (age.size, 1))
    codes = np.array(list(_ETHNIC_SHARES))
    # Inpatients are older and so whiter than residents; the young are more often of mixed heritage.
    weights[:, np.isin(codes, _WHITE)] *= np.exp(white + 0.012 * (age - 45))[:, None]
    weights[:, np.isin(codes, _MIXED)] *= np.exp(-0.025 * (age - 45))[:, None]
    position = np.array([ETHNIC_CODES.index(code) for code in _ETHNIC_SHARES])
    codes_drawn: Ints = position[choose(rng, weights)]
    return codes_drawn


def _stated(rng: Generator, ethnicity: Ints) -> Ints:
    draw = rng.random(ethnicity.size)
    return np.where(draw < 0.115, NOT_STATED, np.where(draw < 0.145, NOT_KNOWN, ethnicity))


def _deciles(rng: Generator, deprived: Floats, age: Floats) -> Ints:
    steps = np.arange(10) - 4.5
    tilt = 0.006 * (age - 60) - deprived
    return choose(rng, _DECILE_SHARES * np.exp(tilt[:, None] * steps)) + 1


def _frailty(rng: Generator, age: Floats, decile: Ints, kind: Ints) -> Ints:
    planned = np.isin(kind, (ELECTIVE, DAY_CASE, MATERNITY))
    # The young are fit with few exceptions; the old differ widely.
    spread = np.interp(age, (35, 75), (0.4, 1.3)) * rng.normal(0, 1, age.size)
    mean = 3.4 + 0.055 * (age - 65) - 0.05 * (decile - 5) - 0.8 * planned
    return np.asarray(np.clip(np.rint(mean + spread), 1, 8), dtype=np.int64)


def _interpreter_chance(ethnicity: Ints, age: Floats) -> Floats:
    share = np.array([_INTERPRETER_SHARES.get(code, 0.02) for code in ETHNIC_CODES])
    by_age = 1.0 + 0.02 * (age - 50)
    return np.asarray(np.clip(share[ethnicity] * by_age, 0.0, 0.6), dtype=np.float64)


def _planned_spells(rng: Generator, kind: Ints, cfs: Ints, conditions: Ints) -> Ints:
    mean = np.where(kind == EMERGENCY, 0.30 + 0.05 * cfs + 0.08 * conditions, 0.12)
    again = rng.poisson(mean * rng.gamma(0.8, 1 / 0.8, kind.size))
    return np.minimum(1 + again, 8)
