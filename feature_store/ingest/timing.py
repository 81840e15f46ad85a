"""When each fact happened and when a computer could first have known it: the one place for both.

A fact known at admission is recorded at the start of its spell. A fact known only after discharge
is recorded after the end of it, later than any question about the spell can be; of an open spell it
is not known yet, and there is no event.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.clock import DAY, SECOND
from feature_store.events import NO_TIME
from feature_store.ingest.mapping_rules import (
    ADMISSION,
    AFTER_DISCHARGE,
    OWN_TIME,
    known_of,
    timed_by_admission,
)
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import FAMILIES, Availability

if TYPE_CHECKING:
    from feature_store.events import Int64
    from feature_store.ingest.mapping import Fact, Mapping
    from feature_store.ingest.placing import Placed
    from feature_store.ingest.rows import Mask
    from feature_store.ingest.spell_index import SpellIndex
    from feature_store.ingest.times import Moments

AFTER: Final = SECOND
"""The least time between a discharge and what becomes known after it."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Facts with their patient, spell and times.

    Parameters
    ----------
    row : ndarray of int64, shape (n,)
        Row of the batch that each comes from.
    subject_id, spell_id, start, end, time, recorded_at : ndarray of int64, shape (n,)
    """

    row: Int64
    subject_id: Int64
    spell_id: Int64
    start: Int64
    end: Int64
    time: Int64
    recorded_at: Int64

    def take(self, keep: Mask) -> Timed:
        """Return those where ``keep`` is true."""
        return Timed(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def is_mark(fact: Fact) -> bool:
    """Whether a fact says only that something happened: without a time it did not."""
    return not fact.placeholders and not fact.number and fact.time is not None


def time_facts(  # noqa: PLR0913 - a fact, its rows, and the three things that tell its times
    mapping: Mapping,
    fact: Fact,
    row: Int64,
    *,
    placed: Placed,
    index: SpellIndex,
    happened: Moments | None,
    recorded: Moments | None,
) -> Timed:
    """Times of a fact in these rows of a batch.

    Parameters
    ----------
    mapping : Mapping
    fact : Fact
    row : ndarray of int64, shape (n,)
        Rows that hold the fact, with every time that it needs.
    placed : Placed
        The whole batch.
    index : SpellIndex
    happened, recorded : Moments or None
        The whole batch: the fact's own time, and its recorded time, where the mapping has them.

    Returns
    -------
    Timed
        More than ``row`` where a patient's fact holds at each of several admissions, fewer where
        a spell is open and the fact not known yet.
    """
    known = known_of(fact)
    if known == ADMISSION and not placed.by_spell:
        timed = _at_each_admission(row, placed, index)
    else:
        timed = _of_rows(row, placed)
    own = None if happened is None else happened.time[timed.row]
    if known == AFTER_DISCHARGE or _late(fact):
        timed = _after_discharge(fact, timed, recorded)
    elif recorded is not None:
        at = recorded.time[timed.row]
        timed = replace(timed, time=at, recorded_at=recorded.known[timed.row])
    elif known == OWN_TIME and happened is not None and not timed_by_admission(mapping, fact):
        timed = replace(timed, recorded_at=happened.known[timed.row])
    if own is not None and not timed_by_admission(mapping, fact):
        timed = replace(timed, time=own)
    timed = timed.take((timed.recorded_at != NO_TIME) & (timed.time != NO_TIME))
    if placed.by_spell or known == ADMISSION:
        return timed
    return replace(timed, spell_id=index.spell_at(timed.subject_id, timed.time))


def _late(fact: Fact) -> bool:
    family = FAMILIES.get(fact.family)
    return family is not None and family.availability is Availability.AFTER_DISCHARGE


def _of_rows(row: Int64, placed: Placed) -> Timed:
    start = placed.start[row]
    return Timed(
        row=row,
        subject_id=placed.subject_id[row],
        spell_id=placed.spell_id[row],
        start=start,
        end=placed.end[row],
        time=start,
        recorded_at=start,
    )


def _at_each_admission(row: Int64, placed: Placed, index: SpellIndex) -> Timed:
    which, position = index.spells_of(placed.subject_id[row])
    start = index.start[position]
    return Timed(
        row=row[which],
        subject_id=index.subject_id[position],
        spell_id=index.spell_id[position],
        start=start,
        end=index.end[position],
        time=start,
        recorded_at=start,
    )


def _after_discharge(fact: Fact, timed: Timed, recorded: Moments | None) -> Timed:
    """At the end of the spell, known after it: at its recorded time if that is later."""
    ended = timed.end != STILL_HERE
    end = np.where(ended, timed.end, 0)
    known = end + AFTER + round(fact.delay_days * DAY)
    if recorded is not None:
        known = np.maximum(known, recorded.known[timed.row])
    return replace(
        timed,
        time=np.where(ended, end, NO_TIME),
        recorded_at=np.where(ended, known, NO_TIME),
    )
