"""The one way by which anything leaves the record: by class and age, and accounted for.

Features and reasons go and their scores stay: the chain holds only their digest. Where whole rows
go, a gap keeps the hash that the chain goes on from, and a chained row accounts for the gaps.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, select

from feature_store.live.database import write
from service.record.chain import digest_of_gaps, link
from service.record.schema import (
    DETAILS,
    FEEDBACK,
    GAPS,
    NAME_OF,
    PERMITS,
    RETENTIONS,
    SCORES,
)
from service.record.verification import FEATURES
from service.record.writing import begin_chain, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Select, Table

_PORTION: Final = 400


class Kind(StrEnum):
    """What has a time of keeping of its own."""

    SCORES = "scores"
    FEATURES = FEATURES
    FEEDBACK = "feedback"


_ROWS_OF: Final[dict[Kind, tuple[Table, ColumnElement[int]]]] = {
    Kind.SCORES: (SCORES, SCORES.c.answered_at),
    Kind.FEEDBACK: (FEEDBACK, FEEDBACK.c.given_at),
}


def due(engine: Engine, kind: Kind, *, before: int) -> int:
    """How many rows of a kind are older than a moment (UTC microseconds).

    Raises
    ------
    StoreUnavailable
    """
    prepare(engine)
    with engine.connect() as connection:
        return (
            connection.scalar(select(func.count()).select_from(_old(kind, before).subquery())) or 0
        )


def drop(engine: Engine, kind: Kind, *, before: int, now: int) -> int:
    """Delete what is older than a moment, all of it or nothing, and account for it.

    Parameters
    ----------
    engine : Engine
    kind : Kind
        Dropping scores drops their features as well.
    before, now : int
        UTC microseconds.

    Returns
    -------
    int
        How many rows went.

    Raises
    ------
    StoreUnavailable
        Nothing was deleted.
    """
    prepare(engine)
    return write(engine, lambda connection: _drop(connection, kind, before, now))


def _drop(connection: Connection, kind: Kind, before: int, now: int) -> int:
    old = list(connection.scalars(_old(kind, before)))
    if not old:
        return 0
    end = begin_chain(connection, now=now)  # a chain of its own: no writer need wait
    retention = end.entry + 1
    gaps = [] if kind is Kind.FEATURES else _gaps(connection, kind, before, retention)
    connection.execute(insert(PERMITS), [{"retention": retention}])
    _delete(connection, kind, old)
    connection.execute(delete(PERMITS))
    if gaps:
        names = GAPS.c.keys()
        connection.execute(insert(GAPS), [dict(zip(names, gap, strict=True)) for gap in gaps])
    cells = (retention, now, kind.value, before, len(old), digest_of_gaps(gaps))
    row = (*cells, link(end.hash, NAME_OF[RETENTIONS], cells))
    connection.execute(insert(RETENTIONS), [dict(zip(RETENTIONS.c.keys(), row, strict=True))])
    return len(old)


def _old(kind: Kind, before: int) -> Select[Any]:
    if kind is Kind.FEATURES:
        both = DETAILS.join(SCORES, SCORES.c.entry == DETAILS.c.entry)
        return select(DETAILS.c.entry).select_from(both).where(SCORES.c.answered_at < before)
    table, moment = _ROWS_OF[kind]
    return select(table.c.entry).where(moment < before).order_by(table.c.entry)


def _gaps(
    connection: Connection, kind: Kind, before: int, retention: int
) -> list[tuple[int, int, bytes, int]]:
    """Runs of neighbours among the rows that go: first and last entry, and the hash of the last."""
    table, moment = _ROWS_OF[kind]
    rows = connection.execute(
        select(table.c.entry, table.c.row_hash).where(moment < before).order_by(table.c.entry)
    )
    gaps: list[tuple[int, int, bytes, int]] = []
    for entry, row_hash in rows:
        if gaps and gaps[-1][1] + 1 == entry:
            gaps[-1] = (gaps[-1][0], entry, row_hash, retention)
        else:
            gaps.append((entry, entry, row_hash, retention))
    return gaps


def _delete(connection: Connection, kind: Kind, old: Sequence[int]) -> None:
    tables = {
        Kind.SCORES: (DETAILS, SCORES),
        Kind.FEATURES: (DETAILS,),
        Kind.FEEDBACK: (FEEDBACK,),
    }[kind]
    for first in range(0, len(old), _PORTION):
        some = old[first : first + _PORTION]
        for table in tables:
            connection.execute(delete(table).where(table.c.entry.in_(some)))
