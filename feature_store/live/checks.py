"""What a batch of events must be before any of it is kept: all of it is, or none."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import DAY, SECOND
from feature_store.errors import BadEvents
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.spells import EARLIEST_STAY
from feature_store.vocabulary import SPELL_END, SPELL_START, limits_of

EARLIEST: Final = -70 * 365 * DAY - 17 * DAY
"""1900-01-01: of the living, nothing was recorded before."""

CLOCKS_DIFFER: Final = 600 * SECOND
"""How far the clock of a sender may be ahead of ours."""

PLANNED_AHEAD: Final = 400 * DAY
"""How far ahead a planned fact may lie (an expected discharge, a booked visit)."""

LONGEST_CODE: Final = 256

Mask = NDArray[np.bool_]


def check_events(events: Events, *, received_at: int) -> None:
    """Refuse a batch with an event that cannot be a fact.

    Unknown families are data. Values of known families must be of their value set and plausible
    range, as for a mapping file.

    Parameters
    ----------
    events : Events
    received_at : int
        Now, UTC microseconds.

    Raises
    ------
    BadEvents
        Which events of the batch (counted from 0), and what was expected; never a value.
    """
    faults = {
        f"{what} expected": tuple(np.flatnonzero(mask).tolist())
        for what, mask in _faults(events, received_at).items()
        if mask.any()
    }
    if faults:
        raise BadEvents(faults)


def _faults(events: Events, now: int) -> dict[str, Mask]:
    timed = events.time != NO_TIME
    known = events.recorded_at != NO_TIME
    marks = events.rows_of(SPELL_START, SPELL_END)
    value = events.numeric_value
    limits = np.array([limits_of(code) for code in events.codes]).reshape(-1, 2)
    low, high = limits[events.code].T
    codes = np.array([_is_code(code) for code in events.codes], bool)
    return {
        f"a code of 1 to {LONGEST_CODE} printable characters": ~codes[events.code],
        "a subject and a spell from 0 to 2**63 - 1": (events.subject_id < 0)
        | ((events.spell_id < 0) & (events.spell_id != NO_SPELL)),
        "a time from 1900 to 400 days ahead": timed
        & ((events.time < EARLIEST) | (events.time > now + PLANNED_AHEAD)),
        "a time of recording from 1900 to now": known
        & (events.recorded_at > now + CLOCKS_DIFFER)
        & ~(timed & (events.recorded_at == events.time))  # not said: a planned fact's own time
        | (known & (events.recorded_at < EARLIEST)),
        f"a time and a spell for every {SPELL_START} and {SPELL_END}": marks
        & (~timed | (events.spell_id == NO_SPELL)),
        f"a time from 1990 on for every {SPELL_START} and {SPELL_END}": marks
        & timed
        & (events.time < EARLIEST_STAY),
        "a finite number, or none": np.isinf(value),
        "a value of its family's value set and range": (value < low)
        | (value > high)
        | (low > high),
    }


def _is_code(code: str) -> bool:
    return 0 < len(code) <= LONGEST_CODE and code.isprintable()
