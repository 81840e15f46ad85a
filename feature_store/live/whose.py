"""Whose events were held to be, moment by moment, as merges and moves were learnt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from feature_store.events import NO_TIME
from feature_store.live.people import survivors_of
from feature_store.live.schema import LINKS, MOVES

Turns = tuple[tuple[int, int], ...]
"""(since, patient), in order; the first since ever."""


@dataclass(frozen=True, slots=True, eq=False)
class Whose:
    """Owners of all that merges and moves, learnt by a moment, ever touched.

    Parameters
    ----------
    links : mapping of int to sequence
        Merges of each patient, in either direction.
    moves : mapping of int to sequence
        Moves of each spell, in the order of entry.
    """

    links: Mapping[int, Sequence[Any]]
    moves: Mapping[int, Sequence[Any]]
    _known: dict[tuple[int, int], Turns] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: Connection, *, at: int) -> Whose:
        """Read what was learnt by a moment."""
        links: dict[int, list[Any]] = defaultdict(list)
        moves: dict[int, list[Any]] = defaultdict(list)
        for row in connection.execute(select(LINKS).where(LINKS.c.recorded_at <= at)):
            links[row.subject_id].append(row)
        told = select(MOVES).where(MOVES.c.recorded_at <= at).order_by(MOVES.c.entry)
        for row in connection.execute(told):
            moves[row.spell_id].append(row)
        return cls(links, moves)

    def touches(self, subject: int, spell: int) -> bool:
        """Whether events of a patient and spell can ever have been another's."""
        return subject in self.links or spell in self.moves

    def turns(self, subject: int, spell: int) -> Turns:
        """Whose events said of a patient and spell were, from which moment on."""
        if (subject, spell) not in self._known:
            self._known[subject, spell] = self._turns(subject, spell)
        return self._known[subject, spell]

    def _turns(self, subject: int, spell: int) -> Turns:
        moves = self.moves.get(spell, ())
        links = self._reach({subject, *(move.subject_id for move in moves)})
        moments = {NO_TIME, *(row.recorded_at for row in (*moves, *links))}
        turns: list[tuple[int, int]] = []
        for moment in sorted(moments):
            owners = [move.subject_id for move in moves if move.recorded_at <= moment]
            owner = owners[-1] if owners else subject
            known = [link for link in links if link.recorded_at <= moment]
            everybody = {owner, *(link.subject_id for link in known)}
            survivor = survivors_of(everybody, known)[owner]
            if not turns or turns[-1][1] != survivor:
                turns.append((moment, survivor))
        return tuple(turns)

    def _reach(self, subjects: set[int]) -> list[Any]:
        """Every merge of these patients, and of those they were merged with."""
        found: dict[int, Any] = {}
        edge = subjects
        while edge:
            fresh = [row for one in edge for row in self.links.get(one, ())]
            edge = {row.same_as for row in fresh if row.entry not in found}
            found |= {row.entry: row for row in fresh}
        return list(found.values())
