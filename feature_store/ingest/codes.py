"""Codes as small integers while a run lasts, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

Describe = Callable[[str], tuple[str, str]]
"""Code to description and unit."""


@dataclass(slots=True)
class CodeBook:
    """Every code of a run, numbered in the order of appearance."""

    _number: dict[str, int] = field(default_factory=dict)
    descriptions: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many codes there are."""
        return len(self._number)

    def number(self, code: str, describe: Describe | None = None) -> int:
        """Return the number of a code; a new one is described at once."""
        if code not in self._number:
            self._number[code] = len(self._number)
            description = describe(code) if describe else ("", "")
            if any(description):
                self.descriptions[code] = description
        return self._number[code]

    def numbers(self, text: pa.Array, describe: Describe) -> NDArray[np.int32]:
        """Return the numbers of a column of codes without nulls."""
        encoded = text.dictionary_encode()
        numbers = [self.number(code, describe) for code in encoded.dictionary.to_pylist()]
        table = np.array(numbers, np.int32)
        return table[np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.intp)]

    def in_order(self) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        """Codes in ascending order, and the place in it of each number."""
        codes = sorted(self._number)
        place = np.zeros(len(codes), np.int32)
        place[[self._number[code] for code in codes]] = np.arange(len(codes), dtype=np.int32)
        return tuple(codes), place


def joined(pieces: list[pa.Array | str]) -> pa.Array:
    """Text from literal pieces and columns in turn; null where any column is.

    >>> joined(["LAB//", pa.array(["CRP", None]), ""]).to_pylist()
    ['LAB//CRP', None]
    """
    scalars = [pa.scalar(piece) if isinstance(piece, str) else piece for piece in pieces]
    return pc.binary_join_element_wise(*scalars, "")
