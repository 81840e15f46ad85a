"""Who is whom: patients found to be one, and spells found to be another patient's.

Both are added and never changed, with the moment from which the store knew: a question about an
earlier moment is answered as if it had not happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from feature_store.live.database import insert_new
from feature_store.live.schema import LINKS, MOVES


def link_people(
    connection: Connection,
    old: int,
    survivor: int,
    *,
    happened_at: int,
    recorded_at: int,
    source: int,
) -> None:
    """Two patients are one, known under the second from now on; the first is its tombstone."""
    common = {"happened_at": happened_at, "recorded_at": recorded_at, "source": source}
    rows = [
        {"subject_id": old, "same_as": survivor, "survives": True, **common},
        {"subject_id": survivor, "same_as": old, "survives": False, **common},
    ]
    insert_new(connection, LINKS, rows)


def move_spell(
    connection: Connection, spell: int, subject: int, *, recorded_at: int, source: int
) -> None:
    """A spell is this patient's, whatever was said of it before."""
    row = {"spell_id": spell, "subject_id": subject, "recorded_at": recorded_at, "source": source}
    connection.execute(insert(MOVES), row)


def owners_of(connection: Connection, spells: Iterable[int]) -> dict[int, int]:
    """Last known owner of those of these spells that ever moved."""
    query = (
        select(MOVES.c.spell_id, MOVES.c.subject_id)
        .where(MOVES.c.spell_id.in_(list(spells)))
        .order_by(MOVES.c.entry)
    )
    return {row.spell_id: row.subject_id for row in connection.execute(query)}


def same_people(connection: Connection, subjects: Iterable[int]) -> dict[int, int]:
    """Everybody who is one of these by now, each with the subject that survives.

    The survivor is who the last merge, by the time it happened, went on with. That order, and not
    the order of arrival, decides, so that late messages end where timely ones would.
    """
    seen, edge = set(subjects), set(subjects)
    links: dict[int, Any] = {}
    while edge:
        query = select(LINKS).where(LINKS.c.subject_id.in_(sorted(edge)))
        found = connection.execute(query).all()
        links |= {row.entry: row for row in found}
        edge = {row.same_as for row in found} - seen
        seen |= edge
    return survivors_of(seen, links.values())


def survivors_of(subjects: Iterable[int], links: Iterable[Any]) -> dict[int, int]:
    """Who goes on of each of these, by merges that name no others."""
    parent = {subject: subject for subject in subjects}
    merges = (row for row in links if row.survives)
    for row in sorted(merges, key=lambda one: (one.happened_at, one.same_as, one.subject_id)):
        old, survivor = _root(parent, row.subject_id), _root(parent, row.same_as)
        # A patient merged into the very one that it survived goes on in its own name again.
        parent[survivor] = parent[old] = row.same_as
        parent[row.same_as] = row.same_as
    return {subject: _root(parent, subject) for subject in parent}


def _root(parent: Mapping[int, int], subject: int) -> int:
    while parent[subject] != subject:
        subject = parent[subject]
    return subject
