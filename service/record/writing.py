"""What writers of the record share: rows become links of a chain, and a chain has a beginning."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from sqlalchemy import Connection, Engine, Table, event, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from feature_store.live.database import migrate, open_engine, take_turns, write
from service.record.account import AuditRow
from service.record.chain import (
    BEGINNING,
    Head,
    digest,
    first_entry,
    heads_from_text,
    heads_to_text,
    link,
)
from service.record.feedback import FeedbackRow
from service.record.schema import (
    CHAINED,
    CHAINS,
    DETAILS,
    FEEDBACK,
    GAPS,
    NAME_OF,
    PLACE_BITS,
    SCORES,
    VERSION_TABLE,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

WAIT_SECONDS: Final = 2
"""Others write for microseconds; a database that takes longer than this is taken for gone."""

PREPARE_SECONDS: Final = 10
"""Whoever comes first makes the tables; others wait for that longer than for a row."""

LOCK: Final = 0x5245434F  # of the beginnings of chains: not that of the live store, whose
# transactions take longer, and which has nothing to do with them

_MIGRATIONS = Path(__file__).with_name("migrations")
_OF_DETAILS = 2  # last fields of a row that go into a table of their own
_SCORES, _FEEDBACK = NAME_OF[SCORES], NAME_OF[FEEDBACK]
_cells = msgspec.structs.astuple

Kept = AuditRow | FeedbackRow


class AuditUnavailable(Exception):
    """The record cannot be written now."""


class Audit(Protocol):
    """Where accounts of answers go."""

    async def append(self, rows: Sequence[Kept]) -> None:
        """Keep rows for good, all or none.

        Raises
        ------
        AuditUnavailable
            No answer may rely on them.
        """

    async def run(self) -> None:
        """Look after what was appended until cancelled."""

    def close(self) -> None:
        """Let go of it, everything kept."""


# ---- the database --------------------------------------------------------------------------------


def open_database(url: str, *, wait_seconds: int = WAIT_SECONDS) -> Engine:
    """Engine of the record's database, which nobody waits for long.

    Raises
    ------
    BadInput
        Another kind of address.
    """
    engine = open_engine(_hurried(url), wait_seconds=wait_seconds)

    @event.listens_for(engine, "connect")
    def _hurry(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            lite: sqlite3.Connection = connection
            lite.execute(f"PRAGMA busy_timeout = {wait_seconds * 1000}")
        else:
            connection.execute(f"SET statement_timeout = {wait_seconds * 1000}")
            connection.commit()

    return engine


def _hurried(url: str) -> str:
    """Address under which PostgreSQL is given up soon: a silent network would hang for minutes."""
    if url.startswith("sqlite"):
        return url
    try:
        address = make_url(url)
    except ArgumentError:
        return url  # refused below, in words that do not repeat it
    usual = {"connect_timeout": str(WAIT_SECONDS), "tcp_user_timeout": str(WAIT_SECONDS * 1000)}
    return address.update_query_dict({**usual, **address.query}).render_as_string(
        hide_password=False
    )


def prepare(engine: Engine) -> None:
    """Bring the schema up to date.

    Raises
    ------
    BadInput
        A newer Homeward wrote this record.
    StoreUnavailable
    """
    migrate(engine, migrations=_MIGRATIONS, version_table=VERSION_TABLE)


def prepare_patiently(url: str) -> None:
    """:func:`prepare` for a writer that starts beside others: one makes the tables, all wait."""
    engine = open_database(url, wait_seconds=PREPARE_SECONDS)
    try:
        prepare(engine)
    finally:
        engine.dispose()


def insertion(table: Table, mark: str) -> str:
    """SQL that inserts one row of a table, for a driver that marks a value so.

    >>> insertion(DETAILS, "?")
    'INSERT INTO score_details (entry, features, reasons) VALUES (?, ?, ?)'
    """
    names = ", ".join(table.c.keys())
    marks = ", ".join([mark] * len(table.c))
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own


# ---- chains --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """Where a chain ends: the next row goes after it."""

    entry: int
    hash: bytes


@dataclass(slots=True)
class Links:
    """Rows with their places and hashes, ready to be inserted.

    Parameters
    ----------
    end : End
        Of the chain, once they are.
    rows : dict of Table to list of tuple
    """

    end: End
    rows: dict[Table, list[tuple[Any, ...]]] = field(default_factory=dict)


def chained(rows: Sequence[Kept], end: End) -> Links:
    """Give rows their places after the end of a chain."""
    scores: list[tuple[Any, ...]] = []
    details: list[tuple[Any, ...]] = []
    feedback: list[tuple[Any, ...]] = []
    entry, before = end.entry, end.hash
    for row in rows:
        entry += 1
        cells = (entry, *_cells(row))
        if isinstance(row, AuditRow):
            features, reasons = cells[-_OF_DETAILS:]
            told = None
            if features is not None and reasons is not None:
                told = digest(features, reasons)
                details.append((entry, features, reasons))
            cells = (*cells[:-_OF_DETAILS], told)
            before = link(before, _SCORES, cells)
            scores.append((*cells, before))
        else:
            before = link(before, _FEEDBACK, cells)
            feedback.append((*cells, before))
    made = {SCORES: scores, DETAILS: details, FEEDBACK: feedback}
    return Links(End(entry, before), {table: some for table, some in made.items() if some})


def open_chain(engine: Engine, *, now: int) -> End:
    """Open a chain of one's own, whose first row names the heads of the others known now.

    Heads that an earlier chain has named already are not repeated: that chain's own head is.

    Parameters
    ----------
    engine : Engine
    now : int
        UTC microseconds.

    Raises
    ------
    StoreUnavailable
    """
    return write(engine, lambda connection: begin_chain(connection, now=now))


def begin_chain(connection: Connection, *, now: int) -> End:
    """:func:`open_chain` inside a transaction that is under way."""
    take_turns(connection, LOCK)
    named = {
        head.entry
        for text in connection.scalars(select(CHAINS.c.heads))
        for head in heads_from_text(text)
    }
    heads = [head for head in heads_of(connection) if head.entry not in named]
    number = 1 + (connection.scalar(select(func.max(CHAINS.c.chain))) or 0)
    cells = (number, now, heads_to_text(heads))
    end = End(first_entry(number), link(BEGINNING, NAME_OF[CHAINS], cells))
    values = dict(zip(CHAINS.c.keys(), (*cells, end.hash), strict=True))
    connection.execute(insert(CHAINS), [values])
    return end


def heads_of(connection: Connection) -> list[Head]:
    """Last row of every chain, also where it was deleted by schedule."""
    ends = {
        chain: End(first_entry(chain), row_hash)
        for chain, row_hash in connection.execute(select(CHAINS.c.chain, CHAINS.c.row_hash))
    }
    for table in CHAINED:
        last = (
            select(func.max(table.c.entry))
            .where(
                table.c.entry > CHAINS.c.chain * first_entry(1),
                table.c.entry < (CHAINS.c.chain + 1) * first_entry(1),
            )
            .scalar_subquery()
        )
        found = select(CHAINS.c.chain, last.label("entry")).subquery()
        query = select(found.c.chain, table.c.entry, table.c.row_hash).join(
            table, table.c.entry == found.c.entry
        )
        for chain, entry, row_hash in connection.execute(query):
            if entry > ends[chain].entry:
                ends[chain] = End(entry, row_hash)
    for gap in connection.execute(select(GAPS).order_by(GAPS.c.last_entry)):
        chain = gap.last_entry >> PLACE_BITS
        if gap.last_entry > ends[chain].entry:
            ends[chain] = End(gap.last_entry, gap.last_hash)
    return [Head(end.entry, end.hash.hex()) for end in ends.values()]
