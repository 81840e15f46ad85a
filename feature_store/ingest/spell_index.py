"""The spells of an extract, in memory: what every other table is joined to.

About 50 bytes a spell; nothing else of an extract is held whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from feature_store.clock import SECOND, midnights_between
from feature_store.events import NO_SPELL, Int64
from feature_store.ingest.rows import Mask
from feature_store.spells import STILL_HERE

NOWHERE = -1
"""Position of a spell that is not in the index."""


@dataclass(frozen=True, eq=False)
class SpellIndex:
    """Spells in ascending order of ``spell_id``, each once.

    Parameters
    ----------
    spell_id, subject_id, start, end : ndarray of int64, shape (n,)
        UTC microseconds; ``end`` is ``STILL_HERE`` while the spell is open.
    died : ndarray of bool, shape (n,)
    rejected : ndarray of int64
        Keys of spells that were found and cannot be used, ascending.
    """

    spell_id: Int64
    subject_id: Int64
    start: Int64
    end: Int64
    died: Mask
    rejected: Int64

    def __len__(self) -> int:
        """Return how many spells there are."""
        return int(self.spell_id.size)

    @property
    def ended(self) -> Mask:
        """Whether each spell has ended."""
        return np.not_equal(self.end, STILL_HERE)

    @property
    def length_of_stay_days(self) -> Int64:
        """Midnights between start and end; 0 where there is no end."""
        return midnights_between(self.start, np.where(self.ended, self.end, self.start))

    def find(self, spell_id: Int64) -> Int64:
        """Position of each spell, ``NOWHERE`` where there is none."""
        if not len(self):
            return np.full(spell_id.size, NOWHERE, np.int64)
        position = np.minimum(np.searchsorted(self.spell_id, spell_id), len(self) - 1)
        return np.where(self.spell_id[position] == spell_id, position, NOWHERE)

    def was_rejected(self, spell_id: Int64) -> Mask:
        """Whether each key is of a spell that cannot be used."""
        return np.isin(spell_id, self.rejected)

    def without(self, spell_id: Int64) -> SpellIndex:
        """Return the index without these spells, which become rejected ones."""
        keep = ~np.isin(self.spell_id, spell_id)
        return SpellIndex(
            self.spell_id[keep],
            self.subject_id[keep],
            self.start[keep],
            self.end[keep],
            self.died[keep],
            rejected=np.union1d(self.rejected, spell_id),
        )

    @cached_property
    def _by_subject(self) -> Int64:
        """Positions by subject, then start."""
        return np.lexsort((self.spell_id, self.start, self.subject_id)).astype(np.int64)

    @cached_property
    def subjects(self) -> Int64:
        """Subjects that have a spell, ascending."""
        return np.unique(self.subject_id)

    def spells_of(self, subject_id: Int64) -> tuple[Int64, Int64]:
        """Every spell of each of these subjects.

        Returns
        -------
        row : ndarray of int64, shape (m,)
            Which of the given subjects.
        position : ndarray of int64, shape (m,)
            Of the spell in the index.
        """
        ordered = self.subject_id[self._by_subject]
        first = np.searchsorted(ordered, subject_id, side="left")
        count = np.searchsorted(ordered, subject_id, side="right") - first
        row = np.repeat(np.arange(subject_id.size, dtype=np.int64), count)
        step = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
        return row, self._by_subject[first[row] + step]

    def spell_at(self, subject_id: Int64, time: Int64) -> Int64:
        """Spell of the subject that holds a moment, ends included; ``NO_SPELL`` where none does.

        Of overlapping spells the one that began last.
        """
        if not len(self):
            return np.full(subject_id.size, NO_SPELL, np.int64)
        begun = (
            np.searchsorted(
                self._moments(self.subject_id, self.start)[self._by_subject],
                self._moments(subject_id, time),
                side="right",
            )
            - 1
        )
        position = self._by_subject[np.maximum(begun, 0)]
        inside = (
            (begun >= 0)
            & (self.subject_id[position] == subject_id)
            & (self.start[position] <= time)
            & (time <= self.end[position])
        )
        return np.where(inside, self.spell_id[position], NO_SPELL)

    def _moments(self, subject_id: Int64, time: Int64) -> Int64:
        """One ascending number for (subject, second): no subject's seconds reach the next's."""
        seconds = np.clip(time // SECOND, -(1 << 38), (1 << 38) - 1) + (1 << 38)
        return np.searchsorted(self.subjects, subject_id) * (1 << 39) + seconds
