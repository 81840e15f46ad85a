"""Stays that turned out not to have been: an admission taken back, a spell found to be another's.

What was said of such a spell before stands on nothing. Nothing is written to say so: the retraction
or the move is itself the later fact, and what was said stays on the record as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from feature_store.live.messages import batched
from feature_store.live.people import same_people
from feature_store.live.schema import EVENTS, MOVES, RETRACTIONS
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import SPELL_START


@dataclass(frozen=True, slots=True)
class _Admission:
    """When a start of a spell was knowledge, and whose it was said to be."""

    known_from: int
    known_until: int
    subject: int


@dataclass(frozen=True, slots=True)
class _Move:
    recorded_at: int
    subject: int


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Answers, for some spells, whether what was said at a moment stands on anything still."""

    admissions: dict[int, list[_Admission]]
    moves: dict[int, list[_Move]]
    survivors: dict[int, int]

    def since(self, spell: int, at: int) -> int | None:
        """When what was known of a spell at a moment ceased to hold.

        Parameters
        ----------
        spell : int
        at : int
            Moment that something was said about, UTC microseconds.

        Returns
        -------
        int or None
            First moment after it at which no admission was known any more, or the spell was
            another patient's; None while neither has happened, and of a spell that was not known
            here at that moment. A corrected admission is none that was taken back.
        """
        known = self.admissions.get(spell, [])
        then = next((one for one in known if one.known_from <= at < one.known_until), None)
        if then is None:
            return None
        found = (_gone(known, at), self._moved(spell, then.subject, at))
        return min((moment for moment in found if moment is not None), default=None)

    def _moved(self, spell: int, subject: int, at: int) -> int | None:
        moves = self.moves.get(spell, [])
        owner = next((one.subject for one in reversed(moves) if one.recorded_at <= at), subject)
        for move in moves:
            if move.recorded_at > at and self._person(move.subject) != self._person(owner):
                return move.recorded_at
        return None

    def _person(self, subject: int) -> int:
        return self.survivors.get(subject, subject)


def _gone(known: list[_Admission], at: int) -> int | None:
    """First moment from ``at`` on at which none of these was knowledge."""
    moment = at
    while holding := [one for one in known if one.known_from <= moment < one.known_until]:
        moment = max(one.known_until for one in holding)
        if moment == STILL_HERE:
            return None
    return moment


def read_withdrawals(connection: Connection, spells: Collection[int], *, now: int) -> Withdrawals:
    """What there is to know of the ends of these spells' truth.

    Parameters
    ----------
    connection : Connection
    spells : collection of int
    now : int
        UTC microseconds; what is recorded later does not count.
    """
    admissions: defaultdict[int, list[_Admission]] = defaultdict(list)
    moves: defaultdict[int, list[_Move]] = defaultdict(list)
    starts = (
        select(EVENTS, RETRACTIONS.c.retracted_at)
        .outerjoin(RETRACTIONS, RETRACTIONS.c.event_id == EVENTS.c.id)
        .where(EVENTS.c.code == SPELL_START)
    )
    for some in batched(sorted(set(spells))):
        for row in connection.execute(starts.where(EVENTS.c.spell_id.in_(some))):
            gone = row.retracted_at
            until = STILL_HERE if gone is None or gone > now else gone
            one = _Admission(max(row.time, row.recorded_at), until, row.subject_id)
            admissions[row.spell_id].append(one)
        moved = select(MOVES).where(MOVES.c.spell_id.in_(some), MOVES.c.recorded_at <= now)
        for row in connection.execute(moved.order_by(MOVES.c.entry)):
            moves[row.spell_id].append(_Move(row.recorded_at, row.subject_id))
    people = {one.subject for several in moves.values() for one in several}
    people |= {one.subject for spell in moves for one in admissions[spell]}
    return Withdrawals(admissions, moves, same_people(connection, people) if people else {})
