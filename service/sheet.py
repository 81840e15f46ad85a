"""Requests as the kernel reads them: the events of all their spells as columns, checked on the way.

Every spell is a patient of its own here: what was sent with one spell is never history of another,
so its score does not depend on what else was in its request, or in those read with it.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from feature_store.events import Events
from feature_store.kernel import address
from service.codebook import EMPTY, Codebook
from service.kernel import READ, SheetPlan, library
from service.wire import MOST_EVENTS, MOST_SPELLS

_SHORTEST_EVENT: Final = len('{"code":"A","time":null}')
_SHORTEST_SPELL: Final = len('{"spell_id":"S","subject_id":"P","events":[]}')

_FACT: Final = 8 * 3 + 4 * 2  # bytes

_moment = msgspec.json.Decoder(datetime).decode
_books: Final = deque((EMPTY,), maxlen=1)


class RequestRead(NamedTuple):
    """What the kernel tells of one request: ``request`` of ``kernel.c``.

    Parameters
    ----------
    begin, end : int
        Where it stands in the body.
    trusted : int
        Whether its identifiers were looked at already.
    verdict : int
        Whether it was read, as in ``service/kernel.py``.
    now : int
        Prediction time, UTC microseconds.
    now_begin, now_end : int
        Where that is written.
    first, spells : int
        Positions of its spells; none unless it was read.
    """

    begin: int
    end: int
    trusted: int
    verdict: int
    now: int
    now_begin: int
    now_end: int
    first: int
    spells: int


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
_OF_REQUEST: Final = len(RequestRead._fields)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Requests that were read.

    Parameters
    ----------
    requests : list of RequestRead
        In the order in which they were given, also those that cannot be used.
    events : Events
        Subject and spell are the position of the spell in ``spells``.
    spells : list of SpellSent
        Of all requests, one after the other.
    spell_ids, subject_ids : list of str
    book : Codebook
    facts : bytes
        The events once more, row by row: ``fact`` of ``kernel.c``.
    body : bytes
        The requests themselves.
    """

    requests: list[RequestRead]
    events: Events
    spells: list[SpellSent]
    spell_ids: list[str]
    subject_ids: list[str]
    book: Codebook
    facts: bytes
    body: bytes

    def prediction_time(self, request: RequestRead) -> datetime:
        """Prediction time of a request, in the offset in which it was given."""
        moment: datetime = _moment(self.body[request.now_begin : request.now_end])
        return moment

    def facts_of(self, spell: SpellSent) -> bytes:
        """All that was said of a spell, in one way however it was sent: for its keyed hash."""
        return self.facts[_FACT * spell.first : _FACT * (spell.first + spell.events)]


def read_sheet(bodies: Sequence[bytes], *, trusted: Collection[int] = ()) -> Sheet:
    """Read requests; the verdict of each says whether it can be used.

    Parameters
    ----------
    bodies : sequence of bytes
    trusted : collection of int
        Places of those whose identifiers were looked at already.
    """
    book, forget = _books[-1], True
    while True:
        paper = _Paper(bodies, book, trusted=trusted)
        if library().homeward_read(ctypes.addressof(paper.plan)) == READ:
            return paper.sheet()
        book = book.learn(paper.unknown_codes(), forget=forget)
        forget = False  # these requests may hold more codes than are remembered
        _books.append(book)


class _Paper:
    """Room for requests of these sizes, as large as what could be in them."""

    def __init__(
        self, bodies: Sequence[bytes], book: Codebook, *, trusted: Collection[int]
    ) -> None:
        body = b"".join(bodies)
        asked, size = len(bodies), len(body)
        events = size // _SHORTEST_EVENT + asked
        spells = min(MOST_SPELLS * asked, size // _SHORTEST_SPELL + asked)
        codes = len(book.names)
        self._body, self._book, self._events = body, book, events
        sizes = (  # bytes, widest values first
            *(8 * events,) * 4,
            16 * events,
            8 * _FIELDS * spells,
            _FACT * events,
            8 * _OF_REQUEST * asked,
            *(4 * events,) * 3,
            4 * codes,
            size,
        )
        self._begins = (0, *accumulate(sizes))
        self._room = np.empty(self._begins[-1], np.uint8)
        start = address(self._room)
        at = [start + begin for begin in self._begins]
        (
            subject,
            time,
            recorded,
            owner,
            unknown,
            told,
            facts,
            one,
            code,
            value,
            met,
            place,
            room,
            _,
        ) = at
        self.plan = SheetPlan(
            *(body, size, events, spells, MOST_SPELLS, MOST_EVENTS, book.address, asked),
            *(room, subject, time, recorded, owner, code, value, unknown, place, met, told, facts),
            one,
        )
        requests = self._part(7, _OF_REQUEST * asked, np.int64).reshape(-1, _OF_REQUEST)
        ends = [0, *accumulate(map(len, bodies))]
        requests[:, :3] = [(*pair, place in trusted) for place, pair in enumerate(pairwise(ends))]

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
        asked = self._part(7, _OF_REQUEST * plan.asked, np.int64).reshape(-1, _OF_REQUEST)
        return Sheet(
            requests=[RequestRead._make(row) for row in asked.tolist()],
            events=Events(
                subject_id=subject,
                time=time,
                code=self._part(8, plan.events, np.int32),
                numeric_value=self._part(9, plan.events, np.float32),
                spell_id=owner,
                recorded_at=recorded,
                codes=tuple([names[code] for code in self._part(10, plan.met, np.int32).tolist()]),
            ),
            spells=spells,
            spell_ids=[self._text(spell.spell_begin, spell.spell_end) for spell in spells],
            subject_ids=[self._text(spell.subject_begin, spell.subject_end) for spell in spells],
            book=self._book,
            facts=self._part(6, _FACT * plan.events, np.uint8).tobytes(),
            body=self._body,
        )
