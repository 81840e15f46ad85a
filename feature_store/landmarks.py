"""Snapshots as they could have been asked: by the admission that was known at each moment.

An admission may be entered late, and its time corrected later; a discharge may be entered and taken
back. A live store that is asked four hours in and each morning goes by what it knows then, and so
does a training set. What became of the spell is asked of the end of the data alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from feature_store.events import NO_SPELL, STILL_HOLDS, Events, Int64
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import Spells, find_spells
from feature_store.vocabulary import SPELL_END, SPELL_START


def known_snapshots(
    events: Events, *, until: int, mornings: bool = True
) -> tuple[Spells, Snapshots]:
    """Spells as they were in the end, and the daily snapshots by what was known at each.

    A snapshot is there if the spell was known to have begun and was not known to have ended, and
    its ``spell_start`` is the admission known then: what ``LiveStore.inpatients`` says at that
    moment. A corrected admission moves the moment four hours in; each that came is asked about.

    Parameters
    ----------
    events : Events
        With their past (``Events.held``) where there is one.
    until, mornings
        As for :func:`feature_store.snapshots.daily_snapshots`.

    Returns
    -------
    Spells
        What holds in the end; one that was taken back is not there.
    Snapshots
        Of these spells, ordered by spell, then time. No patient is asked about who had left in
        truth.

    Raises
    ------
    BadInput
        As :func:`feature_store.spells.find_spells`.
    """
    spells = find_spells(events.current())
    told = _known(events, spells, SPELL_START).in_turn()
    versions = replace(spells.take(told.spell), start=told.time, spell_id=np.arange(len(told)))
    asked = daily_snapshots(versions, until=until, mornings=mornings)
    version, moment = asked.spell_id, asked.prediction_time
    then = (told.since[version] <= moment) & (moment < told.until[version])
    asked, row = asked.take(then), told.spell[version[then]]
    gone = _known(events, spells, SPELL_END).before(spells.end)
    open_still = ~gone.any_at(row, asked.prediction_time)
    own = replace(asked, spell_id=spells.spell_id[row])
    return spells, own.take(open_still)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What was known of spells and between which moments; all of shape (n,), by spell."""

    spell: NDArray[np.intp]  # row of the spells
    time: Int64
    since: Int64
    until: Int64

    def __len__(self) -> int:
        return int(self.spell.size)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> _Known:
        return _Known(self.spell[rows], self.time[rows], self.since[rows], self.until[rows])

    def before(self, end: Int64) -> _Known:
        """Those known before their spell truly ended: late or not at all is the common case."""
        return self.take(self.since < end[self.spell])

    def in_turn(self) -> _Known:
        """One after another: of several beginnings known at once the latest counts."""
        several = np.isin(self.spell, self.spell[1:][self.spell[1:] == self.spell[:-1]])
        turns = [turn for mine in _runs(self.take(several)) for turn in mine.turns()]
        columns = np.array(turns, np.int64).reshape(-1, 4).T
        alone = self.take(~several)
        joined = [
            np.concatenate([one, more])
            for one, more in zip(
                (alone.spell, alone.time, alone.since, alone.until), columns, strict=True
            )
        ]
        order = np.lexsort((joined[2], joined[0]))
        return _Known(*(column[order] for column in joined))

    def turns(self) -> Iterator[tuple[int, int, int, int]]:
        """Of one spell: each stretch between changes, with what counted in it."""
        edges = np.unique(np.concatenate([self.since, self.until]))
        for since, until in pairwise(edges.tolist()):
            held = (self.since <= since) & (self.until >= until)
            if held.any():
                yield int(self.spell[0]), int(self.time[held].max()), since, until

    def any_at(self, spell: NDArray[np.intp], moment: Int64) -> NDArray[np.bool_]:
        """Whether anything of these spells was known at these moments."""
        first, end = (np.searchsorted(self.spell, spell, side=side) for side in ("left", "right"))
        known = np.zeros(spell.size, bool)
        for nth in range(int((end - first).max(initial=0))):
            row = np.minimum(first + nth, end - 1)
            known |= (first + nth < end) & (self.since[row] <= moment) & (moment < self.until[row])
        return known


def _known(events: Events, spells: Spells, code: str) -> _Known:
    """Every time that was ever held to be one of these spells' start, or end."""
    told = events.take(events.rows_of(code) & (events.spell_id != NO_SPELL))
    since, until = told.visible_at, np.full(len(told), STILL_HOLDS)
    own = np.isin(told.spell_id, spells.spell_id)
    if told.held is not None:
        since, until = np.maximum(since, told.held.since), told.held.until
        own &= told.held.subject_id >= 0  # not a copy for another's question
    own &= since < until
    row = np.searchsorted(spells.spell_id, told.spell_id[own])
    order = np.argsort(row, kind="stable")
    return _Known(row[order], told.time[own][order], since[own][order], until[own][order])


def _runs(known: _Known) -> Iterator[_Known]:
    """What was known of each spell."""
    edges = [*np.flatnonzero(np.diff(known.spell, prepend=-1)).tolist(), len(known)]
    for first, end in pairwise(edges):
        yield known.take(np.arange(first, end))
