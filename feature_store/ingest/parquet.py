"""Read Parquet as text: a typed file passes through the same rules as a delimited one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.errors import BadInput
from feature_store.ingest.rows import Rows, check_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from feature_store.ingest.sources import Source

_BATCH: Final = 1 << 16


def read_parquet(source: Source, columns: Sequence[str]) -> Iterator[Rows]:
    """Read columns of a Parquet file as text; without ``columns``, all that can be text.

    Raises
    ------
    BadInput
        Not Parquet or truncated, a missing column, a nested column, or no rows.
    """
    try:
        file = pq.ParquetFile(source.path)
        schema = file.schema_arrow
        names = schema.names
        wanted = list(dict.fromkeys(columns)) or [
            name for name in names if _is_cell(schema.field(name).type)
        ]
        check_columns(source.file, wanted, names)
        following = 1
        for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
            numbers = np.arange(following, following + batch.num_rows, dtype=np.int64)
            following += batch.num_rows
            texts = {name: _text(source, name, batch[name]) for name in wanted}
            native = (name for name in wanted if pa.types.is_temporal(batch[name].type))
            yield Rows(source.file, numbers, texts, frozenset(native))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(source, error) from error


def parquet_names(source: Source) -> list[str]:
    """Names of the columns.

    Raises
    ------
    BadInput
        Not Parquet, or truncated.
    """
    try:
        return list(pq.read_schema(source.path).names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Source, error: Exception) -> BadInput:
    kind = type(error).__name__
    return BadInput(f"{source.file}: a whole Parquet file expected, cannot be read ({kind})")


def _is_cell(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_time(kind))


def _text(source: Source, name: str, column: pa.Array) -> pa.Array:
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if not _is_cell(column.type):
        msg = f"{source.file}: column {name}: text, numbers or dates expected, found another type"
        raise BadInput(msg)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        # Parquet holds such moments in UTC; the zone is only how to show them.
        naive = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.timestamp("us"))
        return pc.binary_join_element_wise(naive.cast(pa.string()), "Z", "")
    return column.cast(pa.string())
