"""Spells found in events: when each began, when and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import DAY, midnights_between
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, Events, Int64
from feature_store.vocabulary import DEATH, SPELL_END, SPELL_START

STILL_HERE: Final = int(np.iinfo(np.int64).max)
"""End of a spell that has not ended in the data: censored, not short."""

EARLIEST_STAY: Final = 20 * 365 * DAY
"""About 1990, UTC microseconds: no stay that a feed tells of is older; a clock at its zero is."""


@dataclass(frozen=True, slots=True, eq=False)
class Spells:
    """Hospital provider spells, ordered by ``spell_id``.

    Parameters
    ----------
    spell_id, subject_id, start, end : ndarray of int64, shape (n,)
        ``end`` is ``STILL_HERE`` while there is none.
    died : ndarray of bool, shape (n,)
        Whether the spell ended by death in hospital.
    """

    spell_id: Int64
    subject_id: Int64
    start: Int64
    end: Int64
    died: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return how many spells there are."""
        return int(self.spell_id.size)

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Whether each spell has ended in the data."""
        return np.not_equal(self.end, STILL_HERE)

    @property
    def length_of_stay_days(self) -> Int64:
        """Local midnights between admission and discharge; -1 while still in hospital."""
        end = np.where(self.ended, self.end, self.start)
        return np.where(self.ended, midnights_between(self.start, end), -1)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Spells:
        """Return the spells at these rows."""
        return Spells(
            self.spell_id[rows],
            self.subject_id[rows],
            self.start[rows],
            self.end[rows],
            self.died[rows],
        )


def find_spells(events: Events) -> Spells:
    """Spells that open with ``SPELL_START``; the last ``SPELL_END`` of a spell closes it.

    Raises
    ------
    BadInput
        A spell with two starts, an end without a start, or an end before its start.
    """
    starts = events.take(events.rows_of(SPELL_START) & (events.spell_id != NO_SPELL))
    order = np.argsort(starts.spell_id, kind="stable")
    spell_id, subject_id, start = (
        starts.spell_id[order],
        starts.subject_id[order],
        starts.time[order],
    )
    if (spell_id[1:] == spell_id[:-1]).any():
        msg = f"events: one {SPELL_START} a spell expected, found spells with two"
        raise BadInput(msg)
    end = np.full(spell_id.size, STILL_HERE, np.int64)
    died = np.zeros(spell_id.size, bool)
    _mark_ends(events, spell_id, end)
    deaths = events.spell_id[events.rows_of(DEATH) & (events.spell_id != NO_SPELL)]
    died[_positions(spell_id, deaths)] = True
    if (end < start).any():
        msg = (
            f"events: {SPELL_END} after {SPELL_START} expected, "
            "found spells that end before they start"
        )
        raise BadInput(msg)
    return Spells(spell_id, subject_id, start, end, died & (end != STILL_HERE))


def _mark_ends(events: Events, spell_id: Int64, end: Int64) -> None:
    ends = events.take(events.rows_of(SPELL_END) & (events.spell_id != NO_SPELL))
    order = np.argsort(ends.time, kind="stable")
    end[_positions(spell_id, ends.spell_id[order])] = ends.time[order]


def _positions(spell_id: Int64, wanted: Int64) -> NDArray[np.intp]:
    """Rows of these spells; events of a spell that never started are not a spell."""
    position = np.searchsorted(spell_id, wanted)
    inside = position < spell_id.size
    found = np.zeros(wanted.size, bool)
    found[inside] = spell_id[position[inside]] == wanted[inside]
    if not found.all():
        msg = f"events: {SPELL_END} or discharge facts of a spell without {SPELL_START}"
        raise BadInput(msg)
    return position
