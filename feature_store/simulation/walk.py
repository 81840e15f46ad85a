"""Walk every spell through its course, a day at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from feature_store.simulation.chance import Columns, Flags, Floats, Ints
from feature_store.simulation.course import LAST_DAY, RELAPSE, Day, chances
from feature_store.simulation.effects import Profile
from feature_store.simulation.states import ACUITY_LEVELS, GONE, ILL, RELAPSED, needs_support


@dataclass(frozen=True, slots=True, eq=False)
class Stays(Columns):
    """What came of each spell, whether or not the data reach so far.

    Parameters
    ----------
    length_of_stay_days : ndarray of int64, shape (n,)
    died : ndarray of bool, shape (n,)
    state : ndarray of int8, shape (n, LAST_DAY + 1)
        State on each day of stay, ``GONE`` after the last.
    """

    length_of_stay_days: Ints
    died: Flags
    state: NDArray[np.int8]


def walk(rng: Generator, profile: Profile, acuity: Ints) -> Stays:
    """Draw the course of each spell from its acuity on day 0."""
    size = acuity.size
    states = np.full((size, LAST_DAY + 1), GONE, np.int8)
    length, died = np.zeros(size, np.int64), np.zeros(size, bool)
    here, state = np.arange(size), acuity
    for day in range(LAST_DAY + 1):
        states[here, day] = state
        today = chances(profile.take(here), day)
        draw = rng.random((3, here.size))
        row = np.arange(here.size)
        die, out = today.die[row, state], today.exit[row, state]
        leaving = draw[0] < out
        length[here[leaving]] = day
        died[here[leaving]] = draw[0][leaving] < die[leaving]
        state = _next_state(today, state, draw[1], draw[2])[~leaving]
        here = here[~leaving]
        if not here.size:
            break
    return Stays(length, died, states)


def _next_state(day: Day, state: Ints, where: Floats, drift: Floats) -> Ints:
    """State of the next day, from two uniform draws a spell; the mirror of ``course.expected``."""
    row = np.arange(state.size)
    acuity = state % ACUITY_LEVELS
    up, down = day.worsen[row, acuity], day.improve[row, acuity]
    level = acuity + (drift < up) - ((drift >= up) & (drift < up + down))
    edges = np.cumsum(day.wait[row, acuity], axis=1)
    pathway = (where[:, None] >= edges).sum(axis=1)
    supported = np.where(pathway < edges.shape[1], ILL + pathway, level + ACUITY_LEVELS)
    plain = level + ACUITY_LEVELS * (where < day.support)
    ill = np.where(needs_support(state), supported, plain)
    return np.where(state >= ILL, np.where(where < RELAPSE, RELAPSED, state), ill)
