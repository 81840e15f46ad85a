"""Identifiers: which are acceptable, which are made, and the pseudonyms that stand for them."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from typing import TYPE_CHECKING, Final

from feature_store.errors import BadInput
from feature_store.identity import Identity, keyed_hash, make_key, read_key

if TYPE_CHECKING:
    from service.settings import Settings

# Opaque text without control characters; the same pattern stands in the OpenAPI document.
OPAQUE: Final = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
_OPAQUE = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NHS_NUMBER_DIGITS = 10
_LONGEST_SCORE_ID = 64


def is_opaque(text: str) -> bool:
    """Whether a text holds no control characters."""
    return _OPAQUE.fullmatch(text) is not None


def may_be_score_id(text: str) -> bool:
    """Whether a score could go by this; what could not need not be looked for.

    >>> may_be_score_id("019bb9f6-5b00-7c41-9d4e-2f5a7b1c8e90"), may_be_score_id(chr(0))
    (True, False)
    """
    return len(text) <= _LONGEST_SCORE_ID and is_opaque(text)


def looks_like_nhs_number(text: str) -> bool:
    """Whether a text is shaped like an NHS number, also when written with spaces or hyphens.

    Ten digits with a valid check digit (modulus 11, weights 10 to 2). One in eleven of a trust's
    own ten-digit numbers passes too and must be sent in another form: better that than an NHS
    number in a log of somebody's proxy.

    >>> looks_like_nhs_number("943 476 5919"), looks_like_nhs_number("9434765918")
    (True, False)

    References
    ----------
    NHS Data Dictionary, NHS NUMBER (attribute), validation.
    """
    if len(text) < _NHS_NUMBER_DIGITS or text[0].isalpha():
        return False
    digits = text.replace(" ", "").replace("-", "")
    if len(digits) != _NHS_NUMBER_DIGITS or not digits.isdecimal():
        return False
    total = sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9]))
    return (11 - total % 11) % 11 == int(digits[9])


def request_id_from(sent: str) -> str:
    """Return the caller's request id if it is safe to repeat, else a new one.

    >>> request_id_from("ward-7.2026-01-14"), len(request_id_from("Smith, John"))
    ('ward-7.2026-01-14', 32)
    """
    if sent and _REQUEST_ID.fullmatch(sent) and not looks_like_nhs_number(sent):
        return sent
    return secrets.token_hex(16)


def new_score_id() -> str:
    """Return a unique identifier that sorts by the time it was made (UUID version 7).

    48 bits of milliseconds, then 74 random bits.

    References
    ----------
    RFC 9562, section 5.7.
    """
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10))
    first, last = chance >> 68, chance & (1 << 62) - 1  # 12 and 62 bits, none used twice
    bits = milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | last
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Pseudonyms:
    """Stand-ins for what was sent, meaningless without the secret.

    Parameters
    ----------
    secret : bytes
        The same that keys the live store, so that a spell is one number everywhere.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._identity = Identity(secret)

    def spell(self, identifier: str) -> int:
        """Stand-in for a spell's identifier."""
        return self._identity.spell(identifier)

    def subject(self, identifier: str) -> int:
        """Stand-in for a patient's identifier."""
        return self._identity.subject(identifier)

    def key_for(self, purpose: str) -> bytes:
        """32 bytes for another purpose; they tell nothing of the secret, nor of each other."""
        return keyed_hash(self._secret, b"homeward:" + purpose.encode())

    def fingerprint(self, content: bytes) -> str:
        """Keyed hash of content: proves sameness, and cannot be guessed back from short content."""
        return keyed_hash(self._secret, content).hex()


def pseudonym_secret(settings: Settings) -> bytes:
    """Read the secret that the settings name; only the default one is made where there is none.

    Raises
    ------
    BadInput
        The file cannot be read or made, or is no key.
    """
    if settings.pseudonym_key_file is not None:
        return read_key(settings.pseudonym_key_file)
    path = settings.var / "pseudonym.key"
    if not path.exists():
        with contextlib.suppress(BadInput):  # another process may be first; reading tells the rest
            make_key(path)
    return read_key(path)
