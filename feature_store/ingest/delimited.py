"""Read delimited text, plain or gzip: a stream of batches, every row accounted for."""

from __future__ import annotations

import csv
import gzip
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from feature_store.errors import BadInput
from feature_store.ingest.faults import Fault
from feature_store.ingest.rows import Rows, check_columns
from feature_store.ingest.sources import Kind
from feature_store.ingest.text_stream import FOREIGN, TextStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from feature_store.events import Int64
    from feature_store.ingest.faults import Faults
    from feature_store.ingest.rows import Mask
    from feature_store.ingest.sources import Source

_BLOCK: Final = 8 << 20
"""Bytes in one batch, and so the longest row."""

_CORRUPT: Final = (EOFError, gzip.BadGzipFile, zlib.error, OSError)


def read_delimited(source: Source, columns: Sequence[str], faults: Faults) -> Iterator[Rows]:
    """Read columns of a delimited file as text, untrimmed.

    Raises
    ------
    BadInput
        A missing column, a truncated or corrupt file, a header only, a quote that never closes, or
        a row too long to be one.
    """

    def on_ragged(number: int, cells: int, expected: int, _text: str) -> None:
        fault = Fault(source.file, "", f"{expected} cells as in the header", f"{_count(cells)}")
        faults.add(fault, np.array([number], np.int64))

    for numbers, texts in raw_batches(source, columns, on_ragged):
        foreign = np.logical_or.reduce([_has_foreign(column) for column in texts.values()])
        expected = f"text in {source.table.encoding.upper()}"
        faults.add(Fault(source.file, "", expected, "other bytes"), numbers[foreign])
        rows = Rows(source.file, numbers, texts)
        yield rows.take(~foreign) if foreign.any() else rows


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"


def _has_foreign(column: pa.StringArray) -> Mask:
    return np.asarray(pc.match_substring(column, FOREIGN).to_numpy(zero_copy_only=False))


def raw_batches(
    source: Source, columns: Sequence[str], on_ragged: Callable[[int, int, int, str], None]
) -> Iterator[tuple[Int64, dict[str, pa.StringArray]]]:
    """Row numbers and cells, as text in which bytes that are none stand behind ``FOREIGN``.

    Parameters
    ----------
    source : Source
    columns : sequence of str
        Empty: all of them.
    on_ragged : callable
        Told number, count of cells, expected count and text of a row that does not fit the header.
    """
    names = header_of(source)
    wanted = list(dict.fromkeys(columns)) or list(names)
    check_columns(source.file, wanted, list(names))
    ragged: list[int] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        ragged.append(row.number)
        on_ragged(row.number, row.actual_columns, row.expected_columns, row.text)
        return "skip"

    stream = TextStream(_opened(source), source.table.encoding)
    following = 2
    try:
        for batch in _parsed(source, stream, [names[name] for name in wanted], skip):
            numbers = _numbers(following, batch.num_rows, ragged)
            following = int(numbers[-1]) + 1
            yield numbers, dict(zip(wanted, batch.columns, strict=True))
    except _CORRUPT as error:
        raise BadInput(f"{source.file}: {_corruption(source, error)}") from error
    finally:
        stream.close()
    if source.table.quotes and stream.quotes % 2:
        msg = (
            f'{source.file}: quote marks in pairs expected, found one that never closes; where " '
            f"is an ordinary character, say quotes = false in [table.{source.name}]"
        )
        raise BadInput(msg)


def _parsed(
    source: Source,
    stream: TextStream,
    columns: Sequence[str],
    skip: Callable[[pa_csv.InvalidRow], str],
) -> Iterator[pa.RecordBatch]:
    table = source.table
    try:
        reader = pa_csv.open_csv(
            cast("BinaryIO", stream),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            parse_options=pa_csv.ParseOptions(
                delimiter=table.delimiter,
                quote_char='"' if table.quotes else False,
                newlines_in_values=table.quotes,
                ignore_empty_lines=False,  # a blank line is a row, or numbers would slip
                invalid_row_handler=skip,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
            ),
        )
        yield from (batch for batch in reader if batch.num_rows)
    except pa.ArrowInvalid as error:
        raise BadInput(f"{source.file}: {_parse_fault(str(error))}") from error


def _parse_fault(message: str) -> str:
    """Say what the parser found, without its words: they quote the row."""
    if "straddling" in message:
        return f"rows under {_BLOCK >> 20} MiB expected, found one longer: an unclosed quote?"
    if "Empty CSV" in message or "cannot infer" in message:
        return "rows expected under the header, found none"
    return "delimited text expected, found something that cannot be read as rows"


def _corruption(source: Source, error: Exception) -> str:
    if source.kind is Kind.GZIP and isinstance(error, EOFError):
        return "a whole gzip file expected, found one that ends early (truncated); copy it again"
    if source.kind is Kind.GZIP:
        return "gzip expected, found damaged content; copy it again"
    return f"cannot be read ({type(error).__name__})"


def _opened(source: Source) -> BinaryIO:
    if source.kind is Kind.GZIP:
        return cast("BinaryIO", gzip.open(source.path, "rb"))
    return source.path.open("rb")


def header_of(source: Source) -> dict[str, str]:
    """Names in the header, trimmed, to the names as written.

    Raises
    ------
    BadInput
        No header, names twice, or not in the table's encoding.
    """
    try:
        with _opened(source) as file:
            line = file.readline(_BLOCK)
    except _CORRUPT as error:
        raise BadInput(f"{source.file}: {_corruption(source, error)}") from error
    try:
        text = line.removeprefix(b"\xef\xbb\xbf").decode(source.table.encoding).rstrip("\r\n")
    except UnicodeDecodeError as error:
        msg = (
            f"{source.file}: header (row 1) in {source.table.encoding} expected, found other bytes"
        )
        raise BadInput(msg) from error
    delimiter, quotes = source.table.delimiter, source.table.quotes
    written = next(csv.reader([text], delimiter=delimiter), []) if quotes else text.split(delimiter)
    names = [name.strip() for name in written]
    if not any(names):
        msg = f"{source.file}: a header (row 1) expected, found a blank row"
        raise BadInput(msg)
    if len(set(names)) < len(names):
        msg = f"{source.file}: header (row 1): column names expected once each, found repeated ones"
        raise BadInput(msg)
    return dict(zip(names, written, strict=True))


def _numbers(following: int, count: int, ragged: Sequence[int]) -> Int64:
    """Row numbers of the next ``count`` rows that were kept, stepping over those that were not."""
    skipped = np.array([number for number in ragged if number >= following], np.int64)
    candidates = np.arange(following, following + count + skipped.size, dtype=np.int64)
    return candidates[~np.isin(candidates, skipped)][:count]
