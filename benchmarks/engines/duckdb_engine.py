"""DuckDB SQL: filtered aggregates over the join, grouped by (question, code)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np

from benchmarks.cases import Float64
from benchmarks.engines.windows import (
    CODES,
    COLUMNS,
    EMPTY,
    HOURS,
    MICROSECONDS,
    READS,
    SNAPSHOTS,
    column,
)
from feature_store.definitions import Read

_READINGS = {
    Read.LATEST: "arg_max(value, time) FILTER (WHERE {inside})",
    Read.MINIMUM: "min(value) FILTER (WHERE {inside})",
    Read.MAXIMUM: "max(value) FILTER (WHERE {inside})",
    Read.COUNT: "CAST(count(value) FILTER (WHERE {inside}) AS DOUBLE)",
    Read.SUM: "coalesce(sum(value) FILTER (WHERE {inside}), 0.0)",
    Read.HOURS_SINCE: "(any_value(moment) - max(time) FILTER (WHERE {inside})) / "
    f"{MICROSECONDS}.0::DOUBLE",
}


def from_disk(folder: Path) -> Float64:
    """Parquet to matrix."""
    return _matrix(_connect(), _events(folder), _asked(folder))


def in_memory(folder: Path) -> Callable[[], Float64]:
    """Both tables in DuckDB's own memory."""
    connection = _connect()
    connection.execute(f"CREATE TABLE held AS {_events(folder)}")
    connection.execute(f"CREATE TABLE asked AS {_asked(folder)}")
    return lambda: _matrix(connection, "FROM held", "FROM asked")


def _connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {int(os.environ.get('BENCHMARK_THREADS', '2'))}")
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _asked(folder: Path) -> str:
    return f"SELECT * FROM '{folder / SNAPSHOTS}'"  # noqa: S608 - our own folder


def _events(folder: Path) -> str:
    places = " ".join(f"WHEN '{code}' THEN {place}" for place, code in enumerate(CODES))
    names = ", ".join(f"'{code}'" for code in CODES)
    return f"""
        SELECT subject_id, CASE code {places} END AS code, epoch_us(time) AS time,
               epoch_us(greatest(time, recorded_at)) AS visible, numeric_value::DOUBLE AS value
        FROM '{folder / "events" / "*.parquet"}' WHERE code IN ({names})"""  # noqa: S608 - ours


def _matrix(connection: duckdb.DuckDBPyConnection, events: str, asked: str) -> Float64:
    readings = [
        _READINGS[read].format(inside=f"time > moment - {hours * MICROSECONDS}")
        + f" AS {column(read, hours)}"
        for hours in HOURS
        for read in READS
    ]
    query = f"""
        SELECT row, code, {", ".join(readings)}
        FROM ({asked}) AS asked JOIN ({events}) AS events USING (subject_id)
        WHERE visible <= moment AND time > moment - {max(HOURS) * MICROSECONDS}
        GROUP BY row, code"""  # noqa: S608 - our own words
    found = connection.execute(query).fetchnumpy()
    size = connection.execute(f"SELECT count(*) FROM ({asked})").fetchone()  # noqa: S608 - ours
    rows = int(size[0]) if size else 0
    empty = np.tile([EMPTY.get(read, np.nan) for read in READS], len(HOURS))
    matrix = np.tile(empty, (rows, len(CODES), 1))
    values = [np.ma.filled(found[name].astype(np.float64), np.nan) for name in COLUMNS]
    matrix[found["row"], found["code"]] = np.column_stack(values)
    return np.asarray(matrix.reshape(rows, -1), dtype=np.float64)
