"""Files of a MEDS dataset: each shard with the columns that are wanted, checked as it is read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.clock import DAY
from feature_store.dataset import PAST
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, STILL_HOLDS, Held, Int64
from feature_store.ingest.zones import to_utc
from feature_store.table import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from feature_store.meds.codebook import Codebook

MANIFEST: Final = "homeward"
"""Key of ``metadata/dataset.json`` under which an export carries its manifest."""

FILES_HASH: Final = "files_hash"
"""Key there: SHA-256 over the files of ``data/`` and ``past/``, which belong together."""

_EARLIEST: Final = -200 * 366 * DAY  # about 1770
_LATEST: Final = 400 * 366 * DAY  # about 2370: shifted dates reach 2220


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one shard: times are UTC microseconds, ``NO_TIME`` where null.

    Parameters
    ----------
    subject, time, recorded, spell : ndarray of int64, shape (n,)
        ``recorded`` is ``NO_TIME`` and ``spell`` ``NO_SPELL`` where null or not a column.
    code : ndarray of int64, shape (n,)
        Index into ``codes``.
    value : ndarray of float64, shape (n,)
    codes : tuple of str
    held : Held, optional
        Of an export of Homeward that says between which moments its rows held.
    """

    subject: Int64
    time: Int64
    recorded: Int64
    spell: Int64
    code: Int64
    value: NDArray[np.float64]
    codes: tuple[str, ...]
    held: Held | None = None


def shards_of(folder: Path) -> list[Path]:
    """Data files of a dataset, in order of name.

    Raises
    ------
    BadInput
        None there.
    """
    found = sorted((folder / "data").rglob("*.parquet")) if folder.is_dir() else []
    if not found:
        msg = f"{folder.name}: a MEDS dataset expected (data/**/*.parquet), found none"
        raise BadInput(msg)
    return found


def pasts_of(folder: Path) -> dict[str, Path]:
    """Files of what held for a while alone, by the name of the data file that they belong to."""
    return {path.name: path for path in sorted((folder / PAST).glob("*.parquet"))}


def check_files(told: dict[str, Any], shards: list[Path], pasts: dict[str, Path]) -> None:
    """Compare data files and their past with what the export said of both.

    Raises
    ------
    BadInput
        Either was changed since, so that they do not belong together any more.
    """
    if pasts and told.get(FILES_HASH) != hash_of([*shards, *pasts.values()]):
        msg = (
            f"{PAST}/: the files of {PAST}/ and data/ as homeward export wrote them expected, "
            f"some have changed; export again, or remove {PAST}/ to ingest what holds in the end"
        )
        raise BadInput(msg)


def hash_of(shards: list[Path]) -> str:
    """SHA-256 over the data files, in order."""
    digest = hashlib.sha256()
    for path in shards:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_metadata(folder: Path) -> dict[str, Any]:
    """``metadata/dataset.json``; empty where there is none.

    Raises
    ------
    BadInput
        There is one and it is not a JSON object.
    """
    path = folder / "metadata" / "dataset.json"
    if not path.is_file():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"metadata/dataset.json: JSON expected, cannot be read ({type(error).__name__})"
        raise BadInput(msg) from error
    if not isinstance(raw, dict):
        raise BadInput("metadata/dataset.json: a JSON object expected, found another kind")
    return raw


def read_descriptions(folder: Path) -> dict[str, str]:
    """Code to description, from ``metadata/codes.parquet`` where there is one."""
    path = folder / "metadata" / "codes.parquet"
    if not path.is_file():
        return {}
    table = _table(path, ["code", "description"])
    if not {"code", "description"} <= set(table.column_names):
        return {}
    pairs = zip(table["code"].to_pylist(), table["description"].to_pylist(), strict=True)
    return {str(code): str(text) for code, text in pairs if code and text}


def read_shards(shards: list[Path], book: Codebook) -> Iterator[Rows]:
    """Rows of each shard.

    Raises
    ------
    BadInput
        Not Parquet, a column missing or of another type, a row without subject or code, a time far
        from any life, or a subject in two shards: the standard keeps each in one.
    """
    seen = np.zeros(0, np.int64)
    for path in shards:
        rows = read_rows(path, book)
        subjects = np.unique(rows.subject)
        if np.isin(subjects, seen, assume_unique=True).any():
            raise BadInput(f"{path.name}: subjects of this file alone expected, some came before")
        seen = np.union1d(seen, subjects)
        yield rows


def _table(path: Path, wanted: list[str]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            there = Counter(file.schema_arrow.names)
            table = file.read(columns=[name for name in wanted if name in there])
        table.validate(full=True)  # damage that Parquet does not notice, such as broken text
    except (pa.ArrowException, OSError, ValueError) as error:
        msg = f"{path.name}: Parquet expected, cannot be read ({type(error).__name__})"
        raise BadInput(msg) from error
    twice = [name for name in wanted if there[name] > 1]
    if twice:
        msg = f"{path.name}: columns {', '.join(twice)} once expected, found more"
        raise BadInput(msg)
    return table


def read_rows(path: Path, book: Codebook) -> Rows:
    """Rows of one file; raises as :func:`read_shards` does."""
    extra = [name for name in (book.columns.spell, book.columns.recorded) if name]
    held = HELD.names if book.exported else []
    table = _table(path, ["subject_id", "time", "code", "numeric_value", *extra, *held])
    absent = [
        name for name in ("subject_id", "time", "code", *extra) if name not in table.column_names
    ]
    if absent:
        msg = f"{path.name}: columns {', '.join(absent)} expected and missing"
        raise BadInput(msg)
    for name in ("subject_id", "code"):
        if table[name].null_count:
            msg = (
                f"{path.name}: a {name} for every row expected, got {table[name].null_count} nulls"
            )
            raise BadInput(msg)
    encoded = _cast(table, "code", pa.string(), path.name).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = tuple(encoded.dictionary.to_pylist())
    if "" in codes:
        raise BadInput(f"{path.name}: a code for every row expected, got empty text")
    return Rows(
        subject=_integers(_cast(table, "subject_id", pa.int64(), path.name), NO_SPELL),
        time=_moments(table, "time", book.zone, path.name),
        recorded=_moments(table, book.columns.recorded, book.zone, path.name),
        spell=_spells(table, book.columns.spell, path.name),
        code=np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64),
        value=_values(table, path.name),
        codes=codes,
        held=_held(table, path.name) if set(held) & set(table.column_names) else None,
    )


def _held(table: pa.Table, file: str) -> Held:
    """As an export of Homeward has it: in ``data/`` the first column alone, in ``past/`` all."""
    since, until, held_as = HELD.names
    if held_as not in table.column_names:
        table = table.append_column(until, pa.nulls(table.num_rows, pa.timestamp("us")))
        table = table.append_column(held_as, table["subject_id"])
    ends = _moments(table, until, "UTC", file)
    return Held(
        since=_moments(table, since, "UTC", file),
        until=np.where(ends == NO_TIME, STILL_HOLDS, ends),
        subject_id=_integers(_cast(table, held_as, pa.int64(), file), NO_SPELL),
    )


def _cast(table: pa.Table, name: str, kind: pa.DataType, file: str) -> pa.ChunkedArray:
    try:
        return table[name].cast(kind)
    except pa.ArrowException as error:
        msg = f"{file}: column {name}: {kind} expected, found {table[name].type}"
        raise BadInput(msg) from error


def _integers(column: pa.ChunkedArray, missing: int) -> Int64:
    return np.asarray(pc.fill_null(column, missing).to_numpy(), np.int64)


def _spells(table: pa.Table, name: str, file: str) -> Int64:
    if not name:
        return np.full(table.num_rows, NO_SPELL, np.int64)
    return _integers(_cast(table, name, pa.int64(), file), NO_SPELL)


def _values(table: pa.Table, file: str) -> NDArray[np.float64]:
    if "numeric_value" not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = _cast(table, "numeric_value", pa.float64(), file)
    return np.asarray(pc.fill_null(column, float("nan")).to_numpy(), np.float64)


def _moments(table: pa.Table, name: str, zone: str, file: str) -> Int64:
    if not name:
        return np.full(table.num_rows, NO_TIME, np.int64)
    if not pa.types.is_timestamp(table[name].type) and not pa.types.is_null(table[name].type):
        msg = f"{file}: column {name}: timestamp[us] expected, found {table[name].type}"
        raise BadInput(msg)
    wall = _integers(_cast(table, name, pa.timestamp("us"), file).cast(pa.int64()), NO_TIME)
    far = (wall != NO_TIME) & ((wall < _EARLIEST) | (wall > _LATEST))
    if far.any():
        msg = f"{file}: column {name}: times of a life expected, found {int(far.sum())} far away"
        raise BadInput(msg)
    return wall if zone == "UTC" else to_utc(wall, zone)[0]
