"""The live store as an event dataset: what is known by a moment, for training and for elsewhere.

A dataset has no word for "no longer": an event that was retracted by then is left out, also of the
past. What the store gives for the moment itself is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, select

from feature_store.clock import to_moment
from feature_store.dataset import write_dataset
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, Events, Int64, concatenate
from feature_store.live.database import reading
from feature_store.live.history import known_at, to_events
from feature_store.live.people import everybody
from feature_store.live.schema import EVENTS, MOVES, RETRACTIONS
from feature_store.live.store import LiveStore
from feature_store.manifest import Clock, Manifest
from feature_store.spells import Spells, find_spells
from feature_store.table import to_table

_ROWS_AT_ONCE: Final = 50_000
_EVENTS_PER_SHARD: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the events of a store came from.

    Parameters
    ----------
    source : str
        A name, without folders.
    synthetic : bool
    content_hash : str
        SHA-256 over the source; empty for a live feed.
    """

    source: str
    synthetic: bool
    content_hash: str = ""


def write_live_dataset(
    store: LiveStore,
    folder: Path,
    *,
    at: int,
    origin: Origin,
    counts: Mapping[str, int] | None = None,
) -> Manifest:
    """Write what is known at a moment into a folder of :func:`feature_store.dataset.fresh_folder`.

    Parameters
    ----------
    store : LiveStore
    folder : Path
    at : int
        UTC microseconds; spells open then are censored then.
    origin : Origin
    counts : mapping of str to int, optional
        Beside the usual ones.

    Raises
    ------
    BadInput
        There is no spell in the store, or one with two beginnings.
    """
    events = read_all(store, at=at)
    spells = find_spells(events)
    if not len(spells):
        raise BadInput("live store: at least one spell expected, found none")
    manifest = Manifest(
        source=origin.source,
        synthetic=origin.synthetic,
        clock=Clock.EXACT,
        start=to_moment(int(spells.start.min())).isoformat(),
        observed_until=to_moment(at).isoformat(),
        counts={**_counts(spells), **(counts or {})},
        mapping_hash=origin.content_hash,
    )
    return write_dataset(folder, _shards(events), manifest)


def read_all(store: LiveStore, *, at: int) -> Events:
    """Every event known at a moment, each under the patient it is by then; in order."""
    with reading(store.engine) as connection:
        events = _read(connection, at)
        survivors = everybody(connection, as_of=at)
        owners = _owners(connection, at)
    subject = _replaced(events.subject_id, events.spell_id, owners)
    subject = _replaced(subject, subject, survivors)
    return replace(events, subject_id=subject).in_order()


def _read(connection: Connection, at: int) -> Events:
    wanted = ("subject_id", "time", "code", "numeric_value", "spell_id", "recorded_at")
    query = (
        select(*(EVENTS.c[name] for name in wanted))
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(known_at(at))
    )
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
    return concatenate([to_events(some) for some in rows.partitions()])


def _owners(connection: Connection, at: int) -> dict[int, int]:
    query = select(MOVES.c.spell_id, MOVES.c.subject_id).where(MOVES.c.recorded_at <= at)
    rows: list[Any] = list(connection.execute(query.order_by(MOVES.c.entry)))
    return {row.spell_id: row.subject_id for row in rows}


def _replaced(column: Int64, key: Int64, table: Mapping[int, int]) -> Int64:
    """Column with the table's value wherever the key is in the table."""
    if not table:
        return column
    keys = np.array(sorted(table), np.int64)
    values = np.array([table[one] for one in keys.tolist()], np.int64)
    place = np.minimum(np.searchsorted(keys, key), keys.size - 1)
    return np.where((keys[place] == key) & (key != NO_SPELL), values[place], column)


def _shards(events: Events) -> Iterator[pa.Table]:
    """Tables of whole subjects."""
    begins = np.flatnonzero(np.diff(events.subject_id, prepend=-1))
    marks = np.searchsorted(begins, np.arange(0, len(events), _EVENTS_PER_SHARD))
    edges = np.unique([*begins[marks[marks < begins.size]].tolist(), len(events)])
    for first, end in pairwise(edges):
        yield to_table(events.take(np.arange(first, end)))


def _counts(spells: Spells) -> dict[str, int]:
    return {
        "spells": len(spells),
        "deaths": int(spells.died.sum()),
        "open_spells": int((~spells.ended).sum()),
        "rejected_rows": 0,
    }
