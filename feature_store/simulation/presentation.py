"""How patients are when they come: acuity, frailty as seen by a rater, first bloods, delirium."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from feature_store.simulation import problems
from feature_store.simulation.arrivals import Arrivals
from feature_store.simulation.chance import Columns, Flags, Floats, Ints, choose, happens, sigmoid
from feature_store.simulation.people import CHILD, EMERGENCY, People
from feature_store.simulation.states import ACUITY_LEVELS

_ACUITY_SHARES: Final = (0.705, 0.205, 0.069, 0.021)


@dataclass(frozen=True, slots=True, eq=False)
class Presentation(Columns):
    """One row a spell: what the first hours would show if everything were measured.

    Parameters
    ----------
    acuity : ndarray of int64, shape (n,)
        On day 0, below ``ACUITY_LEVELS``.
    delirium, needs_help : ndarray of bool
        ``needs_help``: to walk, on arrival.
    four_at, waterlow : ndarray of float64
        Points.
    albumin, urea, creatinine, sodium, haemoglobin, lactate : ndarray of float64
        In the units of the vocabulary.
    """

    acuity: Ints
    delirium: Flags
    needs_help: Flags
    four_at: Floats
    waterlow: Floats
    albumin: Floats
    urea: Floats
    creatinine: Floats
    sodium: Floats
    haemoglobin: Floats
    lactate: Floats


def examine(rng: Generator, arrivals: Arrivals, people: People) -> Presentation:
    """Draw the state of each patient on arrival."""
    who = people.take(arrivals.person)
    size = arrivals.person.size
    age, cfs = arrivals.age_years, who.cfs
    acuity = _acuity(rng, arrivals, cfs)
    confused = problems.is_one_of("confusion")[arrivals.problem]
    emergency = np.isin(arrivals.kind, (EMERGENCY, CHILD))
    delirium = happens(
        rng,
        np.where(
            (age >= 65) & emergency,
            sigmoid(-3.1 + 0.3 * (cfs - 4) + 1.3 * who.dementia + 2.0 * confused + 0.4 * acuity),
            0.0,
        ),
    )
    support = problems.column("support")[arrivals.problem]
    needs_help = happens(
        rng, sigmoid(-4.6 + 0.8 * (cfs - 3) + 0.8 * support + 0.02 * np.maximum(age - 60, 0))
    )
    urea = np.exp(rng.normal(1.62 + 0.011 * (age - 50) + 0.12 * acuity, 0.36, size))
    noise = rng.normal(0, 1, (size, 4))
    return Presentation(
        acuity=acuity,
        delirium=delirium,
        needs_help=needs_help,
        four_at=np.where(
            delirium,
            rng.integers(4, 11, size),
            np.minimum(rng.poisson(0.3 + 1.2 * who.dementia), 3.0),
        ),
        waterlow=np.clip(
            np.rint(5 + 0.09 * age + 1.1 * (cfs - 3) + 3 * needs_help + 2.5 * noise[:, 3]), 2, 40
        ),
        albumin=np.clip(
            40.0 - 1.0 * (cfs - 3) - 1.6 * acuity - 0.03 * (age - 50) + 3.6 * noise[:, 0], 14, 52
        ),
        urea=np.clip(urea, 1.0, 60.0),
        creatinine=np.clip(
            np.exp(3.75 + 0.42 * np.log(urea) + rng.normal(0, 0.22, size)), 25, 1200
        ),
        sodium=np.clip(rng.normal(137.5, 4.2, size), 112, 158),
        haemoglobin=np.clip(
            134 - 7.0 * who.female - 0.22 * (age - 50) - 1.8 * who.conditions + 15 * noise[:, 1],
            55,
            190,
        ),
        lactate=np.clip(np.exp(0.15 + 0.28 * acuity + 0.38 * noise[:, 2]), 0.4, 18.0),
    )


def _acuity(rng: Generator, arrivals: Arrivals, cfs: Ints) -> Ints:
    sick = problems.column("sick")[arrivals.problem] + 0.1 * (cfs - 4) + 0.5 * arrivals.ambulance
    # Evening arrivals are a little sicker: those who could wait came in the morning.
    sick = sick + 0.02 * (arrivals.hour - 14) * np.isin(arrivals.kind, (EMERGENCY, CHILD))
    steps = np.arange(ACUITY_LEVELS)
    return choose(rng, np.array(_ACUITY_SHARES) * np.exp((sick - 0.25)[:, None] * steps))
