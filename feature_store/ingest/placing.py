"""Which patient and which spell each row of a table is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.events import NO_SPELL, NO_TIME
from feature_store.ingest.faults import ITS_SPELL, Fault
from feature_store.ingest.spell_index import NOWHERE
from feature_store.spells import STILL_HERE

if TYPE_CHECKING:
    from feature_store.events import Int64
    from feature_store.ingest.faults import Faults
    from feature_store.ingest.keys import KeyReader
    from feature_store.ingest.mapping import Table
    from feature_store.ingest.rows import Mask, Rows
    from feature_store.ingest.spell_index import SpellIndex


@dataclass(frozen=True, slots=True)
class Placed:
    """What rows are about.

    Parameters
    ----------
    subject_id, spell_id : ndarray of int64, shape (n,)
        ``spell_id`` is ``NO_SPELL`` where the table has only the patient's key.
    start, end : ndarray of int64, shape (n,)
        Of the spell; ``NO_TIME`` and ``STILL_HERE`` where there is none.
    by_spell : bool
        Whether the table has the spell's key.
    bad : ndarray of bool, shape (n,)
        Rows about nothing that can be used.
    dropped : ndarray of bool, shape (n,)
        Rows of other spells, which the mapping says to leave out.
    """

    subject_id: Int64
    spell_id: Int64
    start: Int64
    end: Int64
    bad: Mask
    dropped: Mask
    by_spell: bool

    def kept(self) -> Placed:
        """Return what the rows that are not dropped are about."""
        keep = ~self.dropped
        return Placed(
            self.subject_id[keep],
            self.spell_id[keep],
            self.start[keep],
            self.end[keep],
            self.bad[keep],
            self.dropped[keep],
            by_spell=self.by_spell,
        )


def place(
    rows: Rows,
    table: Table,
    index: SpellIndex,
    keys: KeyReader,
    faults: Faults,
    *,
    of_spells: bool,
) -> Placed:
    """Join rows to spells by the spell's key, or to patients by theirs.

    Rows of a rejected spell become faults of their own kind: they go where the spell goes. In the
    table of spells (``of_spells``) all that was said at the first reading.
    """
    if not table.spell:
        return _by_subject(rows, table, keys, faults)
    spell_id, bad = keys.read(rows, table.spell, "spell", faults)
    position = index.find(spell_id)
    absent = (position == NOWHERE) & ~bad
    dropped = np.zeros(len(rows), dtype=bool)
    if not of_spells:
        rejected = absent & index.was_rejected(spell_id)
        faults.add(Fault(rows.file, "", "", ITS_SPELL), rows.numbers[rejected])
        dropped = absent & ~rejected & (table.unknown_spell == "drop")
        unknown = Fault(rows.file, table.spell, "a spell of the table of spells", "another key")
        faults.add(unknown, rows.numbers[absent & ~rejected & ~dropped])
    bad = bad | absent
    subject_id, start, end = _columns(index, np.maximum(position, 0))
    if table.subject and not of_spells:
        bad |= _another_subject(rows, table, np.where(bad, NO_SPELL, subject_id), keys, faults)
    return Placed(subject_id, spell_id, start, end, bad, dropped, by_spell=True)


def _by_subject(rows: Rows, table: Table, keys: KeyReader, faults: Faults) -> Placed:
    subject_id, bad = keys.read(rows, table.subject, "subject", faults)
    none = np.full(len(rows), NO_SPELL, np.int64)
    start = np.full(len(rows), NO_TIME, np.int64)
    end = np.full(len(rows), STILL_HERE, np.int64)
    dropped = np.zeros(len(rows), dtype=bool)
    return Placed(subject_id, none, start, end, bad, dropped, by_spell=False)


def _columns(index: SpellIndex, row: Int64) -> tuple[Int64, Int64, Int64]:
    if not len(index):
        none = np.zeros(row.size, np.int64)
        return none, none, none
    return index.subject_id[row], index.start[row], index.end[row]


def _another_subject(
    rows: Rows, table: Table, subject_id: Int64, keys: KeyReader, faults: Faults
) -> Mask:
    said, bad = keys.read(rows, table.subject, "subject", faults)
    differs = (said != subject_id) & (subject_id != NO_SPELL) & ~bad
    faults.add(
        Fault(rows.file, table.subject, "the subject key of the spell", "another one"),
        rows.numbers[differs],
    )
    wrong: Mask = bad | differs
    return wrong
