"""The live store: events go in for good, and what was known at any moment comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Engine, select

from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.live.changes import note_changes
from feature_store.live.checks import check_events
from feature_store.live.database import insert_new, migrate, open_engine, reading, write
from feature_store.live.history import read_histories
from feature_store.live.messages import count_old, forget
from feature_store.live.names import keep_names
from feature_store.live.schema import EVENTS, FROM_API, RETRACTIONS
from feature_store.live.spell_index import (
    MARKS,
    Inpatient,
    hold_spells,
    read_inpatients,
    refresh_spells,
)
from feature_store.snapshots import Snapshots

MOST_EVENTS: Final = 10_000
"""In one batch, as ``POST /v1/events`` takes them."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch.

    Parameters
    ----------
    added : int
        Events that were new.
    known : int
        Events that the store, or the batch itself, held already.
    """

    added: int
    known: int


class LiveStore:
    """Events of an installation, in SQLite or PostgreSQL.

    Several processes and threads may use one database, each process with a store of its own; a
    store may be shared by threads.

    Parameters
    ----------
    engine : Engine
        Of a database whose schema is up to date: :func:`open_store`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    # ---- in --------------------------------------------------------------------------------------

    def append(
        self, events: Events, *, received_at: int, names: Mapping[int, str] | None = None
    ) -> Appended:
        """Keep a batch for good, all of it or nothing; what is known already stays as it is.

        Parameters
        ----------
        events : Events
            At most ``MOST_EVENTS``.
        received_at : int
            Now, UTC microseconds.
        names : mapping of int to str, optional
            Sealed names of spells (``Names.seal``), kept with the events.

        Raises
        ------
        BadInput
            The batch is too large, or an event of it cannot be a fact: nothing was kept.
        StoreUnavailable
            Nothing was kept.
        """
        if len(events) > MOST_EVENTS:
            msg = f"events: at most {MOST_EVENTS} in a batch expected, got {len(events)}"
            raise BadInput(msg)
        check_events(events, received_at=received_at)
        ordered = events.in_order()

        def work(connection: Connection) -> int:
            keep_names(connection, names or {})
            return insert_events(connection, ordered, received_at=received_at, source=FROM_API)

        added = write(self.engine, work)
        return Appended(added, len(events) - added)

    def retract(self, events: Events, *, at: int) -> int:
        """Say that events which were appended do not hold, from now on; the past stays as it was.

        Parameters
        ----------
        events : Events
            Retracted is what has the same subject, spell, code, time and value, whenever it was
            recorded. Events that came as HL7 messages are corrected by HL7 messages alone.
        at : int
            Now, UTC microseconds.

        Returns
        -------
        int
            How many events ceased to hold; those retracted before do not count again.
        """
        marks = events.take(events.rows_of(*MARKS))

        def work(connection: Connection) -> int:
            held = hold_spells(connection, marks.spell_id.tolist())
            found = _matching(connection, events, at)
            rows = [{"event_id": one, "retracted_at": at, "source": FROM_API} for one in found]
            count = insert_new(connection, RETRACTIONS, rows)
            refresh_spells(connection, held)
            note_changes(connection, events.subject_id.tolist(), spells=events.spell_id.tolist())
            return count

        return write(self.engine, work)

    def count_messages(self, *, received_before: int) -> int:
        """How many HL7 messages :meth:`forget_messages` would drop the text of."""
        with reading(self.engine) as connection:
            return count_old(connection, received_before=received_before)

    def forget_messages(self, *, received_before: int) -> None:
        """Drop the text of older HL7 messages, which names patients; what they said stays.

        Parameters
        ----------
        received_before : int
            UTC microseconds, by the site's retention schedule.
        """
        write(self.engine, lambda connection: forget(connection, received_before=received_before))

    # ---- out -------------------------------------------------------------------------------------

    def history(self, subject: int, *, as_of: int) -> Events:
        """Everything that could be known of one patient at a moment, in one query.

        Parameters
        ----------
        subject : int
            Of merged patients, any: after the merge each means the whole.
        as_of : int
            UTC microseconds, inclusive. Later recordings and later corrections are not seen.
        """
        return self.histories([subject], as_of=as_of)

    def histories(self, subjects: Sequence[int], *, as_of: int) -> Events:
        """:meth:`history` of several patients, each labelled with the subject asked for."""
        with reading(self.engine) as connection:
            return read_histories(connection, subjects, as_of=as_of)

    def inpatients(
        self, at: int, *, site: str | None = None, ward: str | None = None
    ) -> list[Inpatient]:
        """Spells known to be open at a moment, found by index, in order of spell.

        Parameters
        ----------
        at : int
            UTC microseconds.
        site, ward : str, optional
            Values of the families ``SITE`` and ``WARD``: only who was known to be there.
        """
        with reading(self.engine) as connection:
            found = read_inpatients(connection, at=at)
        return [one for one in found if site in {None, one.site} and ward in {None, one.ward}]

    def question(
        self, at: int, *, site: str | None = None, ward: str | None = None
    ) -> tuple[Events, Snapshots]:
        """Events and snapshots of the inpatients at a moment: what ``compute_features`` takes.

        Returns
        -------
        Events
            Of everybody asked about, as known at ``at``.
        Snapshots
            One for each of :meth:`inpatients`, in the same order.
        """
        with reading(self.engine) as connection:
            found = [
                one
                for one in read_inpatients(connection, at=at)
                if site in {None, one.site} and ward in {None, one.ward}
            ]
            events = read_histories(connection, [one.subject_id for one in found], as_of=at)
        return events, snapshots_of(found, at)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def open_store(url: str, *, durable: bool = True, wait_seconds: float | None = None) -> LiveStore:
    """Open the live store at an address, made or brought up to date where it needs to be.

    Parameters
    ----------
    url : str
        ``sqlite:///PATH`` or ``postgresql://...``.
    durable : bool
        Whether an acknowledged write must survive a power cut; false only for a scratch file.
    wait_seconds : float, optional
        As for ``open_engine``.

    Raises
    ------
    BadInput
        Another kind of address, or a store that a newer Homeward wrote.
    StoreUnavailable
    """
    engine = open_engine(url, durable=durable, wait_seconds=wait_seconds)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return LiveStore(engine)


# ---- inside a transaction ------------------------------------------------------------------------


def insert_events(connection: Connection, events: Events, *, received_at: int, source: int) -> int:
    """Insert the new ones of some events and keep the index of spells true."""
    marks = events.take(events.rows_of(*MARKS))
    held = hold_spells(connection, marks.spell_id.tolist())
    added = insert_new(connection, EVENTS, _rows(events, received_at, source))
    refresh_spells(connection, held)
    if added:
        note_changes(connection, events.subject_id.tolist(), spells=events.spell_id.tolist())
    return added


def _rows(events: Events, received_at: int, source: int) -> list[dict[str, Any]]:
    names = ("subject_id", "spell_id", "time", "recorded_at")
    columns = [getattr(events, name).tolist() for name in names]
    codes = [events.codes[index] for index in events.code.tolist()]
    values = [None if isnan(value) else value for value in events.numeric_value.tolist()]
    return [
        {
            **dict(zip(names, row[:4], strict=True)),
            "code": row[4],
            "numeric_value": row[5],
            "source": source,
            "received_at": received_at,
        }
        for row in zip(*columns, codes, values, strict=True)
    ]


def _matching(connection: Connection, events: Events, at: int) -> list[int]:
    """Numbers of the appended events that say the same as these."""
    found: set[int] = set()
    for row in _rows(events, at, FROM_API):
        same = (EVENTS.c[name] == row[name] for name in ("subject_id", "spell_id", "time", "code"))
        value = EVENTS.c.numeric_value.is_not_distinct_from(row["numeric_value"])
        query = select(EVENTS.c.id).where(*same, value, EVENTS.c.source == FROM_API)
        found.update(connection.scalars(query.where(EVENTS.c.recorded_at <= at)))
    return sorted(found)


def snapshots_of(found: Sequence[Inpatient], at: int) -> Snapshots:
    """One question about each of these spells, at one moment."""
    columns = (
        [getattr(one, name) for one in found] for name in ("subject_id", "spell_id", "start")
    )
    subject_id, spell_id, start = (np.array(column, np.int64) for column in columns)
    return Snapshots(subject_id, spell_id, start, np.full(len(found), at, np.int64))
