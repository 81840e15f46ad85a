"""The codes met so far, and what events that carry them are checked by."""

from __future__ import annotations

import ctypes
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.vocabulary import SPELL_END, SPELL_START, family_of, limits_of, value_of
from service.kernel import Book, library

MOST_REMEMBERED: Final = 10_000
"""Codes a book holds: bounded, since a sender may invent them."""

_KINDS: Final = {SPELL_START: 1, SPELL_END: 2}
_KINDS_OF_FAMILIES: Final = {"SITE": 3, "WARD": 4}

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Codebook:
    """Codes by number; a new book is made when one is learnt, for threads read the old one.

    Parameters
    ----------
    names : tuple of str
    arrays : dict
        What is known of each code, in the order of the names: ``codebook`` of ``kernel.c``.
    structure : Book
        Points to them.
    """

    names: tuple[str, ...]
    arrays: Arrays
    structure: Book

    @property
    def address(self) -> int:
        """Where the kernel finds it."""
        return ctypes.addressof(self.structure)

    def learn(self, codes: Iterable[str], *, forget: bool = True) -> Codebook:
        """Book with these codes too, none of which it has.

        Parameters
        ----------
        codes : iterable of str
        forget : bool
            Whether it holds them alone where it would hold too many.
        """
        fresh = tuple(dict.fromkeys(codes))
        if forget and len(self.names) + len(fresh) > MOST_REMEMBERED:
            return _make(fresh, _known_of(fresh))
        more = _known_of(fresh)
        more["ends"] += self.arrays["texts"].size
        arrays = {name: np.concatenate([self.arrays[name], more[name]]) for name in more}
        return _make(self.names + fresh, arrays)

    def value(self, number: int) -> str | None:
        """Value of the code of this number; None for the number -1, no code."""
        return None if number < 0 else value_of(self.names[number])


def _make(names: tuple[str, ...], arrays: Arrays) -> Codebook:
    arrays["slot"] = np.zeros(1 << (2 * len(names) + 1).bit_length(), np.int32)  # half are free
    structure = Book(
        # Nobody knows the seed: codes that all want one slot cannot be made up.
        seed=secrets.randbits(62),
        codes=len(names),
        slots=arrays["slot"].size,
        **{name: array.ctypes.data for name, array in arrays.items()},
    )
    library().homeward_fill_slots(ctypes.addressof(structure))
    return Codebook(names, arrays, structure)


def _known_of(codes: tuple[str, ...]) -> Arrays:
    texts = [code.encode() for code in codes]
    limits = np.array([limits_of(code) for code in codes], np.float64).reshape(-1, 2)
    return {
        "texts": np.frombuffer(b"".join(texts), np.uint8),
        "ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
        "low": limits[:, 0].copy(),
        "high": limits[:, 1].copy(),
        "kind": np.array([_kind(code) for code in codes], np.uint8),
        "digest": np.array([_digest(text) for text in texts], np.uint64),
    }


def _kind(code: str) -> int:
    return _KINDS.get(code) or _KINDS_OF_FAMILIES.get(family_of(code), 0)


def _digest(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


EMPTY: Final = _make((), _known_of(()))
