"""Made-up histories for the engines: uneven numbers of events, recorded after they happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cases import Int64
from benchmarks.engines.windows import CODES, MICROSECONDS, SNAPSHOTS
from feature_store.clock import DAY
from feature_store.dataset import write_dataset
from feature_store.events import NO_SPELL, Events
from feature_store.manifest import Clock, Manifest
from feature_store.snapshots import Snapshots
from feature_store.table import to_table

EVENTS_A_PATIENT: Final = 333
SHARD_EVENTS: Final = 1_000_000
DAYS: Final = 3 * 365

_OTHERS: Final = ("ALBUMIN", "LACTATE", "SODIUM", "WARD", "WATERLOW")
_NAMES: Final = tuple(sorted((*CODES, *_OTHERS)))


def write_history(
    folder: Path, *, patients: int, events: int, snapshots: int, seed: int = 1
) -> None:
    """Write an event dataset and, beside it, the questions about it.

    Parameters
    ----------
    folder : Path
        New.
    patients : int
    events : int
        In all, unevenly: a tenth of the patients has about half.
    snapshots : int
    seed : int
    """
    generator = np.random.default_rng(seed)
    folder.mkdir()
    share = generator.lognormal(0.0, 1.2 if patients > 1 else 0.0, patients)
    count = np.maximum(np.round(events * share / share.sum()), 1).astype(np.int64)
    manifest = Manifest(
        source="made-up histories",
        synthetic=True,
        clock=Clock.EXACT,
        start="1970-01-01T00:00:00+00:00",
        observed_until="1973-01-01T00:00:00+00:00",
    )
    write_dataset(folder, _shards(generator, count), manifest)
    subject = np.sort(generator.integers(0, patients, snapshots))
    moment = generator.integers(DAYS // 2 * DAY, DAYS * DAY, snapshots)
    table = pa.table({"row": np.arange(snapshots), "subject_id": subject, "moment": moment})
    pq.write_table(table, folder / SNAPSHOTS)


def _shards(generator: np.random.Generator, count: Int64) -> Iterator[pa.Table]:
    first = 0
    while first < count.size:
        within = np.cumsum(count[first:])
        last = first + max(int(np.searchsorted(within, SHARD_EVENTS, side="right")), 1)
        yield to_table(_events(generator, np.arange(first, last), count[first:last]))
        first = last


def _events(generator: np.random.Generator, subjects: Int64, count: Int64) -> Events:
    subject = np.repeat(subjects, count)
    size = subject.size
    time = generator.integers(0, DAYS * DAY, size)
    return Events(
        subject_id=subject,
        time=time,
        code=generator.integers(0, len(_NAMES), size).astype(np.int32),
        # Quarters below 256: sums are exact in any order, so that engines can agree to the bit.
        numeric_value=(generator.integers(0, 1024, size) / 4).astype(np.float32),
        spell_id=np.full(size, NO_SPELL, np.int64),
        recorded_at=time + (generator.exponential(3.0, size) * MICROSECONDS).astype(np.int64),
        codes=_NAMES,
    ).in_order()


def read_snapshots(folder: Path) -> Snapshots:
    """Read the questions, in order of subject."""
    table = pq.read_table(folder / SNAPSHOTS)
    moment = table["moment"].to_numpy()
    return Snapshots(
        table["subject_id"].to_numpy(), np.zeros(moment.size, np.int64), moment, moment
    )
