"""One message in, one acknowledgement out; whatever is acknowledged as kept is kept for good."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from feature_store.hl7.ack import Ack, ack_text
from feature_store.hl7.codebook import NATIONAL, FeedCodebook
from feature_store.hl7.derive import Change, apply
from feature_store.hl7.reading import Reading, Unreadable, read_message
from feature_store.hl7.statement import (
    MERGES,
    MOVES,
    OF_A_VISIT,
    USED,
    Statement,
    person_of,
    times_of,
    visit_of,
)
from feature_store.identity import Identity, NhsNumber, nhs_number_kind
from feature_store.live.database import take_turns, write
from feature_store.live.messages import keep_message, keep_statement, reject, said_before
from feature_store.live.names import keep_names, seal_name
from feature_store.live.store import LiveStore

_MARK = re.compile(r"[\x20-\x7e]{1,199}")
_NHS: Final = frozenset({"NHS", "NH", "NHSNO", "2.16.840.1.113883.2.1.4.1"})
_HOSPITAL: Final = ("MR", "PI", "PT", "MRN", "")  # type codes of a hospital's own numbers
_SCHEMES = "NHS"
_USED_TWICE = "MSH-10: a new control id expected, this one came before with another content"


@dataclass(frozen=True, slots=True)
class Feed:
    """Who may send, and what.

    Parameters
    ----------
    facilities : frozenset of str or None
        Sending facilities (MSH-4) whose messages are taken; None takes any.
    live : bool
        In live mode test patients (NHS numbers of the 9-range) and messages that say they are
        training or debugging (MSH-11) are refused.
    codebook : FeedCodebook
        What the codes of its messages mean.
    """

    facilities: frozenset[str] | None = None
    live: bool = True
    codebook: FeedCodebook = NATIONAL


def process(
    message: bytes,
    store: LiveStore,
    received_at: int,
    *,
    identity: Identity,
    feed: Feed = Feed(),
) -> Ack:
    """Keep a message and what follows from it, in one transaction, and acknowledge it.

    Parameters
    ----------
    message : bytes
        Without the frame of MLLP.
    store : LiveStore
    received_at : int
        Now, UTC microseconds.
    identity : Identity
    feed : Feed

    Returns
    -------
    Ack
        A rejected message changes nothing but the table of rejects.

    Raises
    ------
    StoreUnavailable
        Nothing was kept and nothing may be acknowledged: the sender must send again.
    """
    reading: Reading | None = None
    try:
        reading = read_message(message)
        facility, control_id = _authorised(reading, feed)
        statement, name = _statement(reading, facility, identity, feed, received_at=received_at)
    except Unreadable as fault:
        return _rejected(message, store, reading, fault, received_at)

    def keep(connection: Connection) -> tuple[str, int, Change]:
        take_turns(connection)
        before = said_before(connection, facility, control_id)
        if before is not None:  # the same bytes may say something else by another codebook
            same = before.said == statement.to_json() or bytes(before.raw) == message
            return ("duplicate" if same else "conflict"), 0, Change(0, 0)
        marks = {"facility": facility, "control_id": control_id}
        number = keep_message(connection, message, received_at=received_at, **marks)
        keep_statement(
            connection,
            message_id=number,
            subject_id=statement.subject,
            other_subject_id=statement.other_subject,
            spell_id=statement.spell,
            said=statement.to_json(),
        )
        keep_names(connection, seal_name(identity.secret, statement.spell, name))
        if statement.trigger not in USED:
            return "not used", number, Change(0, 0)
        change = apply(connection, statement, source=number, received_at=received_at)
        return "accepted", number, change

    outcome, number, change = write(store.engine, keep)
    if outcome == "conflict":
        return _rejected(message, store, reading, Unreadable(_USED_TWICE), received_at)
    text = ack_text(reading, "AA", "", at=received_at, number=number)
    unused = () if outcome == "duplicate" else tuple(statement.unused)
    return Ack("AA", outcome, "", text, change.added, change.retracted, unused)


def _rejected(
    message: bytes, store: LiveStore, reading: Reading | None, fault: Unreadable, received_at: int
) -> Ack:
    def keep(connection: Connection) -> int:
        return reject(connection, message, reason=fault.reason, received_at=received_at)

    number = write(store.engine, keep)
    text = ack_text(reading, fault.code, fault.reason, at=received_at, number=number)
    return Ack(fault.code, "rejected", fault.reason, text)


# ---- whose message -------------------------------------------------------------------------------


def _authorised(reading: Reading, feed: Feed) -> tuple[str, str]:
    """Sending facility and control id of a message that may come in."""
    facility, control_id = reading.text("MSH", 4), reading.text("MSH", 10)
    if feed.facilities is not None and facility not in feed.facilities:
        raise Unreadable("MSH-4: a sending facility that may send here expected", "AR")
    if reading.text("MSH", 9) != "ADT":
        raise Unreadable("MSH-9: an ADT message expected", "AR")
    if feed.live and reading.text("MSH", 11) not in {"P", ""}:
        raise Unreadable("MSH-11: production (P) expected in a live store", "AR")
    for place, text in (("MSH-4", facility), ("MSH-10", control_id)):
        if _MARK.fullmatch(text) is None:
            raise Unreadable(f"{place}: 1 to 199 printable characters expected")
    return facility, control_id


# ---- what it says --------------------------------------------------------------------------------


def _statement(
    reading: Reading, facility: str, identity: Identity, feed: Feed, *, received_at: int
) -> tuple[Statement, str | None]:
    """What is said, and the name of the spell, which is no part of it."""
    trigger = reading.text("MSH", 9, 2) or reading.text("EVN", 1)
    if not re.fullmatch(r"A\d\d", trigger):
        raise Unreadable("MSH-9.2: an ADT event such as A01 expected", "AR")
    unused: list[str] = []
    subject = _patient(reading, ("PID", 3), facility, feed)
    other = None
    if trigger in MERGES | MOVES:
        other = _patient(reading, ("MRG", 1), facility, feed)
    spell = _spell(reading, trigger, facility)
    statement = Statement(
        trigger=trigger,
        **times_of(reading, received_at=received_at),
        facility=facility,
        control_id=reading.text("MSH", 10),
        subject=identity.subject(subject),
        other_subject=None if other is None else identity.subject(other),
        spell=None if spell is None else identity.spell(spell),
        person=person_of(reading, unused, codebook=feed.codebook),
        visit=visit_of(reading, unused, codebook=feed.codebook, received_at=received_at),
        unused=sorted(unused),
    )
    return statement, spell


def _patient(reading: Reading, place: tuple[str, int], facility: str, feed: Feed) -> str:
    """Identifier of a patient: the hospital's own number; the NHS number where there is no other.

    The NHS number comes and goes in a record (often a day late, sometimes corrected), the hospital
    number stays; so the former never blocks, and never splits a patient in two.
    """
    hospital: dict[str, str] = {}
    nhs = None
    for repetition in range(1, reading.repetitions(*place) + 1):
        number, authority, kind = (
            reading.text(*place, component, repetition=repetition) for component in (1, 4, 5)
        )
        if not number or number == '""':
            continue
        if kind.upper() in _NHS or authority.upper() in _NHS:
            nhs = number
        elif kind.upper() in _HOSPITAL:
            hospital.setdefault(kind.upper(), f"{authority or facility}|{number}")
    valid = _valid_nhs_number(nhs, feed)
    for kind in _HOSPITAL:
        if kind in hospital:
            return hospital[kind]
    if valid is None:
        segment, field = place
        raise Unreadable(f"{segment}-{field}: a hospital number or a valid NHS number expected")
    return f"{_SCHEMES}|{valid}"


def _valid_nhs_number(text: str | None, feed: Feed) -> str | None:
    kind = nhs_number_kind(text)
    if kind is NhsNumber.TEST and feed.live:
        raise Unreadable("PID-3: a patient expected, found a test NHS number (9-range)")
    if text is None or kind not in {NhsNumber.VALID, NhsNumber.TEST}:
        return None
    return text.replace(" ", "").replace("-", "")


def _spell(reading: Reading, trigger: str, facility: str) -> str | None:
    """Name of the spell of a message: its visit number, within whoever gave it out."""
    if trigger not in OF_A_VISIT | MOVES | {"A04", "A05", "A08"}:
        return None
    places = [("MRG", 5), ("PV1", 19)] if trigger in MOVES else [("PV1", 19)]
    for place in places:
        number = reading.text(*place)
        if number not in {"", '""'}:
            return f"{reading.text(*place, 4) or facility}|{number}"
    if trigger in OF_A_VISIT | MOVES:
        raise Unreadable(" or ".join(f"{a}-{b}" for a, b in places) + ": a visit number expected")
    return None
