"""Homeward's own feature function, shard by shard: a shard holds whole patients."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.cases import Float64
from benchmarks.engines.history import read_snapshots
from benchmarks.engines.windows import FEATURES
from feature_store.dataset import open_dataset
from feature_store.shards import Shard, compute_shards
from feature_store.snapshots import Snapshots


def from_disk(folder: Path) -> Float64:
    """Parquet to matrix."""
    return np.concatenate(list(shard_matrices(folder)))


def shard_matrices(folder: Path) -> Iterator[Float64]:
    """Parquet to the matrix of one shard after another."""
    shards = open_dataset(folder).shards
    return _matrices(shards, _parted(shards, read_snapshots(folder)))


def in_memory(folder: Path) -> Callable[[], Float64]:
    """Events of the codes in question as columns, in order, a set for each shard."""
    dataset = open_dataset(folder)
    held = list(dataset.read_shards(FEATURES))
    asked = list(_parted(dataset.shards, read_snapshots(folder)))
    return lambda: np.concatenate(list(_matrices(held, asked)))


def _parted(shards: Iterable[Path], snapshots: Snapshots) -> Iterator[Snapshots]:
    """Snapshots of each shard's subjects; its last subject is told by the end of the file."""
    done = 0
    for shard in shards:
        told = pq.read_metadata(shard)
        last = told.row_group(told.num_row_groups - 1).column(0).statistics.max
        upto = int(np.searchsorted(snapshots.subject_id, last, side="right"))
        yield snapshots.take(np.arange(done, upto))
        done = upto


def _matrices(shards: Sequence[Shard], asked: Iterable[Snapshots]) -> Iterator[Float64]:
    threads = min(int(os.environ.get("BENCHMARK_THREADS", "2")), len(shards))
    return compute_shards(zip(shards, asked, strict=True), FEATURES, threads=threads)
