"""Bad rows apart: a CSV of the source rows with file, row number and reason.

The file holds patients' data as the source does: only its owner can read it.
"""

from __future__ import annotations

import csv
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from feature_store.errors import BadInput
from feature_store.ingest.delimited import raw_batches
from feature_store.ingest.parquet import read_parquet
from feature_store.ingest.sources import Kind
from feature_store.ingest.text_stream import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from feature_store.events import Int64
    from feature_store.ingest.faults import Faults
    from feature_store.ingest.sources import Source

LEADING: Final = ("homeward_file", "homeward_row", "homeward_reason", "homeward_unread")
"""Columns before the source's own; the last holds a row that does not fit the header, as it is."""

Row = tuple[int, str, "Mapping[str, str]"]


def check_free(path: Path) -> None:
    """Refuse to overwrite.

    Raises
    ------
    BadInput
        The file exists, or the folder for it does not.
    """
    if path.exists():
        msg = f"{path.name}: a new file expected for rejected rows, this one exists"
        raise BadInput(msg)
    if not path.parent.is_dir():
        msg = f"{path.name}: a folder expected for the file of rejected rows, there is none"
        raise BadInput(msg)


@contextmanager
def kept_apart(path: Path, write: Callable[[TextIO], None]) -> Iterator[None]:
    """Write what was rejected, and take it back if what follows fails."""
    # mkstemp: mode 0600 from the first byte on, never readable by others, not even while written.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            write(file)
        part.replace(path)
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def write_rows(file: TextIO, tables: Mapping[str, Sequence[Source]], faults: Faults) -> None:
    """Write the rejected rows of tables, each with its reason."""
    sources = [
        source for group in tables.values() for source in group if source.file in faults.files
    ]
    columns = list(dict.fromkeys(name for source in sources for name in _columns(source)))
    writer = csv.writer(file)
    writer.writerow([*LEADING, *columns])
    for source in sources:
        reasons = faults.reasons_of(source.file)
        for number, unread, cells in _rows(source, set(reasons)):
            values = [cells.get(name, "") for name in columns]
            writer.writerow([source.file, number, reasons[number], unread, *values])


def _columns(source: Source) -> list[str]:
    if source.kind is Kind.PARQUET:
        return next((list(rows.columns) for rows in read_parquet(source, [])), [])
    return next((list(cells) for _, cells in raw_batches(source, [], _ignore)), [])


def _ignore(*_: object) -> None:
    """Do nothing with a row that does not fit the header."""


def _rows(source: Source, wanted: set[int]) -> Iterator[Row]:
    """Wanted rows, in order but for those that do not fit the header, which come last."""
    unread: dict[int, str] = {}

    def on_ragged(number: int, _cells: int, _expected: int, text: str) -> None:
        unread[number] = text

    batches: Iterator[tuple[Int64, dict[str, pa.Array]]]
    if source.kind is Kind.PARQUET:
        batches = ((rows.numbers, rows.columns) for rows in read_parquet(source, []))
    else:
        batches = raw_batches(source, [], on_ragged)
    for numbers, columns in batches:
        for place, number in enumerate(numbers.tolist()):
            if number in wanted:
                yield number, "", {name: _text(column[place]) for name, column in columns.items()}
    for number, text in sorted(unread.items()):
        if number in wanted:
            yield number, text.rstrip("\r\n").replace(FOREIGN, ""), {}


def _text(cell: pa.Scalar) -> str:
    return (cell.as_py() or "").replace(FOREIGN, "")
