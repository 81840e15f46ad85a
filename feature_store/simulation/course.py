"""The course of a stay: a Markov chain of one state a day, given the profile of the spell.

On each local day, in this order: die, leave alive, or stay past midnight and move to the state of
the next day (``states.py``). A patient without need of support leaves on the day of becoming ready
(pathway 0); one with need of support becomes ready, and then goes home the same day after all or
begins to wait. Whoever waits may fall ill again.

The same numbers drive the walk (``walk.py``) and the true chances (``truth.py``): there is one
definition of the course.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_store.simulation.chance import Floats, Ints, sigmoid
from feature_store.simulation.effects import Profile
from feature_store.simulation.states import ACUITY_LEVELS, ILL, RELAPSED

LAST_DAY: Final = 250
"""Nobody stays past this day (the generator of docs/simulator.md ends there)."""

RELAPSE: Final = 0.018
"""Chance a day of falling ill again while waiting: 23 % of long stayers deteriorate after being fit
(docs/simulator.md)."""

_KNOTS: Final = (
    (0, -1.61), (1, -0.74), (2, -0.77), (3, -0.90), (4, -0.96), (6, -0.93), (9, -0.75), (12, -0.59),
    (15, -0.49), (18, -0.48), (22, -0.57), (28, -0.73), (40, -0.92), (60, -1.18), (80, -1.36),
)  # fmt: skip
_READY_BY_DAY: Final = np.interp(np.arange(LAST_DAY + 1), *np.array(_KNOTS).T)
"""Log-odds of becoming ready on a day of stay, for the average emergency adult who is well. Fitted
so that the length-of-stay shape of docs/simulator.md comes out; a line between knots."""

_READY_BY_WEEKDAY: Final = np.array([0.05, 0.0, 0.0, 0.05, 0.15, -0.36, -0.40])
_WAIT_BY_WEEKDAY: Final = np.array([0.0, 0.05, 0.05, 0.05, 0.15, -1.0, -1.3])
"""Monday first: fewer leave at weekends, fewest of those who need a service outside."""

_READY_BY_ACUITY: Final = np.array([0.0, -1.0, -2.6, -4.5])
_READY_WITH_SUPPORT: Final = -0.6
_WAIT: Final = np.array([-0.95, -1.75, -2.2])
"""Log-odds of leaving on a day while waiting on pathway 1, 2, 3."""

_DEATH_BY_STATE: Final = np.array([0.0, 0.6, 1.7, 2.9, 0.2, 0.8, 1.9, 3.1, 0.1, 0.2, 0.2])
_IMPROVE: Final = np.array([-30.0, -0.25, -0.35, -0.55])
_WORSEN: Final = np.array([-3.9, -3.0, -2.6, -30.0])
"""By acuity; nobody is better than well or worse than critical."""

_SUPPORT_BY_DAY: Final = (2.2, 1.9, 1.1, 0.5)
"""Therapy is called in the first days, or later when a stay drags on; the last holds from there."""

LAST_THERAPY_HOUR: Final = 14.0
"""Starts after this hour are not seen by a therapist on day 0."""

EARLY_HOURS: Final = 4.0
"""Hours from the start within which ``EARLY_SHARE`` of all day-0 exits fall."""

EARLY_SHARE: Final = 0.25
NIGHT_SHARE: Final = 0.25
"""Share of a day's deaths that come before 06:00, day 0 apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """Chances of one day for n spells.

    Parameters
    ----------
    die : ndarray of float64, shape (n, STATES)
    leave : ndarray of float64, shape (n, STATES)
        Alive, given not dying.
    wait : ndarray of float64, shape (n, 4, 3)
        By acuity, of those in need of support: become ready and wait on pathway 1, 2, 3, given
        neither dying nor leaving.
    improve, worsen : ndarray of float64, shape (n, 4)
        By acuity, one level, for those who stay ill.
    support : ndarray of float64, shape (n,)
        Come to need support, for those who stay ill without.
    """

    die: Floats
    leave: Floats
    wait: Floats
    improve: Floats
    worsen: Floats
    support: Floats

    @property
    def exit(self) -> Floats:
        """Chance of leaving dead or alive; shape (n, STATES)."""
        return self.die + (1.0 - self.die) * self.leave


def chances(profile: Profile, day: int) -> Day:
    """Chances of day ``day`` of each spell, 0 being the day of admission."""
    weekday = (profile.weekday + day) % 7
    ready = sigmoid(_ready_log_odds(profile, day, weekday))
    going, waiting = _pathways(profile, ready[:, ACUITY_LEVELS:])
    delay = profile.delay - np.where(day >= profile.sooner_from, profile.sooner, 0.0)
    wait = sigmoid(_WAIT - delay[:, None] + _WAIT_BY_WEEKDAY[weekday][:, None])
    leave = np.concatenate([ready[:, :ACUITY_LEVELS], going, wait], axis=1)
    if day == 0:
        leave[profile.same_day] = 1.0
    if day >= LAST_DAY:
        leave[:] = 1.0
    die = sigmoid(profile.death[:, None] + _DEATH_BY_STATE)
    return Day(
        die=np.where(profile.same_day[:, None], 0.0, die),
        leave=leave,
        wait=waiting,
        improve=sigmoid(_IMPROVE - profile.frail[:, None]),
        worsen=sigmoid(_WORSEN + 0.5 * profile.frail[:, None]),
        support=_needing_support(profile, day),
    )


def _needing_support(profile: Profile, day: int) -> Floats:
    chance = sigmoid(profile.support + _SUPPORT_BY_DAY[min(day, len(_SUPPORT_BY_DAY) - 1)])
    # Therapists see nobody at night: whoever comes after LAST_THERAPY_HOUR waits for the morning.
    return np.where(profile.hour >= LAST_THERAPY_HOUR, 0.0, chance) if day == 0 else chance


def _ready_log_odds(profile: Profile, day: int, weekday: Ints) -> Floats:
    level = _READY_BY_DAY[day] - profile.slow + _READY_BY_WEEKDAY[weekday]
    if day == 0:
        # Fewer hours of the day are left for whoever comes late.
        level = level + 1.2 * np.log(np.maximum(24.0 - profile.hour, 0.1) / 12.0)
    by_state = np.concatenate([_READY_BY_ACUITY, _READY_BY_ACUITY + _READY_WITH_SUPPORT])
    return np.asarray(level[:, None] + by_state, dtype=np.float64)


def _pathways(profile: Profile, ready: Floats) -> tuple[Floats, Floats]:
    """Leave at once, or wait on a pathway given not leaving, of those in need of support."""
    at_once, pathway_1 = profile.pathway_0, np.zeros_like(profile.pathway_0)
    odds = np.exp(np.column_stack([at_once, pathway_1, profile.pathway_2, profile.pathway_3]))
    share = odds / odds.sum(axis=1, keepdims=True)
    going = ready * share[:, :1]
    waiting = ready[:, :, None] * share[:, None, 1:] / (1.0 - going)[:, :, None]
    return going, waiting


def expected(day: Day, value: Floats) -> Floats:
    """Mean of next day's value over where a patient who stays may be; shape (n, STATES)."""
    after = np.empty_like(value)
    plain, supported, waiting = np.split(value, (ACUITY_LEVELS, ILL), axis=1)
    support = day.support[:, None]
    supported_next = _drift(day, supported)
    after[:, :ACUITY_LEVELS] = (1.0 - support) * _drift(day, plain) + support * supported_next
    starting = np.einsum("nap,np->na", day.wait, waiting)
    after[:, ACUITY_LEVELS:ILL] = (1.0 - day.wait.sum(axis=2)) * supported_next + starting
    after[:, ILL:] = (1.0 - RELAPSE) * waiting + RELAPSE * value[:, [RELAPSED]]
    return after


def _drift(day: Day, value: Floats) -> Floats:
    after = (1.0 - day.improve - day.worsen) * value
    after[:, 1:] += day.improve[:, 1:] * value[:, :-1]
    after[:, :-1] += day.worsen[:, :-1] * value[:, 1:]
    return after
