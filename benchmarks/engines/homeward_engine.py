"""Homeward's own feature function, shard by shard, in one thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.cases import Float64
from benchmarks.engines.history import read_snapshots
from benchmarks.engines.windows import FEATURES
from feature_store.compute import compute_features
from feature_store.dataset import open_dataset


def from_disk(folder: Path) -> Float64:
    """Parquet to matrix; a shard holds whole patients, so one is in memory at a time."""
    snapshots = read_snapshots(folder)
    matrix = np.empty((len(snapshots), len(FEATURES)))
    done = 0
    for events in open_dataset(folder).read_shards():
        upto = int(np.searchsorted(snapshots.subject_id, events.subject_id[-1], side="right"))
        rows = np.arange(done, upto)
        matrix[rows] = compute_features(events, snapshots.take(rows), FEATURES)
        done = upto
    return matrix


def in_memory(folder: Path) -> Callable[[], Float64]:
    """Events as columns, in order."""
    events, snapshots = open_dataset(folder).read().in_order(), read_snapshots(folder)
    return lambda: compute_features(events, snapshots, FEATURES)
