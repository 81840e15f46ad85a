"""What one ADT message says, in the words of the vocabulary and without identifiers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final, Self

from feature_store.clock import DAY
from feature_store.hl7.codebook import FeedCodebook
from feature_store.hl7.fields import NOT_A_SPELL, PERSON, VISIT, Field
from feature_store.hl7.moments import to_date, to_utc
from feature_store.hl7.reading import (
    DELETE,
    MOST_BYTES,
    Reading,
    Unreadable,
    read_message,
)
from feature_store.spells import EARLIEST_STAY

OF_A_VISIT: Final = frozenset(
    {"A01", "A02", "A03", "A06", "A07", "A11", "A12", "A13", "A21", "A22", "A23"}
)
MERGES: Final = frozenset({"A34", "A40"})
MOVES: Final = frozenset({"A44", "A45"})
USED: Final = OF_A_VISIT | MERGES | MOVES | {"A04", "A05", "A08", "A28", "A31"}
"""Triggers that say something to us; others are kept and acknowledged, no more."""

TIMES: Final = {"admitted_at": ("PV1", 44), "discharged_at": ("PV1", 45)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a message says; whatever it does not mention is absent, what it deletes is None.

    Parameters
    ----------
    trigger : str
        ``A01`` and so on.
    happened_at, told_at, sent_at : int
        UTC microseconds: of the event (EVN-6, else EVN-2), of its entry (EVN-2), of the message.
    facility, control_id : str
        MSH-4 and MSH-10: one message, and the last resort for an order.
    subject, other_subject, spell : int or None
        Pseudonyms: the patient, the one who is merged or loses a spell, the spell.
    person, visit : dict
        By name of a fact.
    unused : list of str
        Fields with a value that is not in our value set: known to be there, not used.
    """

    trigger: str
    happened_at: int
    told_at: int
    sent_at: int
    facility: str
    control_id: str
    subject: int
    other_subject: int | None = None
    spell: int | None = None
    person: dict[str, str | None] = field(default_factory=dict)
    visit: dict[str, Any] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    @property
    def order(self) -> tuple[Any, ...]:
        """Where it stands among what was said: by entry, not by arrival; never a tie."""
        mark = (len(self.control_id), self.control_id, self.facility)
        return self.told_at, self.sent_at, *mark

    def to_json(self) -> str:
        """One line; equal statements are equal lines."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of :meth:`to_json`."""
        return cls(**json.loads(text))


def times_of(reading: Reading, *, received_at: int) -> dict[str, int]:
    """``happened_at``, ``told_at`` and ``sent_at`` of a message.

    Raises
    ------
    Unreadable
        No time at all, not a time, before 1990, or more than a day ahead of us.
    """
    found = {}
    for name, (segment, number) in {
        "sent_at": ("MSH", 7), "told_at": ("EVN", 2), "happened_at": ("EVN", 6),
    }.items():  # fmt: skip
        found[name] = _moment(reading, segment, number, received_at)
    told = found["told_at"] if found["told_at"] is not None else found["sent_at"]
    if told is None:
        raise Unreadable("EVN-2 or MSH-7: a time expected, found none")
    sent, happened = found["sent_at"], found["happened_at"]
    return {
        "sent_at": told if sent is None else sent,
        "told_at": told,
        "happened_at": told if happened is None else happened,
    }


def sent_at_of(raw: bytes) -> int | None:
    """When a message was sent, UTC microseconds (MSH-7, else EVN-2); None where neither says."""
    try:
        reading = read_message(raw[: MOST_BYTES + 1])
    except Unreadable:
        return None
    for place in (("MSH", 7), ("EVN", 2)):
        text = reading.text(*place)
        moment = None if text in {"", DELETE} else to_utc(text)
        if moment is not None:
            return moment
    return None


def person_of(
    reading: Reading, unused: list[str], *, codebook: FeedCodebook
) -> dict[str, str | None]:
    """Facts about the patient."""
    said = _listed(reading, PERSON, unused, codebook)
    born = reading.text("PID", 7)
    if born == DELETE:
        said["born"] = None
    elif born:
        day = to_date(born)
        if day is None or day < date(1890, 1, 1):
            unused.append("PID-7")
        else:
            said["born"] = day.isoformat()
    return said


def visit_of(
    reading: Reading, unused: list[str], *, codebook: FeedCodebook, received_at: int
) -> dict[str, Any]:
    """Facts about the visit.

    Raises
    ------
    Unreadable
        A time of admission or discharge that cannot be, or a discharge before the admission.
    """
    said: dict[str, Any] = _listed(reading, VISIT, unused, codebook)
    if "PV1-2" in unused:
        said["class"] = NOT_A_SPELL  # of an unknown class nobody knows that it is a stay
    for name, (segment, number) in TIMES.items():
        if reading.text(segment, number) == DELETE:
            said[name] = None
        elif (moment := _moment(reading, segment, number, received_at)) is not None:
            said[name] = moment
    start, end = said.get("admitted_at"), said.get("discharged_at")
    if start is not None and end is not None and end < start:
        raise Unreadable("PV1-45: a time of discharge after the admission in PV1-44 expected")
    return said


def _listed(
    reading: Reading, fields: Sequence[Field], unused: list[str], codebook: FeedCodebook
) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for one in fields:
        text = reading.text(one.segment, one.number, one.component)
        if text == DELETE or (text == "" and reading.text(one.segment, one.number) == DELETE):
            said[one.name] = None
        elif text:
            meant = codebook.meant(one.family, text)
            value = None if meant is None else one.value_of(meant)
            if value is None:
                unused.append(one.place)
            else:
                said[one.name] = value
    return said


def _moment(reading: Reading, segment: str, number: int, now: int) -> int | None:
    text = reading.text(segment, number)
    if text in {"", DELETE}:
        return None
    moment = to_utc(text)
    if moment is None or not EARLIEST_STAY <= moment <= now + DAY:
        raise Unreadable(f"{segment}-{number}: a time from 1990 to now, as YYYYMMDDHHMM, expected")
    return moment
