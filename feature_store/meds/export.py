"""An event dataset as a MEDS dataset: the same events, where other tools look for them.

``data/`` has what holds in the end. What held for a while alone would mislead whoever reads it
there, as the standard has no word for it: it goes into ``past/``, which the standard does not know.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.dataset import PAST, Dataset, fresh_folder, read_shard
from feature_store.events import Events
from feature_store.landmarks import known_snapshots
from feature_store.meds.source import FILES_HASH, MANIFEST, hash_of, pasts_of, shards_of
from feature_store.outcome import outcomes_of
from feature_store.table import SCHEMA, parted, to_table

if TYPE_CHECKING:
    from pathlib import Path

MEDS_VERSION: Final = "0.4.1"

_LABELS: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("prediction_time", pa.timestamp("us"), nullable=False),
        pa.field("boolean_value", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Parameters
    ----------
    events, subjects : int
        Of ``data/``.
    past_events : int
        Of ``past/``.
    labels : int
        Snapshots whose outcome is known, over all horizons asked for.
    """

    events: int
    subjects: int
    past_events: int
    labels: int


def export_meds(dataset: Dataset, out: Path, *, horizons: tuple[int, ...] = ()) -> Exported:
    """Write a dataset as MEDS.

    Parameters
    ----------
    dataset : Dataset
    out : Path
        A new folder.
    horizons : tuple of int
        Days for which ``labels/long_stay_N.parquet`` says whether a spell became a long stay, at
        each snapshot at which it had not yet and of which the end is known.

    Raises
    ------
    BadInput
        The folder exists or the events cannot be read; nothing is left behind.
    """
    events = subjects = past_events = 0
    extra: set[str] = set()
    labels: dict[int, list[pa.Table]] = {days: [] for days in horizons}
    with fresh_folder(out) as folder:
        (folder / "data").mkdir()
        (folder / "metadata").mkdir()
        for path in dataset.shards:
            shard = read_shard(path, past=True)
            table, past = parted(to_table(shard))
            pq.write_table(_standard(table), folder / "data" / path.name)
            if past.num_rows:
                (folder / PAST).mkdir(exist_ok=True)
                pq.write_table(past, folder / PAST / path.name)
            extra.update(table.column_names)
            events += table.num_rows
            past_events += past.num_rows
            subjects += len(pc.unique(table["subject_id"]))
            for days, tables in labels.items():
                tables.append(_labels(shard, dataset, days))
        _write_codes(folder / "metadata" / "codes.parquet", dataset)
        columns = sorted(extra - set(SCHEMA.names))
        _write_metadata(folder, dataset, extra=["recorded_at", *columns])
        known = _write_labels(folder / "labels", labels)
    return Exported(events, subjects, past_events, known)


def _standard(table: pa.Table) -> pa.Table:
    """Events in the columns of the standard; the spell and the recording come beside them."""
    place = table.schema.get_field_index("text_value")
    return table.set_column(place, "text_value", table["text_value"].cast(pa.large_string()))


def _labels(events: Events, dataset: Dataset, days: int) -> pa.Table:
    until = dataset.manifest.until
    mornings = dataset.manifest.clock.mornings
    spells, asked = known_snapshots(events, until=until, mornings=mornings)
    target = outcomes_of(asked, spells, until=until).long_stay(days)
    rows = np.flatnonzero(~np.isnan(target) & (asked.days_so_far < days))
    rows = rows[np.lexsort((asked.prediction_time[rows], asked.subject_id[rows]))]
    columns = [
        pa.array(asked.subject_id[rows]),
        pa.array(asked.prediction_time[rows].view("datetime64[us]")),
        pa.array(target[rows] == 1.0),
    ]
    return pa.table(columns, schema=_LABELS)


def _write_labels(folder: Path, labels: dict[int, list[pa.Table]]) -> int:
    if not labels:
        return 0
    folder.mkdir()
    known = 0
    for days, tables in labels.items():
        table = pa.concat_tables(tables)
        pq.write_table(table, folder / f"long_stay_{days}.parquet")
        known += int(table.num_rows)
    return known


def _write_codes(path: Path, dataset: Dataset) -> None:
    told = dataset.descriptions()
    table = pa.table(
        {
            "code": pa.array(list(told), pa.string()),
            "description": pa.array([text or None for text, _ in told.values()], pa.string()),
            "parent_codes": pa.array([None] * len(told), pa.list_(pa.string())),
            "unit": pa.array([unit or None for _, unit in told.values()], pa.string()),
        }
    )
    pq.write_table(table, path)


def _write_metadata(folder: Path, dataset: Dataset, *, extra: list[str]) -> None:
    manifest = asdict(dataset.manifest)
    told = {
        "dataset_name": dataset.manifest.source,
        "dataset_version": dataset.manifest.content_hash,
        "etl_name": "homeward export",
        "meds_version": MEDS_VERSION,
        "raw_source_id_columns": ["spell_id"],
        "other_extension_columns": extra,
        MANIFEST: {
            **{key: manifest[key] for key in ("synthetic", "clock", "start", "observed_until")},
            FILES_HASH: hash_of([*shards_of(folder), *pasts_of(folder).values()]),
        },
    }
    path = folder / "metadata" / "dataset.json"
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
