"""Events of made-up patients told as the ADT messages that a hospital would have sent.

What ADT has no place for (readings, results, assessments, readiness) stays with the events; so does
what a feed of changes cannot repeat, such as a second arrival on the ward where the patient is.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import count, groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_day
from feature_store.events import NO_SPELL, NO_TIME, Events, Int64
from feature_store.hl7.fields import PERSON, VISIT
from feature_store.hl7.person import tell_person
from feature_store.hl7.statement import Statement
from feature_store.hl7.visit import AT_THE_DOOR, AT_THE_END, CHANGING, LEAVE, Fact, tell
from feature_store.hl7.writing import TICK, write_message
from feature_store.vocabulary import SEPARATOR, SPELL_END, SPELL_START, family_of, value_of

FACILITY: Final = "SIM"
"""Sending facility (MSH-4) of what is made up, and whoever gave out its numbers."""

_VISIT: Final = {field.family: field for field in VISIT}
_PERSON: Final = {field.family: field for field in PERSON}
FAMILIES_OF_ADT: Final = frozenset({*_VISIT, *_PERSON, SPELL_START, SPELL_END, LEAVE, "AGE"})
"""Families of which a feed of ADT messages can tell at least the changes."""

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and when it is sent, UTC microseconds."""

    sent_at: int
    raw: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Retelling:
    """Events as ADT messages.

    Parameters
    ----------
    messages : list of Message
        In the order in which they were sent: each when its facts were recorded.
    told : ndarray of bool, shape (n_events,)
        Which events the messages tell.
    of_adt : ndarray of bool, shape (n_events,)
        Which events are of a family that ADT tells; those of them that are not ``told`` would
        contradict or repeat what the messages say.
    """

    messages: list[Message]
    told: NDArray[np.bool_]
    of_adt: NDArray[np.bool_]


def patient_number(subject: int) -> str:
    """Hospital number of a patient, as PID-3 has it.

    >>> patient_number(7)
    'P7'
    """
    return f"P{subject}"


def visit_number(spell: int) -> str:
    """Number of a spell, as PV1-19 has it.

    >>> visit_number(7)
    'S7'
    """
    return f"S{spell}"


def retell(events: Events) -> Retelling:
    """Tell events as ADT messages.

    Parameters
    ----------
    events : Events
        Of made-up patients, in any order. An admission without a class is told as one of an
        inpatient: that is what A01 means. Times are told to a tenth of a millisecond, HL7's finest.

    Returns
    -------
    Retelling
    """
    events = replace(events, time=_as_hl7(events.time), recorded_at=_as_hl7(events.recorded_at))
    carried = [family_of(code) in FAMILIES_OF_ADT for code in events.codes]
    of_adt = np.array(carried, np.bool_)[events.code]
    told = np.zeros(len(events), np.bool_)
    messages: list[Message] = []
    for subject, rows_of in _by_patient(events, np.flatnonzero(of_adt).tolist()).items():
        person = _person(events, rows_of)
        said: list[Statement] = []
        for spell, rows in rows_of.items():
            of_spell = list(_statements(events, rows, person, subject=subject, spell=spell))
            facts = tell(of_spell).facts(person.get("born"))
            told[rows] = [_fact(events, row) in facts for row in rows]
            said += of_spell
        facts = tell_person(said).facts
        rows = rows_of.get(NO_SPELL, [])
        told[rows] = [_fact(events, row) in facts for row in rows]
        messages += map(_message, said)
    messages.sort(key=lambda one: one.sent_at)
    return Retelling(messages, told, of_adt)


def _as_hl7(times: Int64) -> Int64:
    """Times as finely as HL7 tells them."""
    return np.where(times == NO_TIME, NO_TIME, times - times % TICK)


def _message(said: Statement) -> Message:
    visit = "" if said.spell is None else visit_number(said.spell)
    return Message(
        said.sent_at, write_message(said, patient=patient_number(said.subject), visit=visit)
    )


def _by_patient(events: Events, rows: Sequence[int]) -> dict[int, dict[int, list[int]]]:
    found: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[int(events.subject_id[row])][int(events.spell_id[row])].append(row)
    return found


def _fact(events: Events, row: int) -> Fact:
    value = float(events.numeric_value[row])
    code = events.codes[events.code[row]]
    return code, int(events.time[row]), None if np.isnan(value) else value


# ---- the person ----------------------------------------------------------------------------------


def _person(events: Events, rows_of: Mapping[int, Sequence[int]]) -> dict[str, str | None]:
    """What every message says of its patient."""
    said: dict[str, str | None] = {}
    for row in rows_of.get(NO_SPELL, ()):
        code = events.codes[events.code[row]]
        field = _PERSON.get(family_of(code))
        if field is not None and field.value_of(value_of(code)) == value_of(code):
            said[field.name] = value_of(code)
    ages = [
        (int(events.time[row]), int(events.numeric_value[row]))
        for rows in rows_of.values()
        for row in rows
        if events.codes[events.code[row]] == "AGE"
    ]
    if ages:
        said["born"] = birthday(ages).isoformat()
    return said


def birthday(ages: Iterable[tuple[int, int]]) -> date:
    """Day of birth of somebody of these whole years at these moments.

    Parameters
    ----------
    ages : iterable of (int, int)
        UTC microseconds and years. Where no day fits all, the latest count.

    >>> birthday([(0, 30), (86_400_000_000, 31)])
    datetime.date(1939, 1, 2)
    """
    first, last = date.min.toordinal(), date.max.toordinal()
    for moment, years in sorted(ages, reverse=True):
        day = date.fromordinal(_EPOCH_DAY + int(local_day(np.array([moment]))[0]))
        earliest, latest = _years_before(day, years + 1) + 1, _years_before(day, years)
        if max(first, earliest) <= min(last, latest):
            first, last = max(first, earliest), min(last, latest)
    return date.fromordinal((first + last) // 2)


def _years_before(day: date, years: int) -> int:
    """Ordinal of the last day of birth of whoever is so old by a day."""
    try:
        return day.replace(year=day.year - years).toordinal()
    except ValueError:  # of 29 February in a common year
        return day.replace(year=day.year - years, day=28).toordinal()


# ---- the spell -----------------------------------------------------------------------------------


def _statements(
    events: Events,
    rows: Sequence[int],
    person: dict[str, str | None],
    *,
    subject: int,
    spell: int,
) -> Iterator[Statement]:
    """What was said of a spell, each thing when it was recorded; nothing of one never opened."""
    starts = [row for row in rows if events.codes[events.code[row]] == SPELL_START]
    if spell == NO_SPELL or not starts:
        return
    numbers = count(1)

    def entered(row: int) -> tuple[int, int]:
        return int(events.recorded_at[row]), int(events.time[row])

    for (told_at, at), group in groupby(sorted(rows, key=entered), entered):
        codes = [events.codes[events.code[row]] for row in group]
        for trigger, visit in _turns(codes):
            if trigger == "A01":
                visit["admitted_at"] = at
            said = f"{spell} {trigger} {told_at} {at} {visit}"
            # The number keeps apart, and in order, what was entered at one moment.
            mark = hashlib.sha256(said.encode()).hexdigest()[:12]
            yield Statement(
                trigger=trigger,
                happened_at=at,
                told_at=told_at,
                sent_at=told_at,
                facility=FACILITY,
                control_id=f"{next(numbers):05d}-{mark}",
                subject=subject,
                spell=spell,
                person=person,
                visit=visit,
            )


def _turns(codes: Sequence[str]) -> Iterator[tuple[str, dict[str, str | int]]]:
    """Triggers, and what each says, of what happened at one moment."""
    split = [(_VISIT.get(family_of(code)), value_of(code)) for code in codes]
    named = {
        field.name: value for field, value in split if field and field.value_of(value) == value
    }
    here = {name: named[name] for name in named if name in AT_THE_DOOR or name in CHANGING}
    gone = {name: named[name] for name in named if name in AT_THE_END}
    if SPELL_START in codes:
        yield "A01", dict(here)
    elif here:
        yield ("A02" if {"ward", "bed"} & set(here) else "A08"), dict(here)
    for trigger, way in (("A21", "start"), ("A22", "end")):
        if f"{LEAVE}{SEPARATOR}{way}" in codes:
            yield trigger, {}
    if SPELL_END in codes:
        yield "A03", dict(gone)
    elif gone:
        yield "A08", dict(gone)
