"""Simulate a trust: to a folder, or in memory for tests and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import SeedSequence, default_rng

from feature_store.clock import at_local_hour, to_moment
from feature_store.dataset import fresh_folder, write_dataset
from feature_store.events import Events, concatenate
from feature_store.manifest import Clock, Manifest
from feature_store.simulation.chunk import CHUNK_SPELLS, make_chunk
from feature_store.simulation.settings import TrustSettings
from feature_store.simulation.trust import Trust, open_sites
from feature_store.simulation.truth import Truth
from feature_store.spells import Spells
from feature_store.table import to_table

TRUTH_FILE: Final = "truth.parquet"

Progress = Callable[[int, int], None]


def simulate(settings: TrustSettings, out: Path, *, progress: Progress | None = None) -> Manifest:
    """Write a synthetic trust as an event dataset, with the truth beside the events.

    Parameters
    ----------
    settings : TrustSettings
    out : Path
        A new folder; it appears whole or not at all.
    progress : callable, optional
        Called with spells done and spells wanted after each chunk.

    Returns
    -------
    Manifest
        Always ``synthetic``.

    Raises
    ------
    BadInput
        ``out`` exists.
    """
    counts = {"spells": 0, "deaths": 0, "open_spells": 0, "rejected_rows": 0, "snapshots": 0}
    with fresh_folder(out) as folder:
        shards = _shards(settings, folder / TRUTH_FILE, counts, progress)
        # write_dataset reads the counts after the last shard, by when the shards have filled them.
        return write_dataset(folder, shards, _manifest(settings, counts))


def simulate_events(settings: TrustSettings) -> tuple[Events, Truth]:
    """Events and truth of a synthetic trust, in memory.

    >>> events, truth = simulate_events(TrustSettings(spells=50, seed=7))
    >>> bool((truth.p_7 >= truth.p_21).all())
    True
    """
    chunks = [(events, truth) for events, truth, _ in _chunks(settings)]
    return concatenate([events for events, _ in chunks]), Truth.stack(
        [truth for _, truth in chunks]
    )


def _chunks(settings: TrustSettings) -> Iterator[tuple[Events, Truth, Spells]]:
    rng = default_rng(SeedSequence(settings.seed, spawn_key=(0,)))
    trust = Trust(settings, open_sites(rng, settings.sites))
    for number, done in enumerate(range(0, settings.spells, CHUNK_SPELLS)):
        yield make_chunk(trust, number, min(CHUNK_SPELLS, settings.spells - done))


def _shards(
    settings: TrustSettings, truth_path: Path, counts: dict[str, int], progress: Progress | None
) -> Iterator[pa.Table]:
    writer: pq.ParquetWriter | None = None
    try:
        for events, truth, spells in _chunks(settings):
            table = truth.to_table()
            if writer is None:
                writer = pq.ParquetWriter(truth_path, table.schema, compression="zstd")
            writer.write_table(table)
            _count(counts, spells, truth)
            if progress is not None:
                progress(counts["spells"], settings.spells)
            yield to_table(events)
    finally:
        if writer is not None:
            writer.close()


def _count(counts: dict[str, int], spells: Spells, truth: Truth) -> None:
    counts["spells"] += len(spells)
    counts["deaths"] += int(spells.died.sum())
    counts["open_spells"] += int((~spells.ended).sum())
    counts["snapshots"] += int(truth.spell_id.size)


def _manifest(settings: TrustSettings, counts: dict[str, int]) -> Manifest:
    start = int(at_local_hour(np.array([settings.first_day]), 0)[0])
    return Manifest(
        source=f"synthetic trust (seed {settings.seed})",
        synthetic=True,
        clock=Clock.EXACT,
        start=to_moment(start).isoformat(),
        observed_until=to_moment(settings.until).isoformat(),
        counts=counts,
        mapping_hash=settings.digest(),
        settings=settings.as_dict(),
    )
