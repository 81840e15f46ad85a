"""The states of a day in hospital, as numbers, and how to read them.

0-3: acuity 0 (well) to 3 (critical), no need of support to leave. 4-7: the same acuity, with need
of support. 8-10: ready to leave and waiting on pathway 1, 2 or 3.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.simulation.chance import Flags, Ints

ACUITY_LEVELS: Final = 4
ILL: Final = 2 * ACUITY_LEVELS
"""States below this one are not ready to leave."""

STATES: Final = ILL + 3
RELAPSED: Final = ACUITY_LEVELS + 2
"""Where a relapse leads: ill again, with need of support."""

GONE: Final = -1
"""In a table of days: no longer in hospital."""

States = NDArray[np.signedinteger[Any]]


def acuity_of(state: States) -> Ints:
    """Acuity; 0 for whoever is ready to leave.

    >>> acuity_of(np.array([3, 6, 9])).tolist()
    [3, 2, 0]
    """
    return np.where(state >= ILL, 0, state % ACUITY_LEVELS).astype(np.int64)


def needs_support(state: States) -> Flags:
    """Whether support is needed to leave.

    >>> needs_support(np.array([3, 6, 9])).tolist()
    [False, True, True]
    """
    return state >= ACUITY_LEVELS


def is_waiting(state: States) -> Flags:
    """Whether ready to leave and waiting.

    >>> is_waiting(np.array([3, 6, 9])).tolist()
    [False, False, True]
    """
    return state >= ILL


def pathway_of(state: States) -> Ints:
    """Discharge pathway waited for; 0 for whoever is not waiting.

    >>> pathway_of(np.array([3, 6, 9])).tolist()
    [0, 0, 2]
    """
    return np.where(state >= ILL, state - ILL + 1, 0).astype(np.int64)


def starts_of_waiting(table: States) -> tuple[Ints, Ints, Ints]:
    """Row, day and pathway of each change into waiting.

    Parameters
    ----------
    table : ndarray of shape (n, days)
        State by day; nobody waits on day 0.
    """
    row, before = np.nonzero(is_waiting(table[:, 1:]) & ~is_waiting(table[:, :-1]))
    day = before.astype(np.int64) + 1
    return row.astype(np.int64), day, pathway_of(table[row, day])


def starts_of_relapse(table: States) -> tuple[Ints, Ints]:
    """Row and day of each change from waiting back to ill; ``table`` as above."""
    after = table[:, 1:]
    row, before = np.nonzero(is_waiting(table[:, :-1]) & ~is_waiting(after) & (after != GONE))
    return row.astype(np.int64), before.astype(np.int64) + 1
