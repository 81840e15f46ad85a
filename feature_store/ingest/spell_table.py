"""First reading: the spells themselves, so that every fact can be joined to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.clock import DAY, local_day, local_microseconds, midnights_between
from feature_store.events import NO_TIME
from feature_store.ingest.calendar import invent_starts
from feature_store.ingest.faults import Fault, Faults
from feature_store.ingest.keys import NO_KEY
from feature_store.ingest.numbers import numbers
from feature_store.ingest.reading import read_rows
from feature_store.ingest.rows import Mask, is_null, texts_at
from feature_store.ingest.spell_index import SpellIndex
from feature_store.ingest.zones import to_utc
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import FAMILIES, SPELL_END, TIME_ZONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from feature_store.events import Int64
    from feature_store.ingest.keys import KeyReader
    from feature_store.ingest.mapping import Mapping
    from feature_store.ingest.rows import Rows
    from feature_store.ingest.sources import Source
    from feature_store.ingest.times import Moments, TimeReader

_LONGEST: Final = int(FAMILIES[SPELL_END].high)
_DAYS: Final = f"a length of stay in whole days from 0 to {_LONGEST}"


@dataclass(frozen=True, slots=True)
class _Part:
    """Spells of one batch, good and bad."""

    file: NDArray[np.object_]
    number: Int64
    spell_id: Int64
    subject_id: Int64
    start: Int64
    end: Int64
    days: Int64
    order: NDArray[np.float64]
    died: Mask
    bad: Mask


class SpellTable:
    """Reads the table of spells.

    Parameters
    ----------
    mapping : Mapping
    keys : KeyReader
    times : TimeReader
    """

    def __init__(self, mapping: Mapping, keys: KeyReader, times: TimeReader) -> None:
        self._mapping = mapping
        self._spells = mapping.spells
        self._table = mapping.table[mapping.spells.table]
        self._keys = keys
        self._times = times
        self._start = None if self._spells.start is None else mapping.moment(self._spells.start)
        self._end = None if self._spells.end is None else mapping.moment(self._spells.end)

    def read(self, sources: Sequence[Source], columns: Sequence[str], faults: Faults) -> SpellIndex:
        """Index of the spells that can be used; all others become faults.

        ``columns`` are all that the run needs of the table: a row that cannot be read for one of
        them is bad from the beginning.
        """
        missing = self._mapping.missing
        parts = [
            self._part(rows, faults)
            for source in sources
            for rows in read_rows(source, columns, missing=missing, faults=faults)
        ]
        whole = (
            _Part(
                *(
                    np.concatenate([getattr(part, name) for part in parts])
                    for name in _Part.__dataclass_fields__
                )
            )
            if parts
            else _nothing()
        )
        bad = whole.bad | self._repeated(whole, faults)
        start, end = whole.start, whole.end
        if self._spells.order:
            start = np.full(bad.size, NO_TIME, np.int64)
            good = ~bad
            start[good] = invent_starts(
                whole.order[good], whole.subject_id[good], whole.spell_id[good], whole.days[good]
            )
        if self._spells.days:
            end = _end_by_days(start, whole.days)
        return _index(whole, start, end, bad)

    def _part(self, rows: Rows, faults: Faults) -> _Part:
        subject_id, no_subject = self._keys.read(rows, self._table.subject, "subject", faults)
        spell_id, no_spell = self._keys.read(rows, self._table.spell, "spell", faults)
        start, end, bad = self._span(rows, faults)
        days, bad_days = self._whole_days(rows, faults)
        order, bad_order = self._order(rows, faults)
        died, bad_death = self._died(rows, (end != STILL_HERE) | (days >= 0), faults)
        return _Part(
            file=np.full(len(rows), rows.file, dtype=object),
            number=rows.numbers,
            spell_id=spell_id,
            subject_id=subject_id,
            start=start,
            end=end,
            days=days,
            order=order,
            died=died,
            bad=no_subject | no_spell | bad | bad_days | bad_order | bad_death,
        )

    def _span(self, rows: Rows, faults: Faults) -> tuple[Int64, Int64, Mask]:
        """Start and end by time or date."""
        none = np.full(len(rows), NO_TIME, np.int64)
        still_here = np.full(len(rows), STILL_HERE, np.int64)
        if self._start is None:
            return none, still_here, np.zeros(len(rows), dtype=bool)
        start = self._times.read(rows, self._start, faults)
        absent = Fault(rows.file, " + ".join(self._start.columns), "an admission", "nothing")
        faults.add(absent, rows.numbers[start.missing])
        bad = start.bad | start.missing
        if self._end is None:
            return start.time, still_here, bad
        end = self._times.read(rows, self._end, faults)
        bad |= end.bad
        if self._mapping.complete:
            bad |= self._no_end(rows, end.missing, faults)
        time, wrong = self._end_after(start.time, end)
        name = " + ".join(self._end.columns)
        faults.add(
            Fault(rows.file, name, "an end after the start", "an earlier one"), rows.numbers[wrong]
        )
        return start.time, time, bad | wrong | self._too_long(rows, start.time, time, faults)

    def _end_after(self, start: Int64, end: Moments) -> tuple[Int64, Mask]:
        """End of each spell, and where it lies before the start.

        An ambiguous end means its second moment where only that comes after the start. Where one
        of the two is a date, only days are compared.
        """
        time = np.where((end.time < start) & (end.second >= start), end.second, end.time)
        both = (start != NO_TIME) & (time != NO_TIME)
        of_days = [part.of_days for part in (self._start, self._end) if part is not None]
        earlier = local_day(time) < local_day(start) if any(of_days) else time < start
        time = np.maximum(time, start) if any(of_days) else time
        return np.where(end.time == NO_TIME, STILL_HERE, time), both & earlier

    def _no_end(self, rows: Rows, missing: Mask, faults: Faults) -> Mask:
        name = self._spells.days or " + ".join(self._end.columns if self._end else [])
        expected = "an end (the mapping says complete = true)"
        faults.add(Fault(rows.file, name, expected, "nothing"), rows.numbers[missing])
        return missing

    def _too_long(self, rows: Rows, start: Int64, end: Int64, faults: Faults) -> Mask:
        known = (start != NO_TIME) & (end != STILL_HERE)
        days = midnights_between(np.where(known, start, 0), np.where(known, end, 0))
        name = " + ".join(self._end.columns if self._end else [])
        faults.add(Fault(rows.file, name, _DAYS, "a longer one"), rows.numbers[days > _LONGEST])
        return days > _LONGEST

    def _whole_days(self, rows: Rows, faults: Faults) -> tuple[Int64, Mask]:
        """Length of stay; -1 where missing (an open spell) or not given in days."""
        if not self._spells.days:
            return np.full(len(rows), -1, np.int64), np.zeros(len(rows), dtype=bool)
        text = rows.columns[self._spells.days]
        value = numbers(text)
        fits = (value >= 0) & (value <= _LONGEST) & (value == np.floor(value))
        missing = is_null(text)
        bad = ~fits & ~missing
        where = (rows.file, self._spells.days, _DAYS)
        faults.add_found(where, rows.numbers[bad], texts_at(text, bad))
        if self._mapping.complete:
            bad |= self._no_end(rows, missing, faults)
        return np.where(fits, value, -1).astype(np.int64), bad

    def _order(self, rows: Rows, faults: Faults) -> tuple[NDArray[np.float64], Mask]:
        if not self._spells.order:
            return np.zeros(len(rows)), np.zeros(len(rows), dtype=bool)
        text = rows.columns[self._spells.order]
        value = numbers(text)
        bad = ~np.isfinite(value)
        where = (rows.file, self._spells.order, "a number that orders the spells")
        faults.add_found(where, rows.numbers[bad], texts_at(text, bad))
        return value, bad

    def _died(self, rows: Rows, ended: Mask, faults: Faults) -> tuple[Mask, Mask]:
        died = self._spells.died
        if died is None:
            return np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
        said = pc.is_in(rows.columns[died.column], value_set=pa.array(died.values, pa.string()))
        dead = np.asarray(said.to_numpy(zero_copy_only=False), dtype=bool)
        endless = dead & ~ended
        expected = "an end of the spell where the patient died"
        faults.add(Fault(rows.file, died.column, expected, "none"), rows.numbers[endless])
        return dead, endless

    def _repeated(self, whole: _Part, faults: Faults) -> Mask:
        """Every row of a spell that has several: nobody can say which of them is right."""
        keyed = whole.spell_id != NO_KEY
        keys, count = np.unique(whole.spell_id[keyed], return_counts=True)
        repeated: Mask = keyed & np.isin(whole.spell_id, keys[count > 1])
        for file in sorted(set(whole.file[repeated])):
            fault = Fault(file, self._table.spell, "one row a spell", "a spell with several")
            faults.add(fault, whole.number[repeated & (whole.file == file)])
        return repeated


def _end_by_days(start: Int64, days: Int64) -> Int64:
    """The same hour of the day, so many days later; a spell without a length is open."""
    known = (start != NO_TIME) & (days >= 0)
    wall = np.where(known, local_microseconds(start) + days * DAY, NO_TIME)
    return np.where(known, to_utc(wall, TIME_ZONE)[0], STILL_HERE)


def _index(whole: _Part, start: Int64, end: Int64, bad: Mask) -> SpellIndex:
    good = np.flatnonzero(~bad)
    rows = good[np.argsort(whole.spell_id[good], kind="stable")]
    rejected = np.unique(whole.spell_id[bad])
    return SpellIndex(
        spell_id=whole.spell_id[rows],
        subject_id=whole.subject_id[rows],
        start=start[rows],
        end=end[rows],
        died=whole.died[rows],
        rejected=rejected[rejected != NO_KEY],
    )


def _nothing() -> _Part:
    empty = np.zeros(0, np.int64)
    no, nowhere = np.zeros(0, dtype=bool), np.zeros(0, dtype=object)
    return _Part(nowhere, empty, empty, empty, empty, empty, empty, np.zeros(0), no, no)
