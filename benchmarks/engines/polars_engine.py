"""Polars: join, filter, one group-by over (question, code), streaming from disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

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


def from_disk(folder: Path) -> Float64:
    """Parquet to matrix, by the streaming engine."""
    asked = pl.scan_parquet(folder / SNAPSHOTS)
    return _matrix(_query(_events(folder), asked).collect(engine="streaming"), asked.collect())


def in_memory(folder: Path) -> Callable[[], Float64]:
    """Both tables as data frames."""
    events, asked = _events(folder).collect(), pl.read_parquet(folder / SNAPSHOTS)
    return lambda: _matrix(_query(events.lazy(), asked.lazy()).collect(), asked)


def _events(folder: Path) -> pl.LazyFrame:
    return (
        pl.scan_parquet(folder / "events" / "*.parquet")
        .filter(pl.col("code").is_in(CODES))
        .select(
            "subject_id",
            pl.col("code").cast(pl.Enum(CODES)),
            pl.col("time").cast(pl.Int64),
            pl.max_horizontal("time", "recorded_at").cast(pl.Int64).alias("visible"),
            pl.col("numeric_value").cast(pl.Float64).alias("value"),
        )
    )


def _query(events: pl.LazyFrame, asked: pl.LazyFrame) -> pl.LazyFrame:
    longest = max(HOURS) * MICROSECONDS
    return (
        asked.join(events, on="subject_id")
        .filter(pl.col("visible") <= pl.col("moment"), pl.col("time") > pl.col("moment") - longest)
        .group_by("row", "code")
        .agg(*(_reading(read, hours) for hours in HOURS for read in READS))
    )


def _reading(read: Read, hours: int) -> pl.Expr:
    inside = pl.col("time") > pl.col("moment") - hours * MICROSECONDS
    value, time = pl.col("value").filter(inside), pl.col("time").filter(inside)
    readings = {
        Read.LATEST: value.get(time.arg_max(), null_on_oob=True),
        Read.MINIMUM: value.min(),
        Read.MAXIMUM: value.max(),
        Read.COUNT: value.len().cast(pl.Float64),
        Read.SUM: value.sum(),
        Read.HOURS_SINCE: (pl.col("moment").first() - time.max()) / MICROSECONDS,
    }
    return readings[read].alias(column(read, hours))


def _matrix(found: pl.DataFrame, asked: pl.DataFrame) -> Float64:
    empty = np.tile([EMPTY.get(read, np.nan) for read in READS], len(HOURS))
    matrix = np.tile(empty, (asked.height, len(CODES), 1))
    codes = found["code"].to_physical().to_numpy()
    matrix[found["row"].to_numpy(), codes] = found.select(COLUMNS).to_numpy()
    return np.asarray(matrix.reshape(asked.height, -1), dtype=np.float64)
