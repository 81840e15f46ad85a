"""The record as a file that other programs read: CSV, or JSON a line."""

from __future__ import annotations

import csv
import json
import os
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from feature_store.errors import BadInput
from feature_store.live.database import reading
from service.record.reading import streamed
from service.record.schema import FEEDBACK, SCORES
from service.record.writing import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

KINDS: Final = {
    "scores": (SCORES, SCORES.c.answered_at),
    "feedback": (FEEDBACK, FEEDBACK.c.given_at),
}
SUFFIXES: Final = (".csv", ".jsonl")


def export(engine: Engine, kind: str, out: Path, *, since: int, until: int) -> int:
    """Write scores or feedback, hashes included, features and reasons not.

    Parameters
    ----------
    engine : Engine
    kind : str
        ``scores`` or ``feedback``.
    out : Path
        ``.csv`` or ``.jsonl``; there is either the whole file or none.
    since, until : int
        UTC microseconds; from the first up to, and without, the second.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    BadInput
        Another suffix, or the file cannot be written.
    StoreUnavailable
    """
    if out.suffix not in SUFFIXES:
        msg = f"{out.name}: a file {' or '.join(SUFFIXES)} expected"
        raise BadInput(msg)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            rows = _rows(engine, kind, since, until)
            count = _write_csv(file, rows) if out.suffix == ".csv" else _write_lines(file, rows)
        beside.replace(out)
    except OSError as error:
        msg = f"{out.name}: cannot be written ({type(error).__name__})"
        raise BadInput(msg) from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def _rows(engine: Engine, kind: str, since: int, until: int) -> Iterator[dict[str, Any]]:
    """First a row of nothing that names the columns, then the rows."""
    table, moment = KINDS[kind]
    yield dict.fromkeys(table.c.keys())
    prepare(engine)
    query = select(table).where(moment >= since, moment < until).order_by(moment, table.c.entry)
    with reading(engine) as connection:
        for rows in streamed(connection, query):
            for row in rows:
                cells = zip(table.c.keys(), row, strict=True)
                yield {name: _plain(cell) for name, cell in cells}


def _plain(cell: Any) -> Any:
    return cell.hex() if isinstance(cell, bytes) else cell


def _write_csv(file: Any, rows: Iterator[dict[str, Any]]) -> int:
    writer = csv.DictWriter(file, list(next(rows)))
    writer.writeheader()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - counted on purpose
        writer.writerow(row)
    return count


def _write_lines(file: Any, rows: Iterator[dict[str, Any]]) -> int:
    next(rows)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - counted on purpose
        file.write(json.dumps(row, allow_nan=False) + "\n")
    return count
