"""Whose history changed, in the order in which changes became visible.

Numbers of rows do not tell: PostgreSQL gives them out before a transaction commits, so a reader may
see number 8 and only later number 7. Here a writer takes the last turn of its transaction, counts
one further and holds the turn until it commits; who has seen entry 8 has seen all before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import Connection, func, select

from feature_store.events import NO_SPELL
from feature_store.live.database import LOCK, put, take_turns
from feature_store.live.messages import batched
from feature_store.live.schema import CHANGES, MOVES

_TURN: Final = LOCK + 1  # after it a transaction takes nothing that another may hold


def note_changes(
    connection: Connection, subjects: Iterable[int], *, spells: Collection[int] = ()
) -> None:
    """Note that what is known of patients is another from now on; a transaction's last act.

    Parameters
    ----------
    connection : Connection
    subjects : iterable of int
    spells : collection of int
        Whose owners are concerned too, where a spell had moved to another patient.
    """
    concerned = set(subjects) | _owners(connection, set(spells) - {NO_SPELL})
    if not concerned:
        return
    take_turns(connection, _TURN)
    entry = last_change(connection) + 1
    rows = [{"subject_id": subject, "entry": entry} for subject in sorted(concerned)]
    put(connection, CHANGES, rows)


def _owners(connection: Connection, spells: Collection[int]) -> set[int]:
    found: set[int] = set()
    for some in batched(sorted(spells)):
        found |= set(
            connection.scalars(select(MOVES.c.subject_id).where(MOVES.c.spell_id.in_(some)))
        )
    return found


def last_change(connection: Connection) -> int:
    """Number of the last change; 0 before the first."""
    return int(connection.scalar(select(func.max(CHANGES.c.entry))) or 0)


def changed_since(connection: Connection, entry: int) -> set[int]:
    """Patients whose history changed after an entry."""
    return set(connection.scalars(select(CHANGES.c.subject_id).where(CHANGES.c.entry > entry)))
