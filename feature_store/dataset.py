"""Event datasets on disk: Parquet with the MEDS columns, sharded by subject, plus a manifest.

``events/00000.parquet`` ... each hold whole subjects, in the order of :meth:`Events.in_order`, so a
shard is a unit of work that needs no other shard: memory is bounded by the largest one.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, Events, concatenate
from feature_store.manifest import Manifest
from feature_store.vocabulary import FAMILIES, family_of

SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
        ("text_value", pa.string()),
        ("spell_id", pa.int64()),
        ("recorded_at", pa.timestamp("us")),
    ]
)
"""The MEDS columns, the spell and the moment of recording; UTC inside."""

_CODES_SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("code", "description", "family", "unit")]
)


def to_table(events: Events) -> pa.Table:
    """Events as an Arrow table of ``SCHEMA``; missing times, values and spells become null."""
    times = {
        name: pa.array(column.view("datetime64[us]"), mask=column == NO_TIME)
        for name, column in (("time", events.time), ("recorded_at", events.recorded_at))
    }
    columns = {
        "subject_id": pa.array(events.subject_id),
        **times,
        "code": pa.DictionaryArray.from_arrays(
            pa.array(events.code), pa.array(list(events.codes), pa.string())
        ).cast(pa.string()),
        "numeric_value": pa.array(events.numeric_value, mask=np.isnan(events.numeric_value)),
        "text_value": pa.nulls(len(events), pa.string()),
        "spell_id": pa.array(events.spell_id, mask=events.spell_id == NO_SPELL),
    }
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def from_table(table: pa.Table) -> Events:
    """Events from an Arrow table with the columns of ``SCHEMA``; text values stay on disk.

    Raises
    ------
    BadInput
        A column of the schema is missing, or an event has no subject or no code.
    """
    _check_columns(table)
    encoded = table["code"].combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    names = encoded.dictionary.to_pylist()
    order = (
        np.argsort(np.array(names, dtype=object), kind="stable") if names else np.zeros(0, np.intp)
    )
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    time = _integers(table["time"].cast(pa.timestamp("us")).cast(pa.int64()), NO_TIME)
    recorded = _integers(table["recorded_at"].cast(pa.timestamp("us")).cast(pa.int64()), NO_TIME)
    return Events(
        subject_id=_integers(table["subject_id"], 0),
        time=time,
        code=rank[encoded.indices.to_numpy()] if names else np.zeros(0, np.int32),
        numeric_value=pc.fill_null(
            table["numeric_value"].cast(pa.float32()), float("nan")
        ).to_numpy(),
        spell_id=_integers(table["spell_id"], NO_SPELL),
        recorded_at=np.where(recorded == NO_TIME, time, recorded),
        codes=tuple(names[position] for position in order),
    )


def _check_columns(table: pa.Table) -> None:
    there = table.column_names
    absent = [name for name in SCHEMA.names if name not in there and name != "text_value"]
    if absent:
        msg = f"events: columns {', '.join(absent)} expected and missing"
        raise BadInput(msg)
    for name in ("subject_id", "code"):
        if table[name].null_count:
            msg = f"events: a {name} for every event expected, got {table[name].null_count} nulls"
            raise BadInput(msg)


def _integers(column: pa.ChunkedArray, missing: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(column.cast(pa.int64()), missing).to_numpy(), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of events that has been opened.

    Parameters
    ----------
    path : Path
    manifest : Manifest
    """

    path: Path
    manifest: Manifest

    @property
    def shards(self) -> tuple[Path, ...]:
        """Event files, in order of subject."""
        return tuple(sorted((self.path / "events").glob("*.parquet")))

    def read_shards(self) -> Iterator[Events]:
        """Events of one shard after another: whole subjects, in order."""
        return map(read_shard, self.shards)

    def read(self) -> Events:
        """All events at once: for datasets that fit in memory."""
        return concatenate(list(self.read_shards()))

    def descriptions(self) -> dict[str, tuple[str, str]]:
        """Code to (description, unit)."""
        table = pq.read_table(self.path / "codes.parquet").to_pydict()
        return {
            code: (description, unit)
            for code, description, unit in zip(
                table["code"], table["description"], table["unit"], strict=True
            )
        }


def read_shard(path: Path) -> Events:
    """Events of one shard: whole subjects, in order.

    Raises
    ------
    BadInput
        It is not Parquet, or lacks a column.
    """
    try:
        # Codes repeat: read as a dictionary they need not be spelt out for every event.
        table = pq.read_table(path, read_dictionary=["code"])
    except (pa.ArrowInvalid, OSError) as error:
        kind = type(error).__name__
        msg = f"events/{path.name}: Parquet expected, cannot be read ({kind})"
        raise BadInput(msg) from error
    return from_table(table).in_order()


def open_dataset(path: Path) -> Dataset:
    """Open a folder that ``homeward ingest`` or ``homeward simulate`` wrote.

    Raises
    ------
    BadInput
        No such folder, no manifest, another schema version, or no events.
    """
    if not path.is_dir():
        msg = f"{path.name}: a folder of events expected; run homeward ingest or homeward simulate"
        raise BadInput(msg)
    dataset = Dataset(path, Manifest.read(path / "manifest.json"))
    if not dataset.shards:
        msg = f"{path.name}: events/*.parquet expected, none found"
        raise BadInput(msg)
    return dataset


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """A folder that appears under its name whole, or not at all.

    Raises
    ------
    BadInput
        ``out`` exists already: nothing is ever overwritten.
    """
    if out.exists():
        msg = (
            f"{out.name}: a new folder expected, this one exists; choose another --out or remove it"
        )
        raise BadInput(msg)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield part
        part.chmod(0o755)
        part.replace(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_dataset(
    folder: Path,
    shards: Iterator[pa.Table],
    manifest: Manifest,
    *,
    descriptions: Mapping[str, tuple[str, str]] | None = None,
) -> Manifest:
    """Write shards, codes and manifest into a folder from :func:`fresh_folder`.

    Parameters
    ----------
    folder : Path
    shards : iterator of pyarrow.Table
        Tables of ``SCHEMA``, each with whole subjects and in order; empty ones are left out.
    manifest : Manifest
        Counts of events and subjects, and the content hash, are filled in here.
    descriptions : mapping of str to (str, str), optional
        Code to (description, unit), where the vocabulary does not say.

    Returns
    -------
    Manifest
        As written.
    """
    events_folder = folder / "events"
    events_folder.mkdir()
    codes: set[str] = set()
    counts = {"events": 0, "subjects": 0}
    digest = hashlib.sha256()
    kept = (table for table in shards if table.num_rows)
    for number, table in enumerate(kept):
        path = events_folder / f"{number:05d}.parquet"
        pq.write_table(table.cast(SCHEMA), path, compression="zstd")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
        codes.update(pc.unique(table["code"]).to_pylist())
        counts["events"] += table.num_rows
        counts["subjects"] += len(pc.unique(table["subject_id"]))
    _write_codes(folder / "codes.parquet", sorted(codes), descriptions or {})
    complete = replace(
        manifest, counts={**manifest.counts, **counts}, content_hash=digest.hexdigest()
    )
    complete.write(folder / "manifest.json")
    return complete


def _write_codes(
    path: Path, codes: Sequence[str], descriptions: Mapping[str, tuple[str, str]]
) -> None:
    rows = []
    for code in codes:
        family = FAMILIES.get(family_of(code))
        description, unit = descriptions.get(code, ("", ""))
        if family is not None and not description:
            meaning = family.values.get(code.partition("//")[2], "")
            description = f"{family.label}: {meaning}" if meaning else family.label
        rows.append((code, description, family_of(code), unit or (family.unit if family else "")))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_CODES_SCHEMA)
    table = pa.table(
        {
            name: pa.array(list(column), pa.string())
            for name, column in zip(_CODES_SCHEMA.names, columns, strict=True)
        }
    )
    pq.write_table(table, path)
