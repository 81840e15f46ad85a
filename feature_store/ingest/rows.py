"""Rows of a source, as text with row numbers.

Every cell is text until a rule of the mapping says what it should be: only so can a fault name its
row and the kind of thing found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from feature_store.errors import BadInput
from feature_store.ingest.mapping_file import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.events import Int64

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of one file.

    Parameters
    ----------
    file : str
    numbers : ndarray of int64, shape (n,)
        As a spreadsheet shows them: the header of a text file is row 1. In Parquet, which has no
        header, the first record is row 1.
    columns : dict of str to pyarrow.Array of string, length n
        Null where the cell is empty or, once trimmed, a null marker.
    native_times : frozenset of str
        Columns that were times or dates in Parquet: ISO 8601 text here, whatever the mapping says
        of their format.
    """

    file: str
    numbers: Int64
    columns: dict[str, pa.Array]
    native_times: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """Return how many rows there are."""
        return int(self.numbers.size)

    def take(self, keep: Mask) -> Rows:
        """Return the rows where ``keep`` is true."""
        mask = pa.array(keep)
        columns = {name: column.filter(mask) for name, column in self.columns.items()}
        return Rows(self.file, self.numbers[keep], columns, self.native_times)

    def trimmed(self, missing: Sequence[str]) -> Rows:
        """Return the rows that say anything, cells without blanks around, null where missing."""
        columns = {
            name: without(pc.utf8_trim_whitespace(column), ["", *missing])
            for name, column in self.columns.items()
        }
        rows = Rows(self.file, self.numbers, columns, self.native_times)
        blank = np.logical_and.reduce([is_null(column) for column in columns.values()])
        return rows.take(~blank) if blank.any() else rows


def without(column: pa.Array, missing: Sequence[str]) -> pa.Array:
    """Return the column with these texts turned into null."""
    if not missing:
        return column
    marked = pc.is_in(column, value_set=pa.array(missing, pa.string()))
    return pc.if_else(marked, pa.scalar(None, pa.string()), column)


def is_null(column: pa.Array) -> Mask:
    """Where a column is null."""
    return np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), dtype=bool)


def texts_at(column: pa.Array, rows: Mask) -> list[str | None]:
    """Return the cells where ``rows`` is true, for looking at their kind."""
    texts: list[str | None] = column.filter(pa.array(rows)).to_pylist()
    return texts


def check_columns(file: str, expected: Sequence[str], found: Sequence[str]) -> None:
    """Every expected column is there, and no name twice.

    Raises
    ------
    BadInput
        Names what the mapping expects; of what was found only a near miss, for the first row of a
        file without a header is a patient's.
    """
    absent = [
        f'"{name}"{did_you_mean(name, found)}'
        for name in dict.fromkeys(expected)
        if name not in found
    ]
    if absent:
        msg = (
            f"{file}: header (row 1): column {', '.join(absent)} expected by the mapping, missing "
            f"among {len(found)} columns"
        )
        raise BadInput(msg)
    if len(set(found)) < len(found):
        msg = f"{file}: header (row 1): column names expected once each, found repeated ones"
        raise BadInput(msg)
