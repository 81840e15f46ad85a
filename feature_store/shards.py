"""Features of many snapshots, shard by shard: memory is bounded by the shards at work."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from feature_store.compute import Matrix, compute_features
from feature_store.dataset import read_shard
from feature_store.definitions import FeatureSet
from feature_store.events import Events
from feature_store.snapshots import Snapshots

Shard = Path | Events
"""A file of events, or the events themselves where they are held in memory."""


def compute_shards(
    shards: Iterable[tuple[Shard, Snapshots]], feature_set: FeatureSet, *, threads: int = 1
) -> Iterator[Matrix]:
    """Features of each shard's own snapshots, one shard after another.

    Of a file without a past, only the events that the features read are taken up. Threads work on
    shards of their own (reading and the kernel leave Python alone), so as many shards as threads
    are in memory; the matrices are the same for any number of them.

    Parameters
    ----------
    shards : iterable of (Path or Events, Snapshots)
        Each with snapshots of its own subjects alone.
    feature_set : FeatureSet
    threads : int

    Yields
    ------
    ndarray of float64, shape (n_snapshots, n_features)
        In the order of the shards.

    Raises
    ------
    BadInput
        A file cannot be read.
    """
    if threads == 1:
        yield from (_features(shard, asked, feature_set) for shard, asked in shards)
        return
    todo = iter(shards)
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[Matrix]] = deque()
        for shard, asked in islice(todo, threads):
            running.append(pool.submit(_features, shard, asked, feature_set))
        while running:
            matrix = running.popleft().result()
            for shard, asked in islice(todo, 1):
                running.append(pool.submit(_features, shard, asked, feature_set))
            yield matrix


def _features(shard: Shard, asked: Snapshots, feature_set: FeatureSet) -> Matrix:
    events = shard if isinstance(shard, Events) else read_shard(shard, feature_set, past=True)
    return compute_features(events, asked, feature_set)
