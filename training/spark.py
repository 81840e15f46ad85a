"""Features and batch scores on Spark: the functions of the local engine, one task a shard.

A shard holds whole subjects (:mod:`feature_store.dataset`), so it needs no other: nothing is
shuffled, and a task is given the number of its shard and reads the file itself. The dataset must
be found under the same path by every worker, and Homeward must be installed there.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.errors import PySparkException, PySparkRuntimeError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from feature_store.compute import compute_features
from feature_store.dataset import Dataset, read_shard
from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput, HomewardError
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from models.bundle import Bundle, load_bundle, save_bundle
from models.judging.estimate import Float64
from training.batch import SCHEMA, inpatients_at, score_shard

KEYS: Final = pa.schema(
    [
        ("spell_id", pa.int64()),
        ("subject_id", pa.int64()),
        ("prediction_time", pa.int64()),
    ]
)
"""Whose row it is; the moment in microseconds since 1970, UTC."""

DAYS_SO_FAR: Final = "days_so_far"

_ANSWERS: Final = pa.schema(
    [(name, pa.int64()) for name in ("shard", "row", "bytes")] + [("features", pa.binary())]
)
"""Features of some thousand snapshots as the packed bytes of their doubles: as columns they would
be turned about twice, as plain bytes they fill the Java heap."""

_PACKING: Final = pa.Codec("zstd", compression_level=1)
_ROWS_PACKED: Final = 8192

_SHARDS_A_CORE: Final = 4
"""Shards in one job, by core: enough to keep all busy to its end."""

_ALONE: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.maxResultSize": "0",  # a training set comes back, and is held here anyway
}
"""Settings of a Spark that is this machine only: nothing of it can be reached from another."""

_BAD_INPUT: Final = re.compile(r"^(?:feature_store\.errors\.)?BadInput: (.+)$", re.MULTILINE)

Work = Callable[[Events], pa.Table]


@contextmanager
def open_session(master: str | None) -> Iterator[SparkSession]:
    """Start a Spark session, or join the one there is, which is then left running.

    Parameters
    ----------
    master : str or None
        As Spark has it, such as ``local[2]``; None for that of ``spark-submit`` or its settings.

    Raises
    ------
    BadInput
        There is no Java to run it.
    """
    # Spark's own default is whichever python3 comes first on PATH: that one has no Homeward.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # Rows travel as Arrow, so what PySpark's makers have not tried with pandas 3 does not matter.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    joined = SparkSession.getActiveSession()
    session = _start(master) if joined is None else joined
    try:
        yield session
    finally:
        if joined is None:
            session.stop()


def _start(master: str | None) -> SparkSession:
    builder = SparkSession.builder.appName("homeward")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    if master is not None:
        builder = builder.master(master)
    if master is not None and master.startswith("local"):
        for name, value in _ALONE.items():
            builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except PySparkRuntimeError as error:
        msg = "Spark: Java 17 or newer expected on PATH or at JAVA_HOME; it did not start without"
        raise BadInput(msg) from error


def spark_engine(
    session: SparkSession,
    bundle: Bundle,
    dataset: Dataset,
    moment: int,
    report: Callable[[str], None],
) -> Iterator[pa.Table]:
    """Score the inpatients of every shard; an engine of ``training.batch.score_inpatients``.

    Raises
    ------
    BadInput
        A shard cannot be read.
    HomewardError
        Spark failed; its own log says more.
    """
    work = _Scoring(_files_of(bundle), moment, synthetic=dataset.manifest.synthetic)
    table = _collect(map_shards(session, dataset, work, SCHEMA), SCHEMA)
    report(f"{len(dataset.shards)} shards on Spark")
    yield table


def features_of_inpatients(
    session: SparkSession, dataset: Dataset, feature_set: FeatureSet, moment: int
) -> DataFrame:
    """Features of everybody in hospital at a moment, as ``mlflow.pyfunc.spark_udf`` takes them.

    Returns
    -------
    pyspark.sql.DataFrame
        ``KEYS``, then the features by name and ``days_so_far``: doubles, NaN where missing. Lazy:
        nothing has been read yet.
    """
    names = feature_set.names
    doubles = names if DAYS_SO_FAR in names else (*names, DAYS_SO_FAR)
    schema = pa.schema([*KEYS, *((name, pa.float64()) for name in doubles)])
    work = partial(_features, feature_set=feature_set, moment=moment, schema=schema)
    return map_shards(session, dataset, work, schema)


def spark_features(
    session: SparkSession,
    dataset: Dataset,
    asked: Sequence[Snapshots],
    feature_set: FeatureSet,
) -> Iterator[Float64]:
    """Features of each shard's snapshots; an engine of ``training.survey``.

    The snapshots travel to where their shard is read, the features come back packed, a few shards
    at a time: what this process holds of them is what its caller keeps.

    Raises
    ------
    BadInput
        A shard cannot be read.
    HomewardError
        Spark failed; its own log says more.
    """
    paths = [str(path.resolve()) for path in dataset.shards]
    at_once = _SHARDS_A_CORE * session.sparkContext.defaultParallelism
    for first in range(0, len(asked), at_once):
        some = asked[first : first + at_once]
        pairs = list(zip(paths[first : first + at_once], some, strict=True))
        task = partial(_answer, pairs=pairs, feature_set=feature_set)
        numbers = session.range(0, len(pairs), 1, len(pairs))
        found = _collect(numbers.mapInArrow(task, from_arrow_schema(_ANSWERS)), _ANSWERS)
        yield from _matrices(found, some, len(feature_set))


def _answer(
    batches: Iterator[pa.RecordBatch],
    *,
    pairs: list[tuple[str, Snapshots]],
    feature_set: FeatureSet,
) -> Iterator[pa.RecordBatch]:
    """Rows of ``_ANSWERS`` for the snapshots of a shard, on a worker."""
    for batch in batches:
        for shard in batch.column(0).to_pylist():
            path, asked = pairs[shard]
            events = read_shard(Path(path), feature_set, past=True)
            matrix = compute_features(events, asked, feature_set)
            for row in range(0, len(asked), _ROWS_PACKED):
                held = matrix[row : row + _ROWS_PACKED].astype("<f8", copy=False).tobytes()
                yield pa.RecordBatch.from_arrays(
                    [[shard], [row], [len(held)], [_PACKING.compress(held, asbytes=True)]],
                    schema=_ANSWERS,
                )


def _matrices(found: pa.Table, asked: Sequence[Snapshots], features: int) -> Iterator[Float64]:
    """Features of each shard, in the order in which its snapshots were sent."""
    shards = found["shard"].to_numpy()
    for shard, snapshots in enumerate(asked):
        own = found.filter(pa.array(shards == shard)).sort_by("row")
        held = b"".join(
            _PACKING.decompress(packed.as_buffer(), size, asbytes=True)
            for packed, size in zip(own["features"], own["bytes"].to_pylist(), strict=True)
        )
        yield np.frombuffer(held, "<f8").reshape(len(snapshots), features)


def map_shards(session: SparkSession, dataset: Dataset, work: Work, schema: pa.Schema) -> DataFrame:
    """Apply a function to the events of every shard, each in a task of its own.

    Parameters
    ----------
    session : SparkSession
    dataset : Dataset
    work : callable
        Events of whole subjects to a table of ``schema``; sent to the workers.
    schema : pyarrow.Schema

    Returns
    -------
    pyspark.sql.DataFrame
        Rows of all shards, in no order.
    """
    paths = [str(path.resolve()) for path in dataset.shards]
    numbers = session.range(0, len(paths), 1, len(paths))  # as many partitions as numbers
    task = partial(_task, paths=paths, work=work)
    return numbers.mapInArrow(task, from_arrow_schema(schema))


def _task(
    batches: Iterator[pa.RecordBatch], *, paths: list[str], work: Work
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield from work(read_shard(Path(paths[number]), past=True)).to_batches()


@dataclass(frozen=True, slots=True)
class _Scoring:
    """Score the inpatients of a shard, on a worker that has been sent the files of a bundle."""

    files: tuple[tuple[str, bytes], ...]
    moment: int
    synthetic: bool

    def __call__(self, events: Events) -> pa.Table:
        return score_shard(_unpacked(self.files), events, self.moment, synthetic=self.synthetic)


def _features(
    events: Events, *, feature_set: FeatureSet, moment: int, schema: pa.Schema
) -> pa.Table:
    known = events.known_at(moment)
    snapshots = inpatients_at(known, moment)
    matrix = compute_features(known, snapshots, feature_set)
    columns: dict[str, np.ndarray] = {
        "spell_id": snapshots.spell_id,
        "subject_id": snapshots.subject_id,
        "prediction_time": snapshots.prediction_time,
        DAYS_SO_FAR: snapshots.days_so_far.astype(np.float64),
        **dict(zip(feature_set.names, matrix.T, strict=True)),
    }
    return pa.table([pa.array(columns[name]) for name in schema.names], schema=schema)


def _files_of(bundle: Bundle) -> tuple[tuple[str, bytes], ...]:
    """A bundle as it lies on disk: what is sent is text and JSON with checksums, as everywhere."""
    with tempfile.TemporaryDirectory() as aside:
        save_bundle(bundle, Path(aside))
        return tuple((path.name, path.read_bytes()) for path in sorted(Path(aside).iterdir()))


@lru_cache(maxsize=2)
def _unpacked(files: tuple[tuple[str, bytes], ...]) -> Bundle:
    """Read a bundle from the files that were sent, every byte checked, once a worker process."""
    with tempfile.TemporaryDirectory() as aside:
        for name, content in files:
            (Path(aside) / name).write_bytes(content)
        return load_bundle(Path(aside))


def _collect(frame: DataFrame, schema: pa.Schema) -> pa.Table:
    """Bring the rows to this process; an error of ours on a worker is the same error here."""
    try:
        return frame.toArrow().cast(schema)
    except PySparkException as error:
        found = _BAD_INPUT.search(str(error))
        if found:
            raise BadInput(found[1]) from error
        msg = f"Spark: a task failed ({type(error).__name__}); its log says more"
        raise HomewardError(msg) from error
