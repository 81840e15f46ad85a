"""Feast: its point-in-time join of raw readings, by its DuckDB offline store.

It runs in an environment of its own (``benchmarks/feast_environment.py``): Feast 0.67 needs pandas
below 3. What it can say is the latest reading of each code and when it was, no older than a year;
the other windows follow from that reading's age. Lowest, highest, count and sum over a window it
cannot: it registers aggregations and leaves them to another engine. It knows one moment a reading,
so the moment from which it was visible stands for the moment at which it happened: a reading that
was overtaken on its way to the record comes back instead of the later one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.registry.registry import RegistryConfig
from feast.types import Float32, Int64

from benchmarks.engines.windows import CODES, HOURS, MICROSECONDS, SNAPSHOTS

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.cases import Float64

_MOMENT = pa.timestamp("us", "UTC")


def from_disk(folder: Path) -> Float64:
    """Parquet to the matrix of what Feast can say."""
    return in_memory(folder)()


def in_memory(folder: Path) -> Callable[[], Float64]:
    """Parquet to matrix as well: Feast holds no history; only its files are made beforehand."""
    aside = folder / "feast"
    if not aside.is_dir():
        aside.mkdir()
        for code in CODES:
            pq.write_table(_readings(folder, code), aside / f"{code}.parquet")
    store = _store(aside)
    asked = pq.read_table(folder / SNAPSHOTS)
    moment = pc.cast(asked["moment"], pa.timestamp("us")).cast(_MOMENT)
    columns = {"row": asked["row"], "subject_id": asked["subject_id"], "event_timestamp": moment}
    questions = pa.table(columns).to_pandas()
    names = [f"{code}:{column}" for code in CODES for column in ("value", "happened")]

    def answer() -> Float64:
        job = store.get_historical_features(questions, names, full_feature_names=True)
        return _matrix(job.to_df())

    return answer


def _readings(folder: Path, code: str) -> pa.Table:
    """Readings of one code, by the moment from which each was visible."""
    wanted = ["subject_id", "time", "recorded_at", "numeric_value"]
    held = pq.read_table(folder / "events", columns=wanted, filters=[("code", "=", code)])
    return pa.table(
        {
            "subject_id": held["subject_id"],
            "event_timestamp": pc.max_element_wise(held["time"], held["recorded_at"]).cast(_MOMENT),
            "value": held["numeric_value"],
            "happened": held["time"].cast(pa.int64()),
        }
    )


def _store(aside: Path) -> FeatureStore:
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=RegistryConfig(path=str(aside / "registry.db")),
        offline_store={"type": "duckdb"},
        online_store=None,
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    patient = Entity(name="patient", join_keys=["subject_id"], value_type=ValueType.INT64)
    store.apply([patient, *_views(aside, patient)])
    return store


def _views(aside: Path, patient: Entity) -> Iterator[FeatureView]:
    for code in CODES:
        yield FeatureView(
            name=code,
            entities=[patient],
            ttl=timedelta(hours=max(HOURS)),
            schema=[Field(name="value", dtype=Float32), Field(name="happened", dtype=Int64)],
            source=FileSource(
                path=str(aside / f"{code}.parquet"), timestamp_field="event_timestamp"
            ),
        )


def _matrix(found: pd.DataFrame) -> Float64:
    """Latest value and hours since, by code and window: as ``SAID_BY_FEAST`` has them."""
    found = found.sort_values("row")
    moment = found["event_timestamp"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    columns: list[Any] = []
    for code in CODES:
        age = (moment - found[f"{code}__happened"].to_numpy(np.float64)) / MICROSECONDS
        value = found[f"{code}__value"].to_numpy(np.float64)
        for hours in HOURS:
            inside = age < hours
            columns += [np.where(inside, value, np.nan), np.where(inside, age, np.nan)]
    return np.column_stack(columns)
