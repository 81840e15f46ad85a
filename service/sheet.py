"""A request as the kernel reads it: the events of all its spells as columns, checked on the way.

Every spell of a request is a patient of its own here: what was sent with one spell is never history
of another, so its score does not depend on what else was in the request.
"""

from __future__ import annotations

import ctypes
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.events import Events
from feature_store.kernel import address
from service.codebook import EMPTY, Codebook
from service.kernel import READ, UNKNOWN_CODES, SheetPlan, library
from service.wire import MOST_EVENTS, MOST_SPELLS

_SHORTEST_EVENT: Final = len('{"code":"A","time":null}')
_SHORTEST_SPELL: Final = len('{"spell_id":"S","subject_id":"P","events":[]}')

_FACT: Final = 8 * 3 + 4 * 2  # bytes

_moment = msgspec.json.Decoder(datetime).decode
_books: Final = deque((EMPTY,), maxlen=1)


class SpellSent(NamedTuple):
    """What the kernel tells of one spell: ``spell`` of ``kernel.c``.

    Parameters
    ----------
    spell_begin, spell_end, subject_begin, subject_end : int
        Where its identifiers are written.
    first, events : int
        Rows of its events.
    verdict : int
        Place in ``translate.VERDICTS``.
    start : int
        Admission, UTC microseconds.
    bad_code : int
        Number in the book of the first code with a value that it cannot take, or -1.
    ignored : int
        Events that happened or were recorded after the prediction time.
    newest : int
        When the newest event used became known, UTC microseconds, or ``NO_TIME``.
    site, ward : int
        Number in the book of the last known code, or -1.
    """

    spell_begin: int
    spell_end: int
    subject_begin: int
    subject_end: int
    first: int
    events: int
    verdict: int
    start: int
    bad_code: int
    ignored: int
    newest: int
    site: int
    ward: int


_FIELDS: Final = len(SpellSent._fields)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A request that was read.

    Parameters
    ----------
    prediction_time : datetime
    now : int
        The same in UTC microseconds.
    events : Events
        Subject and spell are the position of the spell in the request.
    spells : list of SpellSent
    spell_ids, subject_ids : list of str
    book : Codebook
    facts : ndarray of uint8
        The events once more, row by row: ``fact`` of ``kernel.c``.
    """

    prediction_time: datetime
    now: int
    events: Events
    spells: list[SpellSent]
    spell_ids: list[str]
    subject_ids: list[str]
    book: Codebook
    facts: NDArray[np.uint8]

    def facts_of(self, spell: SpellSent) -> bytes:
        """All that was said of a spell, in one way however it was sent: for its keyed hash."""
        return self.facts[_FACT * spell.first : _FACT * (spell.first + spell.events)].tobytes()


def read_sheet(body: bytes, *, trusted: bool = False) -> Sheet | int:
    """Read a request, or say why not, as ``homeward_read`` of ``kernel.c`` does.

    Parameters
    ----------
    body : bytes
    trusted : bool
        Its identifiers were looked at already.
    """
    book, forget = _books[-1], True
    while True:
        paper = _Paper(body, book, trusted=trusted)
        done: int = library().homeward_read(ctypes.addressof(paper.plan))
        if done == READ:
            return paper.sheet()
        if done != UNKNOWN_CODES:
            return done
        book = book.learn(paper.unknown_codes(), forget=forget)
        forget = False  # one request may hold more codes than are remembered
        _books.append(book)


class _Paper:
    """Room for a body of this size, as large as what could be in it."""

    def __init__(self, body: bytes, book: Codebook, *, trusted: bool) -> None:
        events = len(body) // _SHORTEST_EVENT + 1
        spells = min(MOST_SPELLS, len(body) // _SHORTEST_SPELL + 1)
        codes = len(book.names)
        self._body, self._book, self._events = body, book, events
        sizes = (  # bytes, widest values first
            *(8 * events,) * 4,
            16 * events,
            8 * _FIELDS * spells,
            _FACT * events,
            *(4 * events,) * 3,
            4 * codes,
            len(body),
        )
        self._room = np.empty(sum(sizes), np.uint8)
        at = [address(self._room)]
        for size in sizes:
            at.append(at[-1] + size)
        subject, time, recorded, owner, unknown, told, facts, code, value, met, place, room, _ = at
        self.plan = SheetPlan(
            *(body, len(body), events, spells, MOST_EVENTS, book.address, trusted),
            *(room, subject, time, recorded, owner, code, value, unknown, place, met, told, facts),
        )
        self._begins = [start - at[0] for start in at]

    def _part(self, number: int, count: int, kind: type[np.generic]) -> NDArray[Any]:
        return np.frombuffer(self._room, kind, count, self._begins[number])

    def _text(self, begin: int, end: int) -> str:
        size = len(self._body)
        if begin < size:
            return self._body[begin:end].decode()
        start = self._begins[-2] - size
        return self._room[start + begin : start + end].tobytes().decode()

    def unknown_codes(self) -> list[str]:
        """Texts of the codes that the book did not have."""
        ends = self._part(4, 2 * self.plan.unknowns, np.int64).tolist()
        return [self._text(*pair) for pair in zip(ends[::2], ends[1::2], strict=True)]

    def sheet(self) -> Sheet:
        """What was read."""
        plan, names = self.plan, self._book.names
        wide = self._part(0, 4 * self._events, np.int64).reshape(4, self._events)
        subject, time, recorded, owner = wide[:, : plan.events]
        told = self._part(5, _FIELDS * plan.count, np.int64).reshape(-1, _FIELDS).tolist()
        spells = [SpellSent._make(row) for row in told]
        return Sheet(
            prediction_time=_moment(self._body[plan.now_begin : plan.now_end]),
            now=plan.now,
            events=Events(
                subject_id=subject,
                time=time,
                code=self._part(7, plan.events, np.int32),
                numeric_value=self._part(8, plan.events, np.float32),
                spell_id=owner,
                recorded_at=recorded,
                codes=tuple([names[code] for code in self._part(9, plan.met, np.int32).tolist()]),
            ),
            spells=spells,
            spell_ids=[self._text(spell.spell_begin, spell.spell_end) for spell in spells],
            subject_ids=[self._text(spell.subject_begin, spell.subject_end) for spell in spells],
            book=self._book,
            facts=self._part(6, _FACT * plan.events, np.uint8),
        )
