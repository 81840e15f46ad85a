"""Second reading: every fact of every table, batch by batch, joined to its spell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.ingest.facts import Batch, FactReader, Found, columns_of
from feature_store.ingest.placing import place
from feature_store.ingest.reading import read_rows
from feature_store.vocabulary import DEATH, SPELL_END, SPELL_START

if TYPE_CHECKING:
    from feature_store.events import Int64
    from feature_store.ingest.codes import CodeBook
    from feature_store.ingest.keys import KeyReader
    from feature_store.ingest.mapping import Mapping
    from feature_store.ingest.partitions import Partitions
    from feature_store.ingest.sources import Source
    from feature_store.ingest.spell_index import SpellIndex

Progress = Callable[[str], None]
"""Told in a few words what has been done so far."""

_SPELLS_AT_A_TIME: Final = 1 << 18


def table_columns(mapping: Mapping, name: str) -> list[str]:
    """Columns that a run reads of a table: its keys, and those of its facts."""
    table = mapping.table[name]
    columns = [column for column in (table.subject, table.spell) if column]
    if name == mapping.spells.table:
        columns += _spell_columns(mapping)
    for fact in mapping.fact.values():
        columns += columns_of(mapping, fact) if fact.table == name else []
    return list(dict.fromkeys(columns))


def _spell_columns(mapping: Mapping) -> list[str]:
    spells = mapping.spells
    times = [mapping.moment(time) for time in (spells.start, spells.end) if time is not None]
    names = [name for time in times for name in time.columns]
    names += [spells.days, spells.order, spells.died.column if spells.died else ""]
    return [name for name in names if name]


@dataclass(slots=True)
class TableReader:
    """Reads tables into partitions, and counts.

    Parameters
    ----------
    facts : FactReader
    keys : KeyReader
    partitions : Partitions
    progress : callable
    """

    facts: FactReader
    keys: KeyReader
    partitions: Partitions
    progress: Progress
    source_rows: int = 0
    unused_rows: int = 0

    def read(self, sources: Sequence[Source]) -> Int64:
        """Read the files of one table; return the spells of its bad rows."""
        bad_spells = [np.zeros(0, np.int64)]
        for source in sources:
            for batch in self._batches(source):
                bad_spells.append(batch.placed.spell_id[batch.bad])
                self.progress(f"{source.name}: {self.source_rows:,} rows")
        return np.unique(np.concatenate(bad_spells))

    def _batches(self, source: Source) -> Iterator[Batch]:
        mapping, faults = self.facts.mapping, self.facts.faults
        facts = [fact for fact in mapping.fact.values() if fact.table == source.name]
        columns = table_columns(mapping, source.name)
        of_spells = source.name == mapping.spells.table
        for rows in read_rows(source, columns, missing=mapping.missing, faults=faults):
            self.source_rows += len(rows)
            placed = place(
                rows, source.table, self.facts.index, self.keys, faults, of_spells=of_spells
            )
            batch = Batch(rows.take(~placed.dropped), placed.kept(), placed.bad[~placed.dropped])
            found = [events for fact in facts for events in self.facts.find(fact, batch)]
            used = self.partitions.add(found, batch.bad)
            self.unused_rows += 0 if of_spells else len(rows) - used - int(batch.bad.sum())
            yield batch


def spell_events(index: SpellIndex, codes: CodeBook) -> Iterator[list[Found]]:
    """Start, end with length of stay, and death of each spell, some spells at a time."""
    start_code, end_code, death_code = (
        codes.number(code) for code in (SPELL_START, SPELL_END, DEATH)
    )
    days = index.length_of_stay_days
    for first in range(0, len(index), _SPELLS_AT_A_TIME):
        rows = np.arange(first, min(first + _SPELLS_AT_A_TIME, len(index)))
        ended = rows[index.ended[rows]]
        dead = ended[index.died[ended]]
        nothing = np.full(rows.size, np.nan)
        yield [
            _found(index, rows, index.start, start_code, nothing),
            _found(index, ended, index.end, end_code, days[ended]),
            _found(index, dead, index.end, death_code, nothing[: dead.size]),
        ]


def _found(index: SpellIndex, rows: Int64, time: Int64, code: int, value: Int64) -> Found:
    return Found(
        row=np.zeros(rows.size, np.int64),
        subject_id=index.subject_id[rows],
        spell_id=index.spell_id[rows],
        time=time[rows],
        recorded_at=time[rows],
        code=np.full(rows.size, code, np.int32),
        numeric_value=value.astype(np.float32),
    )
