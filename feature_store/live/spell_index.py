"""Who is in hospital: a derived table that finds candidates, and the events that decide.

``known_from`` and ``known_until`` enclose every moment at which the store knew a spell to be open,
also before a correction. So the index answers for today and for any past day, and whoever it
names needlessly is sorted out by the events as they were known at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, or_, select, update

from feature_store.live.database import insert_new
from feature_store.live.history import known_at
from feature_store.live.schema import EVENTS, MOVES, RETRACTIONS, SPELLS
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import SEPARATOR, SPELL_END, SPELL_START, family_of, value_of

MARKS: Final = (SPELL_START, SPELL_END)
_AT_ONCE = 500
_PLACES: Final = ("SITE", "WARD", "BED")


@dataclass(frozen=True, slots=True)
class Inpatient:
    """A spell that was open at a moment, as it was known then.

    Parameters
    ----------
    spell_id, subject_id : int
    start : int
        UTC microseconds.
    site, ward, bed : str or None
        Where the patient was; None where that was not known.
    """

    spell_id: int
    subject_id: int
    start: int
    site: str | None
    ward: str | None
    bed: str | None = None


# ---- asking --------------------------------------------------------------------------------------


def read_inpatients(
    connection: Connection, *, at: int, spell: int | None = None
) -> list[Inpatient]:
    """Every spell known to be open at a moment, in order of spell; or one, if it was."""
    wanted = or_(
        EVENTS.c.code.in_(MARKS),
        *(EVENTS.c.code.startswith(family + SEPARATOR) for family in _PLACES),
    )
    query = (
        select(EVENTS.c.spell_id, EVENTS.c.subject_id, EVENTS.c.code, EVENTS.c.time)
        .join(SPELLS, SPELLS.c.spell_id == EVENTS.c.spell_id)
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(SPELLS.c.known_until > at, SPELLS.c.known_from <= at, wanted, known_at(at))
        .order_by(EVENTS.c.spell_id, EVENTS.c.time, EVENTS.c.recorded_at, EVENTS.c.id)
    )
    if spell is not None:
        query = query.where(EVENTS.c.spell_id == spell)
    owners = _owners(connection, at)
    found = (
        _inpatient(list(rows), owners)
        for _, rows in groupby(connection.execute(query), key=itemgetter(0))
    )
    return [inpatient for inpatient in found if inpatient is not None]


def _inpatient(rows: Sequence[Any], owners: dict[int, int]) -> Inpatient | None:
    last: dict[str, Any] = {family_of(row.code): row for row in rows}
    if SPELL_START not in last or SPELL_END in last:
        return None
    start = last[SPELL_START]
    if "BED" in last and "WARD" in last and last["BED"].time < last["WARD"].time:
        del last["BED"]  # of the ward before
    places = (value_of(last[name].code) if name in last else None for name in _PLACES)
    owner = owners.get(start.spell_id, start.subject_id)
    return Inpatient(start.spell_id, owner, start.time, *places)


def _owners(connection: Connection, at: int) -> dict[int, int]:
    """To whom spells had moved by then; a later move replaces an earlier one."""
    query = (
        select(MOVES.c.spell_id, MOVES.c.subject_id)
        .join(SPELLS, SPELLS.c.spell_id == MOVES.c.spell_id)
        .where(SPELLS.c.known_until > at, SPELLS.c.known_from <= at, MOVES.c.recorded_at <= at)
        .order_by(MOVES.c.entry)
    )
    return {row.spell_id: row.subject_id for row in connection.execute(query)}


def read_marks(connection: Connection, spell: int, *, at: int) -> set[str] | None:
    """Which of start and end of a spell were known at a moment; None if nothing ever was said."""
    if not connection.scalar(select(EVENTS.c.id).where(EVENTS.c.spell_id == spell).limit(1)):
        return None
    query = (
        select(EVENTS.c.code)
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(EVENTS.c.spell_id == spell, EVENTS.c.code.in_(MARKS), known_at(at))
    )
    return set(connection.scalars(query))


def read_cancelled(connection: Connection, spells: Sequence[int], *, at: int) -> set[int]:
    """Those of these spells whose every beginning was taken back by a moment."""
    stands = or_(RETRACTIONS.c.retracted_at.is_(None), RETRACTIONS.c.retracted_at > at)
    cancelled: set[int] = set()
    for first in range(0, len(spells), _AT_ONCE):
        query = (
            select(EVENTS.c.spell_id, stands)
            .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
            .where(
                EVENTS.c.spell_id.in_(spells[first : first + _AT_ONCE]),
                EVENTS.c.code == SPELL_START,
            )
        )
        rows = connection.execute(query).all()
        standing = {spell for spell, is_so in rows if is_so}
        cancelled |= {spell for spell, _ in rows} - standing
    return cancelled


# ---- keeping up ----------------------------------------------------------------------------------


def hold_spells(connection: Connection, spells: Iterable[int]) -> list[int]:
    """Take spells in hand until the transaction ends: what others do to them is seen, or waits."""
    held = sorted(set(spells))
    fresh = [
        {"spell_id": spell, "known_from": STILL_HERE, "known_until": STILL_HERE} for spell in held
    ]
    insert_new(connection, SPELLS, fresh)
    for first in range(0, len(held), _AT_ONCE):
        some = SPELLS.c.spell_id.in_(held[first : first + _AT_ONCE])
        mine = select(SPELLS.c.spell_id).where(some).order_by(SPELLS.c.spell_id)
        connection.execute(mine.with_for_update()).all()
    return held


def refresh_spells(connection: Connection, held: Sequence[int]) -> None:
    """Derive the rows of these spells anew from their events."""
    for first in range(0, len(held), _AT_ONCE):
        some = held[first : first + _AT_ONCE]
        query = (
            select(
                EVENTS.c.spell_id,
                EVENTS.c.code,
                EVENTS.c.time,
                EVENTS.c.recorded_at,
                RETRACTIONS.c.retracted_at,
            )
            .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
            .where(EVENTS.c.spell_id.in_(some), EVENTS.c.code.in_(MARKS))
            .order_by(EVENTS.c.spell_id)
        )
        for spell, rows in groupby(connection.execute(query), key=itemgetter(0)):
            known_from, known_until = _known(list(rows))
            connection.execute(
                update(SPELLS)
                .where(SPELLS.c.spell_id == spell)
                .values(known_from=known_from, known_until=known_until)
            )


def _known(marks: Sequence[Any]) -> tuple[int, int]:
    """First moment at which a spell can have been known to be open, and the end of the last."""
    starts = [mark for mark in marks if mark.code == SPELL_START]
    ends = [mark for mark in marks if mark.code == SPELL_END]
    if not starts:
        return STILL_HERE, STILL_HERE
    known_from = min(max(start.time, start.recorded_at) for start in starts)
    if any(start.retracted_at is None for start in starts) and not any(
        end.retracted_at is None for end in ends
    ):
        return known_from, STILL_HERE
    turns = [max(end.time, end.recorded_at) for end in ends]
    turns += [mark.retracted_at for mark in marks if mark.retracted_at is not None]
    return known_from, max(turns)
