"""One kind of fact over some rows: cells in, events out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.ingest.cells import cell_texts, numbers_of, values_of, wanted_rows
from feature_store.ingest.codes import joined
from feature_store.ingest.faults import Fault
from feature_store.ingest.mapping import CELL, COLUMN
from feature_store.ingest.rows import is_null
from feature_store.ingest.timing import is_mark, time_facts
from feature_store.vocabulary import SEPARATOR, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from feature_store.events import Int64
    from feature_store.ingest.codes import CodeBook, Describe
    from feature_store.ingest.faults import Faults
    from feature_store.ingest.mapping import Fact, Mapping, Time
    from feature_store.ingest.placing import Placed
    from feature_store.ingest.rows import Mask, Rows
    from feature_store.ingest.spell_index import SpellIndex
    from feature_store.ingest.times import Moments, TimeReader


@dataclass(frozen=True, slots=True)
class Found:
    """Events found in a batch of rows.

    Parameters
    ----------
    row, subject_id, spell_id, time, recorded_at : ndarray of int64, shape (n,)
        ``row``: which of the rows.
    code : ndarray of int32, shape (n,)
        Number in the run's code book.
    numeric_value : ndarray of float32, shape (n,)
    """

    row: Int64
    subject_id: Int64
    spell_id: Int64
    time: Int64
    recorded_at: Int64
    code: NDArray[np.int32]
    numeric_value: NDArray[np.float32]


@dataclass(slots=True)
class Batch:
    """Rows of a table, what they are about, and what was found wrong with them.

    Parameters
    ----------
    rows : Rows
    placed : Placed
    bad : ndarray of bool, shape (n,)
    """

    rows: Rows
    placed: Placed
    bad: Mask
    _moments: dict[tuple[str, ...], Moments] = field(default_factory=dict)

    def moments(self, time: Time, reader: TimeReader, faults: Faults) -> Moments:
        """Moments of a column; read, and found at fault, once however many facts ask."""
        key = (*time.columns, time.format)
        if key not in self._moments:
            self._moments[key] = reader.read(self.rows, time, faults)
            self.bad |= self._moments[key].bad
        return self._moments[key]


@dataclass(frozen=True, slots=True)
class FactReader:
    """Reads facts by the rules of a mapping.

    Parameters
    ----------
    mapping : Mapping
    index : SpellIndex
    times : TimeReader
    codes : CodeBook
    faults : Faults
    """

    mapping: Mapping
    index: SpellIndex
    times: TimeReader
    codes: CodeBook
    faults: Faults

    def find(self, fact: Fact, batch: Batch) -> Iterator[Found]:
        """Events of one kind of fact, and of its group, in a batch.

        Bad cells become faults and mark the batch; whoever collects events leaves out those of
        bad rows once all facts have been read.
        """
        wanted = wanted_rows(fact, batch.rows)
        happened = self._moments(batch, fact.time)
        recorded = self._moments(batch, fact.recorded or None)
        for column in fact.columns or [""]:
            texts, present = self._codes(fact, column, batch, wanted)
            numeric, present = self._number(fact, column, batch, wanted=wanted, present=present)
            for moments in (happened, recorded):
                if moments is not None:
                    present &= self._with_time(fact, batch, moments, present)
            timed = time_facts(
                self.mapping,
                fact,
                np.flatnonzero(present & ~batch.bad),
                placed=batch.placed,
                index=self.index,
                happened=happened,
                recorded=recorded,
            )
            for text in texts:
                yield Found(
                    row=timed.row,
                    subject_id=timed.subject_id,
                    spell_id=timed.spell_id,
                    time=timed.time,
                    recorded_at=timed.recorded_at,
                    code=self.codes.numbers(text.take(pa.array(timed.row)), _describe(fact)),
                    numeric_value=numeric[timed.row].astype(np.float32),
                )

    def _moments(self, batch: Batch, time: str | Time | None) -> Moments | None:
        if time is None:
            return None
        return batch.moments(self.mapping.moment(time), self.times, self.faults)

    def _with_time(self, fact: Fact, batch: Batch, moments: Moments, present: Mask) -> Mask:
        """Where there is a time; its absence beside a present fact is a fault, unless dropped."""
        missing = present & moments.missing
        if fact.no_time == "bad" and not is_mark(fact):
            rows = batch.rows
            fault = Fault(rows.file, "", f"a time of {fact.family}", "nothing")
            self.faults.add(fault, rows.numbers[missing])
            batch.bad |= missing
        return ~moments.missing

    def _codes(
        self, fact: Fact, column: str, batch: Batch, wanted: Mask
    ) -> tuple[list[pa.Array], Mask]:
        """Code, and code of the group, of each row; and where there is one."""
        pieces: list[pa.Array | str] = list(fact.pieces)
        group: pa.Array | None = None
        for place in range(1, len(pieces), 2):
            name = fact.pieces[place]
            if fact.columns and name == COLUMN:
                pieces[place] = column
                continue
            source = column if fact.columns and name == CELL else name
            text = cell_texts(fact, batch.rows, source, wanted)
            text, bad = values_of(fact, self._list(fact), text, (batch.rows, source), self.faults)
            batch.bad |= bad
            pieces[place] = text
            if fact.group is not None:
                prefix = pc.utf8_slice_codeunits(text, 0, fact.group.prefix)
                group = joined([fact.group.family + SEPARATOR, prefix])
        if any(not isinstance(piece, str) for piece in pieces):
            code = joined(pieces)
        else:
            code = pa.repeat("".join(map(str, pieces)), len(batch.rows))
        return [code] if group is None else [code, group], wanted & ~is_null(code)

    def _number(
        self, fact: Fact, column: str, batch: Batch, *, wanted: Mask, present: Mask
    ) -> tuple[NDArray[np.float64], Mask]:
        """Number of each row, and where the fact is still present."""
        if not fact.number:
            return np.full(len(batch.rows), np.nan), present
        source = column if fact.columns and fact.number == "{value}" else fact.number
        text = cell_texts(fact, batch.rows, source, wanted)
        listed = {} if set(fact.placeholders) - {COLUMN} else self._list(fact)
        number, bad = numbers_of(fact, listed, text, (batch.rows, source), self.faults)
        batch.bad |= bad
        return number, present & ~np.isnan(number)

    def _list(self, fact: Fact) -> dict[str, str]:
        return self.mapping.listed(fact)


def columns_of(mapping: Mapping, fact: Fact) -> list[str]:
    """Columns that a fact reads."""
    names = [name for name in fact.placeholders if not fact.columns or name not in (CELL, COLUMN)]
    names += [*fact.columns, *fact.when]
    names += [fact.number] if fact.number and fact.number != "{value}" else []
    names += mapping.moment(fact.time).columns if fact.time is not None else []
    names += [fact.recorded] if fact.recorded else []
    return list(dict.fromkeys(names))


def _describe(fact: Fact) -> Describe:
    """Words for the codes of a fact, where its mapping has any."""

    def describe(code: str) -> tuple[str, str]:
        value = value_of(code)
        meaning = fact.descriptions.get(value, value)
        grouped = fact.group is not None and code.startswith(fact.group.family + SEPARATOR)
        label = f"{fact.description}, group" if grouped else fact.description
        if not label:
            return fact.descriptions.get(value, ""), fact.unit
        return f"{label}: {meaning}" if meaning else label, fact.unit

    return describe
