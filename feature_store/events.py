"""Events in memory: columns, not rows; the same shape for one patient and for a nation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feature_store.errors import BadInput
from feature_store.kernel import address, load

Int64 = NDArray[np.int64]

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""A fact without a time (sex, ethnicity): known at every moment."""

NO_SPELL: Final = -1
"""An event that says of no spell that it belongs to it."""


STILL_HOLDS: Final = int(np.iinfo(np.int64).max)
"""End of what was never taken back."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Between which moments each event was held to be true, and of whom.

    Parameters
    ----------
    since : ndarray of int64, shape (n,)
        ``NO_TIME`` where it held as soon as it was recorded; later for what became this patient's
        by a merge.
    until : ndarray of int64, shape (n,)
        From then on it held no more; ``STILL_HOLDS`` otherwise.
    subject_id : ndarray of int64, shape (n,)
        Whose it was while it held: before a merge the other number of the same person. Below 0, the
        complement (``~``) of another person's: a copy, for questions about a spell that was theirs.
    """

    since: Int64
    until: Int64
    subject_id: Int64

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Held:
        """Return the entries at these rows."""
        return Held(self.since[rows], self.until[rows], self.subject_id[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Facts about patients: the MEDS columns, the spell, and when each was recorded.

    Parameters
    ----------
    subject_id : ndarray of int64, shape (n,)
    time : ndarray of int64, shape (n,)
        When it happened, microseconds since 1970 in UTC; ``NO_TIME`` for a fact without one.
    code : ndarray of int32, shape (n,)
        Index into ``codes``.
    numeric_value : ndarray of float32, shape (n,)
        NaN where there is none. 32 bits as in MEDS, so that a request and a file agree.
    spell_id : ndarray of int64, shape (n,)
        ``NO_SPELL`` outside a spell.
    recorded_at : ndarray of int64, shape (n,)
        When a computer could first have known it.
    codes : tuple of str
        The distinct codes, in ascending order.
    held : Held, optional
        Where there are also events that held for a while alone: a correction, a cancelled
        admission, one of a patient who was merged. Without it every event holds for good.
    """

    subject_id: Int64
    time: Int64
    code: NDArray[np.int32]
    numeric_value: NDArray[np.float32]
    spell_id: Int64
    recorded_at: Int64
    codes: tuple[str, ...]
    held: Held | None = None

    @classmethod
    def build(
        cls,
        *,
        subject_id: ArrayLike,
        time: ArrayLike,
        code: Sequence[str],
        numeric_value: ArrayLike | None = None,
        spell_id: ArrayLike | None = None,
        recorded_at: ArrayLike | None = None,
    ) -> Self:
        """Events from columns; codes as text, times as microseconds since 1970 in UTC.

        ``recorded_at`` defaults to ``time``, also where it is ``NO_TIME``.

        >>> events = Events.build(subject_id=[1, 1], time=[0, 60], code=["NEWS2", "AGE"],
        ...                       numeric_value=[3, 80])
        >>> events.codes, events.code.tolist(), len(events)
        (('AGE', 'NEWS2'), [1, 0], 2)
        """
        names = sorted(set(code))
        index = {name: position for position, name in enumerate(names)}
        size = len(code)
        times = np.asarray(time, dtype=np.int64)
        recorded = times if recorded_at is None else np.asarray(recorded_at, dtype=np.int64)
        values = (
            np.full(size, np.nan, np.float32)
            if numeric_value is None
            else np.asarray(numeric_value, np.float32)
        )
        spells = (
            np.full(size, NO_SPELL, np.int64)
            if spell_id is None
            else np.asarray(spell_id, np.int64)
        )
        events = cls(
            subject_id=np.asarray(subject_id, dtype=np.int64),
            time=times,
            code=np.fromiter((index[name] for name in code), dtype=np.int32, count=size),
            numeric_value=values,
            spell_id=spells,
            recorded_at=np.where(recorded == NO_TIME, times, recorded),
            codes=tuple(names),
        )
        events.check()
        return events

    def check(self) -> None:
        """Every column has one value an event and codes are in order.

        Raises
        ------
        BadInput
            Columns of unequal length, a code out of range, codes not ascending.
        """
        lengths = {column: getattr(self, column).shape for column in COLUMNS}
        if len(set(lengths.values())) > 1:
            msg = f"events: columns of one length expected, got shapes {lengths}"
            raise BadInput(msg)
        if list(self.codes) != sorted(set(self.codes)):
            msg = "events: codes expected in ascending order without repeats"
            raise BadInput(msg)
        if self.code.size and (self.code.min() < 0 or self.code.max() >= len(self.codes)):
            msg = "events: a code index lies outside the list of codes"
            raise BadInput(msg)

    def __len__(self) -> int:
        """Return how many events there are."""
        return int(self.subject_id.size)

    @property
    def visible_at(self) -> Int64:
        """Moment from which each may be used: happened and recorded."""
        return np.maximum(self.time, self.recorded_at)

    @property
    def limited(self) -> NDArray[np.bool_]:
        """Mask of the events that did not simply hold from their recording on."""
        if self.held is None:
            return np.zeros(len(self), bool)
        held = self.held
        since, until = held.since != NO_TIME, held.until != STILL_HOLDS
        return np.asarray(since | until | (held.subject_id != self.subject_id))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Events:
        """Return the events at these rows, in this order; the list of codes stays whole."""
        held = None if self.held is None else self.held.take(rows)
        columns = {column: getattr(self, column)[rows] for column in COLUMNS}
        return replace(self, held=held, **columns)

    def current(self) -> Events:
        """Return what holds in the end, without what held before."""
        if self.held is None:
            return self
        return replace(self.take(self.held.until == STILL_HOLDS), held=None)

    def borrowed_by(self, subject: int, *, until: int) -> Events:
        """Return copies of another patient's events, for questions about a spell that was theirs.

        Parameters
        ----------
        subject : int
            Whose the spell turned out to be.
        until : int
            When that was learnt.
        """
        held = self.held or held_for_good(self)
        ends = np.minimum(held.until, until)
        copies = Held(held.since, ends, ~held.subject_id)
        return replace(self, subject_id=np.full(len(self), subject), held=copies)

    def known_at(self, moment: int) -> Events:
        """Return what could be known at a moment, each under the patient it was of by then."""
        known = self.take(self.visible_at <= moment)
        if known.held is None:
            return known
        then = (known.held.since <= moment) & (known.held.until > moment)
        then &= known.held.subject_id >= 0
        whose = known.held.subject_id[then]
        return replace(known.take(then), subject_id=whose, held=None)

    def in_order(self) -> Events:
        """By subject, then time, then recorded, then code, then value: one order for one content.

        The ties matter: the *latest* of two readings at one minute must not depend on the order in
        which a feed happened to send them.
        """
        order = self._order()
        return self if order is None else self.take(order)

    def order(self) -> Int64:
        """Rows in the order of :meth:`in_order`."""
        order = self._order()
        return np.arange(len(self)) if order is None else order

    def is_in_order(self) -> bool:
        """Whether ``in_order`` would change nothing."""
        return self._order() is None

    def _order(self) -> Int64 | None:
        """Order of the rows; None where they are in it."""
        keys = [
            np.ascontiguousarray(column)
            for column in (self.subject_id, self.time, self.recorded_at, self.code)
        ]
        keys.append(np.ascontiguousarray(self.numeric_value))
        order = np.empty(len(self), np.int64)
        done = load().homeward_order(*(address(key) for key in keys), len(self), address(order))
        if done < 0:
            raise MemoryError
        return None if done else order

    def rows_of(self, *codes: str) -> NDArray[np.bool_]:
        """Mask of the events that carry one of these codes."""
        wanted = [position for position, name in enumerate(self.codes) if name in codes]
        return np.isin(self.code, wanted)


COLUMNS: Final = tuple(
    column.name for column in fields(Events) if column.name not in {"codes", "held"}
)


def concatenate(parts: Sequence[Events]) -> Events:
    """One set of events from several; codes are united."""
    if not parts:
        return Events.build(subject_id=[], time=[], code=[])
    names = sorted(set().union(*(part.codes for part in parts)))
    index = {name: position for position, name in enumerate(names)}
    code = [
        np.array([index[name] for name in part.codes], dtype=np.int32)[part.code]
        for part in parts
        if len(part)
    ]
    columns = {
        column: np.concatenate([getattr(part, column) for part in parts])
        for column in COLUMNS
        if column != "code"
    }
    columns["code"] = np.concatenate(code) if code else np.zeros(0, np.int32)
    return Events(**columns, codes=tuple(names), held=_held_of(parts))


def _held_of(parts: Sequence[Events]) -> Held | None:
    if all(part.held is None for part in parts):
        return None
    every = [part.held or held_for_good(part) for part in parts]
    return Held(
        *(np.concatenate([getattr(one, column.name) for one in every]) for column in fields(Held))
    )


def held_for_good(events: Events) -> Held:
    """Of events that hold since they were recorded."""
    size = len(events)
    return Held(np.full(size, NO_TIME), np.full(size, STILL_HOLDS), events.subject_id)
