"""The live store as an event dataset, for training and for elsewhere.

What was withdrawn, corrected or another patient's by then comes too, with the moments between which
it held: the dataset answers for every past moment as the store does, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, Result, case, func, select

from feature_store.clock import HOUR, to_moment
from feature_store.dataset import write_dataset
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, STILL_HOLDS, Events, Held, concatenate
from feature_store.live.database import reading
from feature_store.live.history import to_events
from feature_store.live.schema import EVENTS, FROM_API, RETRACTIONS
from feature_store.live.store import LiveStore
from feature_store.live.whose import Turns, Whose
from feature_store.manifest import Clock, Manifest
from feature_store.spells import Spells, find_spells
from feature_store.table import to_table

_ROWS_AT_ONCE: Final = 50_000
_EVENTS_PER_SHARD: Final = 1_000_000
_PROMPT: Final = HOUR


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
    settings : mapping of str to object
        How they were read, for the manifest.
    """

    source: str
    synthetic: bool
    content_hash: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


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
    events = read_past(store, at=at)
    spells = find_spells(events.current())
    if not len(spells):
        raise BadInput("live store: at least one spell expected, found none")
    manifest = Manifest(
        source=origin.source,
        synthetic=origin.synthetic,
        clock=Clock.EXACT,
        start=to_moment(int(spells.start.min())).isoformat(),
        observed_until=to_moment(at).isoformat(),
        counts={**_counts(spells), **_backdated(store, at), **(counts or {})},
        mapping_hash=origin.content_hash,
        settings=dict(origin.settings),
    )
    return write_dataset(folder, _shards(events), manifest)


def read_all(store: LiveStore, *, at: int) -> Events:
    """Every event known at a moment, each under the patient it is by then; in order."""
    return read_past(store, at=at).current()


def read_past(store: LiveStore, *, at: int) -> Events:
    """Every event ever known up to a moment, with the moments between which it held; in order."""
    with reading(store.engine) as connection:
        whose = Whose.read(connection, at=at)
        parts = [_held(list(some), whose) for some in _read(connection, at).partitions()]
    events = _shared(_one_owner_a_spell(concatenate(parts)), whose).in_order()
    return events if events.limited.any() else events.current()


def _read(connection: Connection, at: int) -> Result[Any]:
    wanted = ("subject_id", "time", "code", "numeric_value", "spell_id", "recorded_at")
    until = case((RETRACTIONS.c.retracted_at <= at, RETRACTIONS.c.retracted_at), else_=STILL_HOLDS)
    seen = func.greatest if connection.dialect.name == "postgresql" else func.max
    query = (
        select(*(EVENTS.c[name] for name in wanted), until.label("until"))
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(
            EVENTS.c.time <= at,
            EVENTS.c.recorded_at <= at,
            until > seen(EVENTS.c.time, EVENTS.c.recorded_at),  # else it never held
        )
    )
    return connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)


def _held(rows: Sequence[Any], whose: Whose) -> Events:
    """Events of rows, one for each patient that they were held to be of, one after another."""
    since = [NO_TIME] * len(rows)
    until = [row.until for row in rows]
    subject = [row.subject_id for row in rows]
    final, copies = list(subject), []
    for place, row in enumerate(rows):
        if whose.touches(row.subject_id, row.spell_id):
            turns = whose.turns(row.subject_id, row.spell_id)
            final[place] = turns[-1][1]
            spans = _spans(turns, max(row.time, row.recorded_at), row.until)
            since[place], until[place], subject[place] = spans[-1]
            copies += [(place, *span) for span in spans[:-1]]
    where, *more = zip(*copies, strict=True) if copies else ([], [], [], [])
    every = [*range(len(rows)), *where]
    events = to_events(rows).take(np.array(every, np.int64))
    held = Held(
        *(
            np.array([*first, *then], np.int64)
            for first, then in zip((since, until, subject), more, strict=True)
        )
    )
    return replace(events, subject_id=np.array(final, np.int64)[every], held=held)


def _one_owner_a_spell(events: Events) -> Events:
    """With every event of a spell under whoever it was said of last.

    A visit number that was voided for one patient may be given to another.
    """
    held = events.held
    if held is None:
        return events
    rows = np.flatnonzero(events.spell_id != NO_SPELL)
    keys = (events.visible_at[rows], held.until[rows], events.spell_id[rows])
    rows = rows[np.lexsort(keys)]
    spells, first = np.unique(events.spell_id[rows][::-1], return_index=True)
    owner = events.subject_id[rows][::-1][first]
    subject = events.subject_id.copy()
    subject[rows] = owner[np.searchsorted(spells, events.spell_id[rows])]
    return replace(events, subject_id=subject)


def _shared(events: Events, whose: Whose) -> Events:
    """With copies for whoever has to be asked about a spell that was, or was not yet, another's.

    Before a spell was found to be another patient's, it was answered from the first one's history,
    and was part of it. Neither of the two may lose that by the move.
    """
    held = events.held
    if held is None:
        return events
    parts, strange = [events], np.flatnonzero(held.subject_id != events.subject_id)
    pairs: dict[tuple[int, int], int] = {}
    columns = (events.subject_id, held.subject_id, held.until)
    for subject, then, until in zip(*(one[strange].tolist() for one in columns), strict=True):
        pairs[subject, then] = max(until, pairs.get((subject, then), until))
        pairs[whose.turns(then, NO_SPELL)[-1][1], then] = STILL_HOLDS
    for (subject, then), until in pairs.items():
        others = (held.subject_id == then) & (events.subject_id != subject)
        copy = events.take(others & (np.maximum(held.since, events.visible_at) < until))
        parts.append(copy.borrowed_by(subject, until=until))
    return concatenate(parts)


def _spans(turns: Turns, seen: int, until: int) -> list[tuple[int, int, int]]:
    """(since, until, patient) of an event first seen, and withdrawn, at these moments."""
    ends = [*(moment for moment, _ in turns[1:]), STILL_HOLDS]
    return [
        (since if since > seen else NO_TIME, min(end, until), owner)
        for (since, owner), end in zip(turns, ends, strict=True)
        if min(end, until) > max(since, seen)
    ]


def _shards(events: Events) -> Iterator[pa.Table]:
    """Tables of whole subjects."""
    begins = np.flatnonzero(np.diff(events.subject_id, prepend=-1))
    marks = np.searchsorted(begins, np.arange(0, len(events), _EVENTS_PER_SHARD))
    edges = np.unique([*begins[marks[marks < begins.size]].tolist(), len(events)])
    for first, end in pairwise(edges):
        yield to_table(events.take(np.arange(first, end)))


def _backdated(store: LiveStore, at: int) -> dict[str, int]:
    """Events that said nothing of when they were recorded and came over an hour after their time.

    They count as known at their time, as the interface has it; whether they were, nobody can say.
    """
    came_late = EVENTS.c.received_at > EVENTS.c.time + _PROMPT
    silent = (EVENTS.c.recorded_at == EVENTS.c.time) & (EVENTS.c.time != NO_TIME)
    known = (EVENTS.c.time <= at) & (EVENTS.c.source == FROM_API)
    query = select(func.count()).select_from(EVENTS).where(known, silent, came_late)
    with reading(store.engine) as connection:
        count = int(connection.scalar(query) or 0)
    return {"backdated_events": count} if count else {}


def _counts(spells: Spells) -> dict[str, int]:
    return {
        "spells": len(spells),
        "deaths": int(spells.died.sum()),
        "open_spells": int((~spells.ended).sum()),
        "rejected_rows": 0,
    }
