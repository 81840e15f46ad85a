"""What was known of patients at a moment: one query, through merges, moves and retractions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.types import BigInteger

from feature_store.events import Events
from feature_store.live.schema import EVENTS, LINKS, MOVES, RETRACTIONS

_SIZES: Final = (1, 20, 400)
"""Patients a query: few different statements, so that each is put into words but once. SQLite
takes no more than 500 terms of a union."""

_ONE_BATCH: Final = 10_000

Moment = int | BindParameter[int]

_COLUMNS = ("subject_id", "time", "code", "numeric_value", "spell_id", "recorded_at")


def read_histories(connection: Connection, subjects: Sequence[int], *, as_of: int) -> Events:
    """Everything that the store could know of some patients at a moment.

    Of merged patients each brings the whole: an event comes back once for every one of ``subjects``
    whose it is by then, labelled with that subject.

    Parameters
    ----------
    connection : Connection
    subjects : sequence of int
    as_of : int
        UTC microseconds. An event counts if it had happened and been recorded by then and was not
        yet retracted; a merge or a move counts from when it was recorded.

    Returns
    -------
    Events
        In order.
    """
    rows: list[Any] = []
    wanted = sorted(set(subjects))
    while wanted:
        size = next((size for size in _SIZES if size >= len(wanted)), _SIZES[-1])
        some, wanted = wanted[:size], wanted[size:]
        some += [some[-1]] * (size - len(some))  # whoever is asked about twice comes back once
        told = {f"subject_{place}": subject for place, subject in enumerate(some)}
        rows += connection.execute(_query(size), {"as_of": as_of, **told}).all()
    return to_events(rows).in_order()


def last_recording(connection: Connection) -> int:
    """When the newest of the events that came last was recorded; the beginning of time without one.

    Looks at as many as one batch can bring: for a replay, which brings events in their order.
    """
    last = select(EVENTS.c.recorded_at).order_by(EVENTS.c.id.desc()).limit(_ONE_BATCH).subquery()
    return int(connection.scalar(select(func.max(last.c.recorded_at))) or 0)


def to_events(rows: Iterable[Any]) -> Events:
    """Events, row by row, from rows of subject, time, code, value, spell, recording and more."""
    columns = list(zip(*(row[: len(_COLUMNS)] for row in rows), strict=True)) or [()] * len(
        _COLUMNS
    )
    told = dict(zip(_COLUMNS, columns, strict=True))
    told["numeric_value"] = tuple(np.nan if v is None else v for v in told["numeric_value"])
    return Events.build(**told)


def known_at(as_of: Moment) -> ColumnElement[bool]:
    """Condition on an event, outer-joined to its retraction, to be knowledge at a moment."""
    return and_(
        EVENTS.c.time <= as_of,
        EVENTS.c.recorded_at <= as_of,
        or_(RETRACTIONS.c.retracted_at.is_(None), RETRACTIONS.c.retracted_at > as_of),
    )


@lru_cache
def _query(size: int) -> Select[Any]:
    """Statement for ``size`` patients: parameters ``subject_0`` and so on, and ``as_of``."""
    as_of = bindparam("as_of", type_=BigInteger)
    same = _same_people(size, as_of)
    found = union(_said_of(same, as_of), _moved_to(same, as_of)).subquery("found")
    return select(found)


def _same_people(size: int, as_of: Moment) -> CTE:
    """Pairs of an asked subject and everybody who was known to be the same, itself first."""
    asked = (bindparam(f"subject_{place}", type_=BigInteger) for place in range(size))
    told = union_all(*(select(cast(one, BigInteger).label("seed")) for one in asked)).cte("asked")
    seed = told.c.seed
    same = select(seed.label("seed"), seed.label("subject")).cte("same", recursive=True)
    return same.union(
        select(same.c.seed, LINKS.c.same_as)
        .join(LINKS, LINKS.c.subject_id == same.c.subject)
        .where(LINKS.c.recorded_at <= as_of)
    )


def _facts(same: CTE) -> Select[Any]:
    others = (EVENTS.c.time, EVENTS.c.code, EVENTS.c.numeric_value, EVENTS.c.spell_id)
    # The number of the event keeps apart two facts that differ only in their source.
    return select(same.c.seed, *others, EVENTS.c.recorded_at, EVENTS.c.id)


def _said_of(same: CTE, as_of: Moment) -> Select[Any]:
    """Events that were said of these people, but for spells that moved to others."""
    last = (
        select(MOVES.c.subject_id)
        .where(MOVES.c.spell_id == EVENTS.c.spell_id, MOVES.c.recorded_at <= as_of)
        .order_by(MOVES.c.entry.desc())
        .limit(1)
        .correlate(EVENTS)
        .scalar_subquery()
    )
    mine = same.alias("mine")
    stayed = or_(
        last.is_(None),
        exists().where(mine.c.seed == same.c.seed, mine.c.subject == last).correlate(same, EVENTS),
    )
    return (
        _facts(same)
        .join(EVENTS, EVENTS.c.subject_id == same.c.subject)
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(known_at(as_of), stayed)
    )


def _moved_to(same: CTE, as_of: Moment) -> Select[Any]:
    """Events of spells whose last move was to these people."""
    later = MOVES.alias("later")
    superseded = exists().where(
        later.c.spell_id == MOVES.c.spell_id,
        later.c.recorded_at <= as_of,
        later.c.entry > MOVES.c.entry,
    )
    return (
        _facts(same)
        .join(MOVES, MOVES.c.subject_id == same.c.subject)
        .join(EVENTS, EVENTS.c.spell_id == MOVES.c.spell_id)
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(MOVES.c.recorded_at <= as_of, ~superseded, known_at(as_of))
    )
