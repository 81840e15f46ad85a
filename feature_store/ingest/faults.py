"""Rows that cannot be used: counted by kind, remembered by number, never by value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.errors import BadRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.events import Int64

ITS_SPELL: Final = "its spell was rejected"

_KINDS: Final = (
    (re.compile(r"-\d+(\.\d+)?"), "a negative number"),
    (re.compile(r"\d+"), "a whole number"),
    (re.compile(r"\d*\.\d+|\d+\.\d*"), "a decimal number"),
    (re.compile(r"\d{1,4}[-/. ]\w{1,9}[-/. ]\d{1,4}.*"), "text that looks like a date"),
    (re.compile(r"[^\W\d]+([ -][^\W\d]+)*"), "words"),
)


def kind_of(text: str | None) -> str:
    """Kind of thing in a cell, in words that give nothing of it away.

    >>> kind_of("-3"), kind_of("3/4/2026"), kind_of("Smith"), kind_of(None)
    ('a negative number', 'text that looks like a date', 'words', 'nothing')
    """
    if not text:
        return "nothing"
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(text)), "other text")


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: in which file and column, what was expected, what kind was found."""

    file: str
    column: str
    expected: str
    found: str

    @property
    def reason(self) -> str:
        """In words, without file and row."""
        if not self.expected:
            return self.found
        where = f"column {self.column}: " if self.column else ""
        return f"{where}{self.expected} expected, found {self.found}"


@dataclass(slots=True)
class Faults:
    """All faults of a run; what it keeps of a bad row is its number and why."""

    _rows: dict[Fault, list[Int64]] = field(default_factory=dict)

    def add(self, fault: Fault, rows: Int64) -> None:
        """Take note that these rows of the fault's file have it; once is enough."""
        if rows.size:
            self._rows.setdefault(fault, []).append(np.array(rows, np.int64))

    def add_found(
        self, where: tuple[str, str, str], rows: Int64, texts: Sequence[str | None]
    ) -> None:
        """Take note of cells that are not what was expected, by kind of thing found.

        Parameters
        ----------
        where : tuple of str
            File, column, expected.
        rows : ndarray of int64, shape (n,)
        texts : sequence of str or None, length n
            Looked at here, and forgotten.
        """
        kinds = np.array([kind_of(text) for text in texts], dtype=object)
        for kind in sorted(set(kinds)):
            self.add(Fault(*where, kind), rows[kinds == kind])

    def __bool__(self) -> bool:
        """Whether there is any fault."""
        return bool(self._rows)

    @property
    def files(self) -> list[str]:
        """Names of the files that have bad rows."""
        return sorted({fault.file for fault in self._rows})

    def rows_of(self, file: str) -> Int64:
        """Numbers of the bad rows of a file, ascending, each once."""
        parts = [part for fault, rows in self._rows.items() if fault.file == file for part in rows]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)

    def reasons_of(self, file: str) -> dict[int, str]:
        """Row number to reasons, for a file."""
        reasons: dict[int, list[str]] = {}
        for fault in sorted(self._rows, key=lambda fault: (fault.column, fault.reason)):
            if fault.file == file:
                for row in np.unique(np.concatenate(self._rows[fault])).tolist():
                    reasons.setdefault(row, []).append(fault.reason)
        return {row: "; ".join(reasons[row]) for row in sorted(reasons)}

    @property
    def rejected_rows(self) -> int:
        """How many rows are bad, over all files."""
        return sum(self.rows_of(file).size for file in self.files)

    def raise_summary(self) -> None:
        """Stop, with one line a kind of fault.

        Raises
        ------
        BadRows
        """
        rows = {
            fault: np.unique(np.concatenate(parts))
            for fault, parts in self._rows.items()
            if fault.found != ITS_SPELL
        }
        several = len({fault.file for fault in rows}) > 1
        lines = []
        for fault in sorted(rows, key=lambda fault: (fault.file, rows[fault][0], fault.reason)):
            where = f"{fault.file} row" if several else "row"
            count = rows[fault].size
            more = f" ({count:,} rows in all)" if count > 1 else ""
            lines.append(f"{where} {rows[fault][0]}, {fault.reason}{more}")
        lines.append("mend the source or the mapping, or keep bad rows apart with --reject-file")
        raise BadRows("extract" if several else next(iter(rows)).file, lines)
