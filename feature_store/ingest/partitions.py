"""Events on their way to the dataset: kept on disk by range of subject, sorted a range at a time.

Memory is bounded by one batch of source rows while reading and by one range of subjects while
sorting, whatever the size of the extract.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pyarrow as pa

from feature_store.events import Events
from feature_store.table import to_table
from feature_store.vocabulary import DEATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from feature_store.events import Int64
    from feature_store.ingest.codes import CodeBook
    from feature_store.ingest.facts import Found
    from feature_store.ingest.spell_index import SpellIndex

SPELLS_IN_A_SHARD: Final = 20_000
_MOST_SHARDS: Final = 256
"""Each is an open file while reading."""

_COLUMNS: Final = ("subject_id", "time", "code", "numeric_value", "spell_id", "recorded_at")
_SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", pa.int64()),
        ("code", pa.int32()),
        ("numeric_value", pa.float32()),
        ("spell_id", pa.int64()),
        ("recorded_at", pa.int64()),
    ]
)


def subject_bounds(index: SpellIndex) -> Int64:
    """First subject of each shard but the first.

    Chosen from the spells alone, so that the order of a source's rows changes nothing.
    """
    shards = min(max(-(-len(index) // SPELLS_IN_A_SHARD), 1), _MOST_SHARDS)
    step = -(-index.subjects.size // shards)
    return index.subjects[step::step] if step else index.subjects[:0]


@dataclass(slots=True)
class Partitions:
    """Temporary files of events, one for each range of subjects.

    Parameters
    ----------
    folder : Path
        Exists, and is removed by whoever made it.
    bounds : ndarray of int64
        From :func:`subject_bounds`.
    tally : dict of str to int
        What is counted while writing.
    """

    folder: Path
    bounds: Int64
    tally: dict[str, int] = field(default_factory=lambda: {"deaths": 0, "repeated_events": 0})
    _writers: dict[int, pa.RecordBatchStreamWriter] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, found: Sequence[Found], bad: NDArray[np.bool_]) -> int:
        """Keep the events of a batch's good rows; return how many rows had any."""
        if not found:
            return 0
        rows = np.concatenate([part.row for part in found])
        keep = ~bad[rows]
        columns = [
            np.concatenate([getattr(part, name) for part in found])[keep] for name in _COLUMNS
        ]
        shard = np.searchsorted(self.bounds, columns[0], side="right")
        order = np.argsort(shard, kind="stable")
        ends = np.cumsum(np.bincount(shard, minlength=self.bounds.size + 1))
        for number, part in enumerate(np.split(order, ends[:-1])):
            if part.size:
                batch = [pa.array(column[part]) for column in columns]
                self._writer(number).write_batch(pa.record_batch(batch, schema=_SCHEMA))
        return int(np.unique(rows[keep]).size)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.arrow"

    def _writer(self, number: int) -> pa.RecordBatchStreamWriter:
        if number not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            sink = self._open.enter_context(pa.OSFile(str(self._path(number)), "wb"))
            writer = pa.ipc.new_stream(sink, _SCHEMA, options=options)
            self._writers[number] = self._open.enter_context(writer)
        return self._writers[number]

    def shards(self, codes: CodeBook) -> Iterator[pa.Table]:
        """Tables of the dataset's schema: whole subjects, in order, each event once.

        Two rows of a source that say exactly the same say it once.
        """
        self._open.close()
        names, place = codes.in_order()
        for number in sorted(self._writers):
            with pa.ipc.open_stream(str(self._path(number))) as reader:
                table = reader.read_all()
            self._path(number).unlink()
            columns = {name: table[name].to_numpy() for name in _COLUMNS}
            columns["code"] = place[columns["code"]]
            events = Events(codes=names, **self._sorted(columns))
            self.tally["deaths"] += np.unique(events.spell_id[events.rows_of(DEATH)]).size
            yield to_table(events)

    def _sorted(self, columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """In the order of ``Events.in_order``, then by spell; repeats left out."""
        keys = ("spell_id", "numeric_value", "code", "recorded_at", "time", "subject_id")
        order = np.lexsort([columns[name] for name in keys])
        columns = {name: column[order] for name, column in columns.items()}
        same = np.ones(max(order.size - 1, 0), dtype=bool)
        for column in columns.values():
            bits = column.view(np.int32) if column.dtype == np.float32 else column
            same &= bits[1:] == bits[:-1]  # NaN is like NaN here
        keep = np.concatenate([np.ones(min(order.size, 1), dtype=bool), ~same])
        self.tally["repeated_events"] += int(order.size - keep.sum())
        return {name: column[keep] for name, column in columns.items()}
