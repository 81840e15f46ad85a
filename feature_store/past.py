"""Questions about past moments, each answered from what held then: corrections, merges, all of it.

What was held to be true of a patient changes at few moments, and between two of them it is plain
events. So each stretch between changes that anybody asks about becomes a patient of its own, with a
copy of what held, and the features are computed as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feature_store.events import NO_TIME, STILL_HOLDS, Events, Held, Int64, concatenate
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import SPELL_START


def as_held(events: Events, snapshots: Snapshots) -> tuple[Events, Snapshots]:
    """Plain events and the same questions, those about changed histories of stand-in subjects.

    Parameters
    ----------
    events : Events
        In order.
    snapshots : Snapshots

    Returns
    -------
    Events
        In order, without ``held``.
    Snapshots
        Row by row the given ones; only ``subject_id`` may differ.
    """
    if events.held is None:
        return events, snapshots
    changed = np.unique(events.subject_id[events.limited])
    asked = np.flatnonzero(np.isin(snapshots.subject_id, changed))
    subject = snapshots.subject_id.copy()
    parts = [replace(events.take(~np.isin(events.subject_id, changed)), held=None)]
    by_subject = np.argsort(snapshots.subject_id[asked], kind="stable")
    asked = asked[by_subject]
    edges = np.flatnonzero(np.diff(snapshots.subject_id[asked], prepend=-1))
    stand_in = -1
    for rows in np.split(asked, edges[1:]) if asked.size else ():
        patient = _Patient.of(events, int(snapshots.subject_id[rows[0]]))
        for mine, then in patient.stretches(snapshots.take(rows)):
            stand_in -= 1
            subject[rows[mine]] = stand_in
            parts.append(replace(then, subject_id=np.full(len(then), stand_in)))
    return concatenate(parts).in_order(), replace(snapshots, subject_id=subject)


@dataclass(frozen=True, slots=True, eq=False)
class _Patient:
    """All that was ever held of one person."""

    events: Events
    held: Held
    turns: Int64  # moments at which something began or ceased to hold

    @classmethod
    def of(cls, events: Events, subject: int) -> _Patient:
        first, end = np.searchsorted(events.subject_id, [subject, subject + 1])
        mine = events.take(np.arange(first, end))
        held = mine.held
        assert held is not None  # noqa: S101 - of events that have it
        turns = np.unique(np.concatenate([held.since, held.until]))
        return cls(mine, held, turns[(turns != NO_TIME) & (turns != STILL_HOLDS)])

    def stretches(self, asked: Snapshots) -> Iterator[tuple[NDArray[np.intp], Events]]:
        """Rows asked about one stretch and one number of the person, with what held of it then."""
        stretch = np.searchsorted(self.turns, asked.prediction_time, side="right")
        whose = self._whose(asked)
        pairs, group = np.unique(np.column_stack([stretch, whose]), axis=0, return_inverse=True)
        for number in range(len(pairs)):
            rows = np.flatnonzero(group.ravel() == number)
            yield rows, self._then(int(asked.prediction_time[rows[0]]), int(pairs[number, 1]))

    def _then(self, moment: int, whose: int) -> Events:
        held = self.held
        theirs = np.isin(held.subject_id, (whose, ~whose))
        then = theirs & (held.since <= moment) & (held.until > moment)
        return replace(self.events.take(then), held=None)

    def _whose(self, asked: Snapshots) -> Int64:
        """Number under which each spell was held at its moment; the last one if not known then."""
        starts = np.flatnonzero(self.events.rows_of(SPELL_START) & (self.held.subject_id >= 0))
        whose = asked.subject_id.copy()
        for row in starts:
            known = max(int(self.events.visible_at[row]), int(self.held.since[row]))
            mine = (
                (asked.spell_id == self.events.spell_id[row])
                & (asked.prediction_time >= known)
                & (asked.prediction_time < self.held.until[row])
            )
            whose[mine] = self.held.subject_id[row]
        return whose
