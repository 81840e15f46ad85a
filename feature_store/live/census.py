"""The inpatients with all that is known of them, from memory: the store's own answer, sooner.

Reading a thousand histories takes seconds, and in a minute few of them change. So each is kept as
it lies in the database, retracted and future events included, and only those are read again that
:mod:`feature_store.live.changes` names; which events are knowledge at a moment is decided anew for
each question. Patients who were merged or whose spells moved are few, and are read every time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, select

from feature_store.events import Events, Int64, concatenate
from feature_store.live.changes import changed_since, last_change
from feature_store.live.database import reading
from feature_store.live.history import read_histories
from feature_store.live.messages import batched
from feature_store.live.schema import EVENTS, LINKS, MOVES, RETRACTIONS
from feature_store.live.spell_index import Inpatient, read_inpatients
from feature_store.live.store import LiveStore, snapshots_of
from feature_store.snapshots import Snapshots
from feature_store.spells import STILL_HERE

_COLUMNS: Final = ("subject_id", "time", "code", "numeric_value", "spell_id", "recorded_at")
_SPARE: Final = 2000
"""Patients kept beside those asked about last, before all others are let go."""


@dataclass(frozen=True, slots=True, eq=False)
class Present:
    """Who was in hospital at a moment, and all that was known of them.

    Parameters
    ----------
    at : int
        UTC microseconds.
    inpatients : list of Inpatient
    events : Events
        In order.
    change : int
        Last change of the store that is in it.
    """

    at: int
    inpatients: list[Inpatient]
    events: Events
    change: int

    @property
    def snapshots(self) -> Snapshots:
        """One question about each of the inpatients, in their order."""
        return snapshots_of(self.inpatients, self.at)


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """Every event of a patient that the store ever took, and when it ceased to hold."""

    events: Events
    retracted_at: Int64
    spells: frozenset[int]


class Census:
    """Answers what :meth:`LiveStore.question` would; may be shared by threads.

    Parameters
    ----------
    store : LiveStore
    """

    def __init__(self, store: LiveStore) -> None:
        self._store = store
        self._records: dict[int, _Record] = {}
        self._change = 0
        self._lock = Lock()

    def last_change(self) -> int:
        """Number of the store's last change."""
        with reading(self._store.engine) as connection:
            return last_change(connection)

    def question(self, at: int, *, spell: int | None = None) -> Present:
        """Inpatients at a moment, or one of them, with their events as known then.

        Raises
        ------
        StoreUnavailable
        """
        with self._lock, reading(self._store.engine) as connection:
            change = self._keep_up(connection)
            found = read_inpatients(connection, at=at, spell=spell)
            wanted = {one.subject_id for one in found}
            tangled = self._tangled(connection, wanted)
            known = _known_at([self._records[one] for one in sorted(wanted - tangled)], at)
            fresh = read_histories(connection, sorted(tangled), as_of=at)
            self._let_go(wanted)
        events = known if not len(fresh) else concatenate([known, fresh]).in_order()
        return Present(at, found, events, change)

    def _keep_up(self, connection: Connection) -> int:
        """Forget what changed since; what is asked for will be read again."""
        for subject in changed_since(connection, self._change):
            self._records.pop(subject, None)
        self._change = last_change(connection)
        return self._change

    def _tangled(self, connection: Connection, wanted: Collection[int]) -> set[int]:
        """Those of these patients who are not themselves alone; the others are read if need be."""
        moved = set(connection.scalars(select(MOVES.c.spell_id).distinct()))
        tangled = set(connection.scalars(select(LINKS.c.subject_id).distinct()))
        tangled |= set(connection.scalars(select(MOVES.c.subject_id).distinct()))
        missing = sorted(set(wanted) - tangled - set(self._records))
        self._records.update(_read(connection, missing))
        alone = set(wanted) - tangled
        return set(wanted) - {one for one in alone if not self._records[one].spells & moved}

    def _let_go(self, wanted: Collection[int]) -> None:
        if len(self._records) > len(wanted) + _SPARE:
            self._records = {one: self._records[one] for one in wanted if one in self._records}


def _known_at(records: list[_Record], at: int) -> Events:
    events = concatenate([record.events for record in records])
    gone = [record.retracted_at for record in records]
    retracted_at = np.concatenate(gone) if gone else np.zeros(0, np.int64)
    held = (events.time <= at) & (events.recorded_at <= at) & (retracted_at > at)
    return events.take(held)


def _read(connection: Connection, subjects: list[int]) -> Iterator[tuple[int, _Record]]:
    """Records of patients, those of whom nothing was ever said included."""
    query = select(*(EVENTS.c[name] for name in _COLUMNS), RETRACTIONS.c.retracted_at).outerjoin(
        RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id
    )
    for some in batched(subjects, 400):
        rows = connection.execute(query.where(EVENTS.c.subject_id.in_(some))).all()
        yield from _split(rows, some)


def _split(rows: Collection[Any], subjects: Collection[int]) -> Iterator[tuple[int, _Record]]:
    columns = list(zip(*rows, strict=True)) or [()] * (len(_COLUMNS) + 1)
    told = dict(zip(_COLUMNS, columns, strict=False))
    told["numeric_value"] = tuple(np.nan if v is None else v for v in told["numeric_value"])
    events = Events.build(**told)
    gone = np.array([STILL_HERE if moment is None else moment for moment in columns[-1]], np.int64)
    order = events.order()
    events, gone = events.take(order), gone[order]
    for subject in subjects:
        first, end = np.searchsorted(events.subject_id, [subject, subject + 1])
        mine = events.take(np.arange(first, end))
        yield subject, _Record(mine, gone[first:end], frozenset(mine.spell_id.tolist()))
