"""From all that was said of some patients to events, and what one more message changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import Connection, or_, select

from feature_store.events import NO_SPELL, Events
from feature_store.hl7.person import tell_person
from feature_store.hl7.statement import MERGES, Statement
from feature_store.hl7.visit import Fact, Visit, tell
from feature_store.live.changes import note_changes
from feature_store.live.database import insert_new
from feature_store.live.messages import statements_about
from feature_store.live.people import link_people, move_spell, owners_of, same_people
from feature_store.live.schema import EVENTS, FROM_API, RETRACTIONS
from feature_store.live.spell_index import hold_spells, refresh_spells
from feature_store.live.store import insert_events

Scope = tuple[str, int]
"""A spell, or a patient with all their numbers: ``("spell", 7)``, ``("person", 3)``."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a message changed.

    Parameters
    ----------
    added, retracted : int
        Events.
    """

    added: int
    retracted: int


def apply(connection: Connection, statement: Statement, *, source: int, received_at: int) -> Change:
    """Bring the events of everybody whom a kept statement concerns up to what is said by now.

    The caller takes turns: two of these at once could each miss the other's statement.
    """
    if statement.trigger in MERGES and statement.other_subject is not None:
        link_people(
            connection,
            statement.other_subject,
            statement.subject,
            happened_at=statement.told_at,
            recorded_at=received_at,
            source=source,
        )
    told = _gather(connection, statement)
    return _update(connection, told, source=source, received_at=received_at)


# ---- what is said --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """Facts by scope, with whom each spell belongs to and who is whom."""

    facts: dict[Scope, set[Fact]]
    owners: dict[int, int]
    survivors: dict[int, int]


def _gather(connection: Connection, statement: Statement) -> _Told:
    subjects = _those(statement.subject, statement.other_subject)
    spells = _those(statement.spell)
    read: dict[int, Statement] = {}
    while True:  # owners of their spells may be others, of whom more was said
        survivors = same_people(connection, subjects)
        said = _read(connection, survivors, spells, read)
        visits = _visits(said)
        wider = set(survivors) | _those(*(one.subject for one in visits.values()))
        if wider == set(survivors) and set(visits) == spells:
            return _tell(said, visits, survivors)
        subjects, spells = wider, set(visits)


def _those(*numbers: int | None) -> set[int]:
    return {number for number in numbers if number is not None}


def _read(
    connection: Connection,
    subjects: Collection[int],
    spells: Collection[int],
    read: dict[int, Statement],
) -> list[Statement]:
    """Statements about these patients or spells; ``read`` holds those that were read before."""
    rows = statements_about(connection, subjects=subjects, spells=spells, but=read)
    read |= {row.message_id: Statement.from_json(row.said) for row in rows}
    return list(read.values())


def _visits(said: Iterable[Statement]) -> dict[int, Visit]:
    by_spell: dict[int, list[Statement]] = defaultdict(list)
    for statement in said:
        if statement.spell is not None:
            by_spell[statement.spell].append(statement)
    return {spell: tell(about) for spell, about in by_spell.items()}


def _tell(
    said: Iterable[Statement], visits: Mapping[int, Visit], survivors: dict[int, int]
) -> _Told:
    by_person: dict[int, list[Statement]] = {root: [] for root in survivors.values()}
    for statement in said:
        if statement.subject in survivors:
            by_person[survivors[statement.subject]].append(statement)
    people = {root: tell_person(about) for root, about in by_person.items()}
    facts: dict[Scope, set[Fact]] = {("person", root): one.facts for root, one in people.items()}
    owners = {}
    for spell, visit in visits.items():
        if visit.subject is not None:
            owners[spell] = visit.subject
            facts["spell", spell] = visit.facts(people[survivors[visit.subject]].born)
    return _Told(facts, owners, survivors)


# ---- what that changes ---------------------------------------------------------------------------


def _update(connection: Connection, told: _Told, *, source: int, received_at: int) -> Change:
    held = hold_spells(connection, told.owners)
    known = _known(connection, told)
    _move(connection, told, known, source=source, received_at=received_at)
    gone = _gone(told, known)
    rows = [
        {"event_id": row.id, "retracted_at": max(received_at, row.recorded_at), "source": source}
        for row in gone
    ]
    retracted = insert_new(connection, RETRACTIONS, rows)
    events = _missing(told, known, received_at)
    added = insert_events(connection, events, received_at=received_at, source=source)
    refresh_spells(connection, held)
    note_changes(connection, _concerned(told, known))
    return Change(added, retracted)


def _concerned(told: _Told, known: Mapping[tuple[Scope, Fact], list[Any]]) -> set[int]:
    """Whose history may read differently now: also theirs who lost a spell to another."""
    before = {row.subject_id for row in chain.from_iterable(known.values())}
    return before | set(told.survivors) | set(told.owners.values())


def _known(connection: Connection, told: _Told) -> dict[tuple[Scope, Fact], list[Any]]:
    """Events from messages that hold by now, by what they say; several where patients merged."""
    mine = or_(
        EVENTS.c.spell_id.in_(told.owners),
        (EVENTS.c.spell_id == NO_SPELL) & EVENTS.c.subject_id.in_(told.survivors),
    )
    query = (
        select(EVENTS)
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(mine, EVENTS.c.source > FROM_API, RETRACTIONS.c.event_id.is_(None))
        .order_by(EVENTS.c.recorded_at, EVENTS.c.id)
    )
    known: dict[tuple[Scope, Fact], list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        fact = (row.code, row.time, row.numeric_value)
        known[_scope(row, told), fact].append(row)
    return known


def _scope(row: Any, told: _Told) -> Scope:
    if row.spell_id != NO_SPELL:
        return "spell", row.spell_id
    return "person", told.survivors[row.subject_id]


def _gone(told: _Told, known: Mapping[tuple[Scope, Fact], list[Any]]) -> list[Any]:
    """Events that nothing says any more, and second ones of what merged patients had in common."""
    return [
        row
        for (scope, fact), rows in known.items()
        for row in (rows[1:] if fact in told.facts[scope] else rows)
    ]


def _missing(
    told: _Told, known: Mapping[tuple[Scope, Fact], list[Any]], received_at: int
) -> Events:
    fresh = [
        (*_whose(scope, told), *fact)
        for scope, facts in told.facts.items()
        for fact in facts
        if (scope, fact) not in known
    ]
    columns = list(zip(*fresh, strict=True)) or [()] * 5
    return Events.build(
        subject_id=columns[0],
        spell_id=columns[1],
        code=columns[2],
        time=columns[3],
        numeric_value=[np.nan if number is None else number for number in columns[4]],
        recorded_at=[received_at] * len(fresh),
    ).in_order()


def _whose(scope: Scope, told: _Told) -> tuple[int, int]:
    what, number = scope
    return (told.owners[number], number) if what == "spell" else (number, NO_SPELL)


def _move(
    connection: Connection,
    told: _Told,
    known: Mapping[tuple[Scope, Fact], list[Any]],
    *,
    source: int,
    received_at: int,
) -> None:
    """Note which spells are another patient's than the store held so far."""
    held = {row.spell_id: row.subject_id for row in chain.from_iterable(known.values())}
    held |= owners_of(connection, told.owners)
    for spell, owner in told.owners.items():
        if spell in held and held[spell] != owner:
            move_spell(connection, spell, owner, recorded_at=received_at, source=source)
