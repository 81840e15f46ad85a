"""Text of an HL7 v2 message, read leniently: feeds break the standard every day.

References
----------
HL7 v2.4, chapter 2 (segments, fields, escapes, MSH) and chapter 3 (ADT).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import hl7

MOST_BYTES: Final = 1024 * 1024
"""Of one message; an ADT message has two or three thousand."""

DELETE: Final = '""'
"""HL7's null: what was known before no longer holds. An empty field says nothing."""

_ONCE = ("MSH", "PID", "PV1")
_ANOTHER = re.compile(r"[\x0b\x1c]\s*MSH")
_LINE_END = re.compile(r"\r\n|\n")
# What the library raises for messages that are none; it asserts that separators differ.
_BROKEN = hl7.HL7Exception, LookupError, ValueError, TypeError, AttributeError, AssertionError
_UTF8 = ("UNICODE UTF-8", "UTF-8", "UTF8")


class Unreadable(Exception):
    """A message cannot be used.

    Parameters
    ----------
    reason : str
        What was expected, and where; never what was found.
    code : str
        ``AE`` for its content, ``AR`` for what it is or who sent it.
    """

    def __init__(self, reason: str, code: str = "AE") -> None:
        self.reason = reason
        self.code = code
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Reading:
    """A message that could be taken apart.

    Parameters
    ----------
    message : hl7.Message
    """

    message: hl7.Message

    def has(self, segment: str) -> bool:
        """Whether there is such a segment."""
        return any(str(found[0]) == segment for found in self.message)

    def text(
        self, segment: str, field: int, component: int = 1, *, repetition: int = 1, part: int = 1
    ) -> str:
        """Text at a place, unescaped; empty where nothing was said."""
        try:
            found = self.message.extract_field(segment, 1, field, repetition, component, part)
        except LookupError:
            return ""
        return str(found).strip()

    def repetitions(self, segment: str, field: int) -> int:
        """How often a field is repeated."""
        try:
            return len(self.message.segment(segment)(field))
        except LookupError:
            return 0


def read_message(raw: bytes) -> Reading:
    """Take a message apart.

    Parameters
    ----------
    raw : bytes
        Without the frame of MLLP. UTF-8, or the Latin 1 that older systems send without saying so.

    Raises
    ------
    Unreadable
    """
    if len(raw) > MOST_BYTES:
        raise Unreadable(f"a message of at most {MOST_BYTES} bytes expected", "AR")
    text = _LINE_END.sub("\r", _decoded(raw)).strip("\r \ufeff\x00\x0b\x1c")
    # Letters and digits as separators would make a riddle of every field, as would one for two.
    marks = re.match(r"MSH([^\w\s])([^\w\s]{3,5})\1", text)
    if marks is None or len(set("".join(marks.groups()))) <= len(marks[2]):
        raise Unreadable("an HL7 v2 message beginning with MSH expected", "AR")
    if "\x00" in text or _ANOTHER.search(text):  # two messages in one would be of two patients
        raise Unreadable("one message, without NUL in it, expected", "AR")
    try:
        reading = Reading(hl7.parse(text))
        counts = {name: sum(str(one[0]) == name for one in reading.message) for name in _ONCE}
    except _BROKEN as error:
        raise Unreadable("segments and fields of HL7 v2 expected", "AR") from error
    if max(counts.values()) > 1:
        raise Unreadable("one MSH, and one PID and one PV1 at most, expected")
    return reading


def _decoded(raw: bytes) -> str:
    declared = raw[:1024].splitlines()[0] if raw.strip() else b""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if any(name.encode() in declared.upper() for name in _UTF8):
            raise Unreadable("UTF-8 expected, as MSH-18 says") from error
        return raw.decode("latin-1")
