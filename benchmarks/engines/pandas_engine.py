"""pandas: merge, then one group-by over (question, code) for each window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cases import Float64
from benchmarks.engines.windows import CODES, EMPTY, HOURS, MICROSECONDS, READS, SNAPSHOTS


def from_disk(folder: Path) -> Float64:
    """Parquet to matrix."""
    return in_memory(folder)()


def in_memory(folder: Path) -> Callable[[], Float64]:
    """Both tables as data frames."""
    wanted = ["subject_id", "time", "recorded_at", "code", "numeric_value"]
    events = pd.read_parquet(
        folder / "events", columns=wanted, filters=[("code", "in", list(CODES))]
    )
    visible = events[["time", "recorded_at"]].max(axis=1)
    events = pd.DataFrame(
        {
            "subject_id": events["subject_id"],
            "code": events["code"].map({code: place for place, code in enumerate(CODES)}),
            "time": events["time"].astype("int64"),
            "visible": visible.astype("int64"),
            "value": events["numeric_value"].astype("float64"),
        }
    ).sort_values(["subject_id", "time"], ignore_index=True)
    asked = pd.read_parquet(folder / SNAPSHOTS)
    return lambda: _matrix(events, asked)


def _matrix(events: pd.DataFrame, asked: pd.DataFrame) -> Float64:
    pairs = asked.merge(events, on="subject_id")  # events stay in order of time within a question
    pairs = pairs[pairs["visible"] <= pairs["moment"]]
    empty = [EMPTY.get(read, np.nan) for read in READS]
    matrix = np.tile(empty, (len(asked), len(CODES), len(HOURS), 1))
    for place, hours in sorted(enumerate(HOURS), key=lambda one: -one[1]):
        pairs = pairs[pairs["time"] > pairs["moment"] - hours * MICROSECONDS]
        if pairs.empty:
            break
        found = pairs.groupby(["row", "code"], sort=False).agg(
            latest=("value", "last"),
            minimum=("value", "min"),
            maximum=("value", "max"),
            count=("value", "size"),
            sum=("value", "sum"),
            time=("time", "last"),
            moment=("moment", "last"),
        )
        found["hours_since"] = (found["moment"] - found["time"]) / MICROSECONDS
        at = found.index.get_level_values("row"), found.index.get_level_values("code")
        matrix[at[0], at[1], place] = found[[read.name.lower() for read in READS]].to_numpy()
    return np.asarray(matrix.reshape(len(asked), -1), dtype=np.float64)
