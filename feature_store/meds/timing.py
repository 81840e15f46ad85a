"""When a fact can have been known: the vocabulary's word first, then the codebook's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_store.clock import DAY, local_day
from feature_store.events import NO_SPELL, NO_TIME, Int64
from feature_store.ingest.timing import AFTER
from feature_store.meds.codebook import Known, Rule
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import FAMILIES, Availability, family_of

if TYPE_CHECKING:
    from feature_store.ingest.spell_index import SpellIndex


@dataclass(frozen=True, slots=True)
class Said:
    """One code that a source code becomes, and how; None of a code that is kept as it is."""

    code: str
    rule: Rule | None

    @property
    def delay(self) -> int:
        """Microseconds that pass before it is known."""
        return round((0.0 if self.rule is None else self.rule.delay_days) * DAY)

    @property
    def late(self) -> bool:
        """Known after discharge: the vocabulary's word comes before the codebook's."""
        family = FAMILIES.get(family_of(self.code))
        if family is not None and family.availability is Availability.AFTER_DISCHARGE:
            return True
        return self.rule is not None and self.rule.known is Known.AFTER_DISCHARGE


@dataclass(frozen=True, slots=True, eq=False)
class Loose:
    """Facts whose spell and moment of recording are to be settled; all of shape (n,)."""

    subject: Int64
    spell: Int64
    time: Int64
    recorded: Int64


def known_late(facts: Loose, delay: int, index: SpellIndex) -> tuple[Int64, Int64, Int64]:
    """Spell, time and recording of facts known only after the spell that they belong to.

    ``recorded`` comes back as ``NO_TIME`` where they are not known yet, or nobody can say when.
    """
    time, recorded = facts.time, facts.recorded
    unsettled = facts.spell == NO_SPELL
    spell = np.where(unsettled, _by_day(index, facts.subject, time), facts.spell)
    position = index.find(spell)
    held = (position >= 0) & (spell != NO_SPELL)
    end = index.end[np.maximum(position, 0)] if len(index) else np.zeros(spell.size, np.int64)
    open_still = held & (end == STILL_HERE)
    after = np.where(open_still | ~held, 0, end)
    loose = np.where(time == NO_TIME, NO_TIME, np.maximum(recorded, time) + delay)
    known = np.where(held, np.maximum(after + AFTER + delay, recorded), loose)
    at = np.where(held & (time == NO_TIME), after, time)
    return spell, at, np.where(open_still, NO_TIME, known)


def _by_day(index: SpellIndex, subject: Int64, time: Int64) -> Int64:
    """Spell on whose days a moment falls: what is coded later often carries a date alone.

    Without it a procedure dated midnight would lie hours before the admission it belongs to, and
    be known to it.
    """
    timed = np.flatnonzero(time != NO_TIME)
    found = np.full(subject.size, NO_SPELL, np.int64)
    which, spell = index.spells_of(subject[timed])
    day = local_day(time[timed])[which]
    last = local_day(np.where(index.ended[spell], index.end[spell], 0))
    within = (local_day(index.start[spell]) <= day) & ((day <= last) | ~index.ended[spell])
    found[timed[which[within]]] = index.spell_id[spell[within]]
    return found
