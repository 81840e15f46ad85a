"""Acknowledgements: what became of a message, in HL7's own language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from feature_store.clock import to_moment
from feature_store.hl7.reading import Reading

_UNSAFE = re.compile(r"[^\x20-\x7e]|[|^~\\&]")
_LONGEST: Final = 199  # MSH-10, HL7 v2.7


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of a message.

    Parameters
    ----------
    code : str
        ``AA`` kept; ``AE`` its content, or ``AR`` its kind or sender, was refused.
    outcome : str
        ``accepted``, ``duplicate``, ``not used`` (kept, of no meaning to us) or ``rejected``.
    reason : str
        Why it was rejected; empty otherwise. Free of values.
    text : bytes
        The answer, without the frame of MLLP.
    added, retracted : int
        Events.
    unused : tuple of str
        Fields such as ``PV1-4`` with a code that nobody said the meaning of.
    """

    code: str
    outcome: str
    reason: str
    text: bytes
    added: int = 0
    retracted: int = 0
    unused: tuple[str, ...] = ()


def ack_text(reading: Reading | None, code: str, reason: str, *, at: int, number: int) -> bytes:
    """Acknowledgement of a message.

    Parameters
    ----------
    reading : Reading or None
        None where it could not be read: then nobody can be named in it.
    code, reason : str
    at : int
        Now, UTC microseconds.
    number : int
        Makes the control id of the acknowledgement its own.

    References
    ----------
    HL7 v2.4, 2.13.1 (MSA) and 2.9.2 (original acknowledgement mode).
    """

    def field(place: int, component: int = 1) -> str:
        return "" if reading is None else _safe(reading.text("MSH", place, component))

    now = to_moment(at).strftime("%Y%m%d%H%M%S+0000")
    kind = f"ACK^{field(9, 2)}^ACK" if field(9, 2) else "ACK"
    header = [
        *("MSH", "^~\\&", "HOMEWARD", field(6), field(3), field(4), now, "", kind),
        *(f"HW{number}", field(11) or "P", field(12) or "2.4"),
    ]
    answer = ["MSA", code, field(10), _safe(reason)]
    return ("|".join(header) + "\r" + "|".join(answer) + "\r").encode("ascii")


def _safe(text: str) -> str:
    return _UNSAFE.sub("", text)[:_LONGEST]
