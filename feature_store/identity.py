"""Who a record is about, without saying who: keyed pseudonyms at the door, and the NHS number.

An NHS number is ten digits: whoever has a plain hash of one finds the number by trying them all.
Hence HMAC-SHA256 with a key that stays outside the data, cut to 63 bits so that it fits the
``subject_id`` of MEDS. Two of ten million identifiers then meet by chance once in two hundred
thousand hospitals (n**2 / 2**64); if they do, two histories are read as one and nothing warns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from feature_store.errors import BadInput

SHORTEST_SECRET: Final = 16
"""Bytes; shorter ones can be guessed."""

_BLOCK = 64  # bytes that SHA-256 takes in at a time
_KEY_BYTES = 32
_63_BITS = (1 << 63) - 1
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

What = Literal["subject", "spell"]


def pseudonym(key: str, what: str, secret: bytes) -> int:
    """Integer of a key, from 0 to 2**63 - 1: the same for the same secret, else unrelated.

    Parameters
    ----------
    key : str
    what : str
        `subject` or `spell`: equal keys of different things are unrelated.
    secret : bytes

    >>> pseudonym("9990000001", "subject", b"k" * 32) == pseudonym("9990000001", "spell", b"k" * 32)
    False
    """
    # A lone half of a surrogate pair is text that JSON can carry and UTF-8 cannot.
    told = f"{what}\0{key}".encode(errors="surrogatepass")
    return int.from_bytes(keyed_hash(secret, told)[:8], "big") & _63_BITS


def keyed_hash(secret: bytes, content: bytes) -> bytes:
    """HMAC-SHA256 of content, 32 bytes.

    The standard library's says the same at four times the cost: it takes in the key each time.

    References
    ----------
    RFC 2104, section 2; its section 4 on keeping what the key has been made into.

    >>> import hmac
    >>> keyed_hash(b"k" * 32, b"P1") == hmac.digest(b"k" * 32, b"P1", "sha256")
    True
    """
    inner, outer = _taken_in(secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(content)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=16)
def _taken_in(secret: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Inner and outer hash after the key."""
    whole = secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()
    padded = whole.ljust(_BLOCK, b"\0")
    masks = (0x36, 0x5C)
    inner, outer = (hashlib.sha256(bytes(byte ^ mask for byte in padded)) for mask in masks)
    return inner, outer


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifiers of one installation to the integers of its events.

    Parameters
    ----------
    secret : bytes
        Kept outside the data, see :func:`read_key`.

    Raises
    ------
    BadInput
        The secret is short enough to be guessed.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a secret that can be guessed."""
        check_secret(self.secret)

    def subject(self, identifier: str) -> int:
        """``subject_id`` of a patient's identifier."""
        return pseudonym(identifier, "subject", self.secret)

    def spell(self, identifier: str) -> int:
        """``spell_id`` of a spell's identifier."""
        return pseudonym(identifier, "spell", self.secret)


def check_secret(secret: bytes) -> None:
    """Refuse a secret of fewer than ``SHORTEST_SECRET`` bytes.

    Raises
    ------
    BadInput
    """
    if len(secret) < SHORTEST_SECRET:
        msg = f"pseudonym key: {SHORTEST_SECRET} bytes or more expected, got {len(secret)}"
        raise BadInput(msg)


# ---- the key on disk -----------------------------------------------------------------------------


def make_key(path: Path) -> None:
    """Write a new random key that only its owner can read; nothing is ever overwritten.

    Raises
    ------
    BadInput
        The file exists, or cannot be written.
    """
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:  # noqa: PTH123 - readable by its owner from the first byte
            file.write(secrets.token_hex(_KEY_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(made, path)  # unlike a rename, refuses to replace
    except FileExistsError as error:
        msg = (
            f"{path.name}: a new file expected, this one exists; another key would orphan all data"
        )
        raise BadInput(msg) from error
    except OSError as error:
        msg = f"{path.name}: the pseudonym key cannot be written ({type(error).__name__})"
        raise BadInput(msg) from error
    finally:
        with contextlib.suppress(OSError):
            made.unlink()


def read_key(path: Path) -> bytes:
    """Read the key that :func:`make_key` wrote; it is never made in passing.

    A key made because a path was misspelt would quietly give every patient a second identity.

    Raises
    ------
    BadInput
        No such file, others than its owner can read it, or it is too short.
    """
    try:
        with path.open("rb") as file:
            open_to = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS
            secret = file.read().strip()
    except OSError as error:
        kind = type(error).__name__
        msg = f"{path.name}: the pseudonym key cannot be read ({kind}); homeward key makes one"
        raise BadInput(msg) from error
    if open_to:
        msg = f"{path.name}: a file that only its owner can read expected; chmod 600 it"
        raise BadInput(msg)
    check_secret(secret)
    return secret


# ---- the NHS number ------------------------------------------------------------------------------


class NhsNumber(StrEnum):
    """What can be said of something given as an NHS number."""

    MISSING = "missing"  # never blocks anything: the unconscious and visitors have none
    INVALID = "invalid"  # not ten digits with the right check digit
    TEST = "test"  # 9-range: never issued to a person
    VALID = "valid"


def nhs_number_kind(text: str | None) -> NhsNumber:
    """Judge something given as an NHS number, spaces and hyphens allowed.

    Needs the ``live`` extra.

    References
    ----------
    NHS Data Dictionary, NHS NUMBER (attribute): weights 10 to 2, modulus 11; numbers from 900 000
    0000 on are not issued, though many of them have a valid check digit.

    >>> [nhs_number_kind(text).value for text in (None, "401 023 2137", "4010232138", "9990000018")]
    ['missing', 'valid', 'invalid', 'test']
    """
    from nhs_number.validate import is_valid  # noqa: PLC0415 - extracts do without the live extra

    if text is None or not text.strip():
        return NhsNumber.MISSING
    digits = text.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and is_valid(digits)):
        return NhsNumber.INVALID
    return NhsNumber.TEST if digits.startswith("9") else NhsNumber.VALID
