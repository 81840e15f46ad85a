"""The hash chain: what a row's hash is made of, and nothing about databases.

The hash of a row is SHA-256 over the hash before it and the MessagePack of its table's name, its
entry and its cells in the order of the schema. MessagePack with its shortest integers and 64-bit
floats has one encoding of a row, and any library of it can check ours.

References
----------
https://github.com/msgpack/msgpack/blob/master/spec.md; FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from service.record.schema import PLACE_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BEGINNING: Final = bytes(32)
"""What stands before the first row of a chain."""

_sha256 = hashlib.sha256
_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Head(Struct, frozen=True, array_like=True):
    """The last row of a chain: kept elsewhere, it proves that nothing up to it was taken away.

    Parameters
    ----------
    entry : int
        Chain and place in it.
    hash : str
        64 hexadecimal digits.
    """

    entry: int
    hash: str

    @property
    def chain(self) -> int:
        """Number of the chain."""
        return self.entry >> PLACE_BITS


def link(before: bytes, table: str, cells: Sequence[Any]) -> bytes:
    """Hash of a row.

    Parameters
    ----------
    before : bytes
        Hash of the row before it.
    table : str
    cells : sequence
        Entry first, then the other columns in the order of the schema, without the hash itself.

    >>> link(BEGINNING, "score_audit", (1, "a", None, 0.5)).hex()[:16]
    'b1b7160cf050fad1'
    """
    return _sha256(before + _pack((table, cells))).digest()


def digest(features: bytes, reasons: bytes) -> bytes:
    """Hash of a score's details, which is in its row: they can go, and the chain holds.

    The features' own hash comes first, so that neither can be mistaken for the other.
    """
    return _sha256(_sha256(features).digest() + reasons).digest()


def digest_of_gaps(gaps: Iterable[Sequence[Any]]) -> bytes:
    """Hash of the gaps that one deletion left, which is in the row that accounts for it."""
    return _sha256(_pack([tuple(gap) for gap in gaps])).digest()


def first_entry(chain: int) -> int:
    """Entry of the row that opened a chain.

    >>> first_entry(2) >> PLACE_BITS
    2
    """
    return chain << PLACE_BITS


def heads_to_text(heads: Iterable[Head]) -> str:
    """Heads as JSON: ``[[entry, hash], ...]``."""
    return _json(list(heads)).decode()


def heads_from_text(text: str) -> list[Head]:
    """Read what :func:`heads_to_text` wrote.

    Raises
    ------
    msgspec.DecodeError
    """
    return msgspec.json.decode(text, type=list[Head])
