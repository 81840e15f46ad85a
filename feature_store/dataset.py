"""Event datasets on disk: Parquet with the MEDS columns, sharded by subject, plus a manifest.

``events/00000.parquet`` ... each hold whole subjects, in the order of :meth:`Events.in_order`, so a
shard is a unit of work that needs no other shard: memory is bounded by the largest one.

That is what holds in the end. What held for a while and was corrected, cancelled or of a patient
who was then merged lies beside it in ``past/``, shard by shard, with the moments between which it
held.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.events import Events, concatenate
from feature_store.manifest import Manifest
from feature_store.table import HELD, SCHEMA, from_table, parted
from feature_store.vocabulary import FAMILIES, family_of

_TIMES: Final = ("time", "recorded_at")
_LAYOUT: Final[dict[str, Any]] = {
    "compression": "lz4",
    "use_dictionary": [name for name in SCHEMA.names if name not in _TIMES],
    "column_encoding": dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED"),
}
"""Times ascend and lie as differences: smaller than by zstd, read in three fifths of the time."""

PAST: Final = "past"
"""Folder of what held for a while alone."""

_READ: Final = [name for name in SCHEMA.names if name != "text_value"]

_CODES_SCHEMA: Final = pa.schema(
    [(name, pa.string()) for name in ("code", "description", "family", "unit")]
)


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

    def read_shards(
        self, feature_set: FeatureSet | None = None, *, past: bool = False
    ) -> Iterator[Events]:
        """Events of one shard after another, as :func:`read_shard` gives them."""
        return (read_shard(shard, feature_set, past=past) for shard in self.shards)

    def read(self, feature_set: FeatureSet | None = None) -> Events:
        """All events at once, or those that features read: for datasets that fit in memory."""
        return concatenate(list(self.read_shards(feature_set)))

    def descriptions(self) -> dict[str, tuple[str, str]]:
        """Code to (description, unit)."""
        table = pq.read_table(self.path / "codes.parquet").to_pydict()
        return {
            code: (description, unit)
            for code, description, unit in zip(
                table["code"], table["description"], table["unit"], strict=True
            )
        }


def read_shard(path: Path, feature_set: FeatureSet | None = None, *, past: bool = False) -> Events:
    """Events of one shard: whole subjects, in order.

    Parameters
    ----------
    path : Path
    feature_set : FeatureSet, optional
        Only the events that its features read: the others are dropped while they are a number of
        a code, before anything else of them is looked at. None for all events.
    past : bool
        With what held for a while alone (``Events.held``), to ask about past moments. Where there
        is any, all events come: what is asked about is found by the beginnings of spells.

    Raises
    ------
    BadInput
        It is not Parquet, or lacks a column.
    """
    events, before = _read_file(path, feature_set), path.parent.parent / PAST / path.name
    if not past:
        return events.current().in_order()
    if not before.exists() and events.held is None:
        return events.in_order()
    files = [path, before] if before.exists() else [path]
    return concatenate([_read_file(file, None) for file in files]).in_order()


def _read_file(path: Path, feature_set: FeatureSet | None) -> Events:
    try:
        # Codes repeat: read as a dictionary they need not be spelt out for every event. Shards are
        # what is read side by side, so one thread each.
        with pq.ParquetFile(path, read_dictionary=["code"]) as file:
            there = [*_READ, *(name for name in HELD.names if name in file.schema_arrow.names)]
            table = file.read(there, use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        kind = type(error).__name__
        msg = f"{path.parent.name}/{path.name}: Parquet expected, cannot be read ({kind})"
        raise BadInput(msg) from error
    return from_table(table, feature_set)


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
        Tables of ``SCHEMA``, each with whole subjects and in order; empty ones are left out. With
        the columns of ``HELD`` too where there is a past, which is put apart.
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
    kept = (parted(table) for table in shards if table.num_rows)
    for number, (table, past) in enumerate(kept):
        path = events_folder / f"{number:05d}.parquet"
        pq.write_table(table, path, **_LAYOUT)
        digest.update(hashlib.sha256(path.read_bytes()).digest())
        if past.num_rows:
            before = folder / PAST / path.name
            before.parent.mkdir(exist_ok=True)
            pq.write_table(past, before, compression="lz4")
            digest.update(hashlib.sha256(before.read_bytes()).digest())
            counts["past_events"] = counts.get("past_events", 0) + past.num_rows
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
