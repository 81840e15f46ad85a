"""Read a source of any kind, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.errors import BadInput
from feature_store.ingest.delimited import header_of, read_delimited
from feature_store.ingest.parquet import parquet_names, read_parquet
from feature_store.ingest.rows import check_columns
from feature_store.ingest.sources import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from feature_store.ingest.faults import Faults
    from feature_store.ingest.rows import Rows
    from feature_store.ingest.sources import Source


def check_header(source: Source, columns: Sequence[str]) -> None:
    """Every one of these columns is in the file.

    Raises
    ------
    BadInput
    """
    if source.kind is Kind.PARQUET:
        check_columns(source.file, columns, parquet_names(source))
    else:
        check_columns(source.file, columns, list(header_of(source)))


def read_rows(
    source: Source, columns: Sequence[str], *, missing: Sequence[str], faults: Faults
) -> Iterator[Rows]:
    """Read these columns of a file, trimmed, null where missing.

    Blank rows (every one of these cells missing) are no rows. Rows with more or fewer cells than
    the header, and rows that are not UTF-8, become faults and are left out.

    Parameters
    ----------
    source : Source
    columns : sequence of str
    missing : sequence of str
        Null markers besides the empty cell.
    faults : Faults

    Raises
    ------
    BadInput
        A file that cannot be read as rows of these columns, or has none.
    """
    empty = True
    if source.kind is Kind.PARQUET:
        batches = read_parquet(source, columns)
    else:
        batches = read_delimited(source, columns, faults)
    for batch in batches:
        rows = batch.trimmed(missing)
        empty = empty and not len(rows)
        if len(rows):
            yield rows
    if empty and not faults.rows_of(source.file).size:
        msg = f"{source.file}: rows expected under the header, found none"
        raise BadInput(msg)
