"""HL7 messages in the live store: byte for byte, what they say, and those that were refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, or_, select, update

from feature_store.live.schema import MESSAGES, REJECTS, STATEMENTS

LONGEST_REJECT: Final = 64 * 1024
"""Bytes that are kept of a refused message: enough to see why, too few to fill a disk with."""


def said_before(connection: Connection, facility: str, control_id: str) -> Any:
    """Row (said, raw) of the message with these marks, or None where there is none."""
    return connection.execute(
        select(STATEMENTS.c.said, MESSAGES.c.raw)
        .join(MESSAGES, MESSAGES.c.id == STATEMENTS.c.message_id)
        .where(MESSAGES.c.facility == facility, MESSAGES.c.control_id == control_id)
    ).first()


def keep_message(
    connection: Connection, raw: bytes, *, facility: str, control_id: str, received_at: int
) -> int:
    """Keep a message as it came; its number is the ``source`` of what follows from it."""
    row = {
        "facility": facility,
        "control_id": control_id,
        "received_at": received_at,
        "raw": raw,
    }
    return _number_of(connection, MESSAGES, row)


def keep_statement(connection: Connection, **columns: Any) -> None:
    """Keep what a message says, by the columns of ``live_statements``."""
    connection.execute(insert(STATEMENTS), columns)


def statements_about(
    connection: Connection,
    *,
    subjects: Collection[int],
    spells: Collection[int],
    but: Collection[int] = (),
) -> Iterable[Any]:
    """Rows (message_id, said) of what was said of these patients or spells, but for some."""
    mine = or_(
        STATEMENTS.c.subject_id.in_(subjects),
        STATEMENTS.c.other_subject_id.in_(subjects),
        STATEMENTS.c.spell_id.in_(spells),
    )
    numbers = set(connection.scalars(select(STATEMENTS.c.message_id).where(mine))) - set(but)
    columns = select(STATEMENTS.c.message_id, STATEMENTS.c.said)
    rows: list[Any] = []
    for some in batched(sorted(numbers)):
        rows += connection.execute(columns.where(STATEMENTS.c.message_id.in_(some))).all()
    return rows


def batched(numbers: Sequence[int], size: int = 5_000) -> Iterator[Sequence[int]]:
    """Pieces that fit into one statement."""
    for first in range(0, len(numbers), size):
        yield numbers[first : first + size]


def reject(connection: Connection, raw: bytes, *, reason: str, received_at: int) -> int:
    """Keep a refused message apart, for whoever looks after the feed."""
    row = {
        "received_at": received_at,
        "reason": reason,
        "size_bytes": len(raw),
        "raw": raw[:LONGEST_REJECT],
    }
    return _number_of(connection, REJECTS, row)


def count_old(connection: Connection, *, received_before: int) -> int:
    """How many older messages and rejects still have their text."""
    old = [MESSAGES.c.received_at < received_before, MESSAGES.c.raw != b""]
    rejected = REJECTS.c.received_at < received_before
    messages = connection.scalar(select(func.count()).select_from(MESSAGES).where(*old))
    rejects = connection.scalar(select(func.count()).select_from(REJECTS).where(rejected))
    return (messages or 0) + (rejects or 0)


def forget(connection: Connection, *, received_before: int) -> None:
    """Drop the text of older messages and older rejects: all that names anybody.

    What a message said stays, and that it came: it is still known if it comes again.
    """
    old = MESSAGES.c.received_at < received_before
    connection.execute(update(MESSAGES).where(old).values(raw=b""))
    connection.execute(delete(REJECTS).where(REJECTS.c.received_at < received_before))


def _number_of(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    key = connection.execute(insert(table), row).inserted_primary_key
    return int(key[0]) if key else 0
