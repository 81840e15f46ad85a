"""A codebook of an ADT feed: what a hospital's own codes mean.

A code that is not in it is not known, and is counted; nobody guesses what it may have meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from feature_store.errors import BadInput
from feature_store.hl7.fields import PERSON, VISIT
from feature_store.toml_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path

_FIELDS: Final = {field.family: field for field in (*PERSON, *VISIT)}


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Codes of one family: source value to NHS value, and what becomes of others."""

    values: dict[str, str]
    other: Literal["drop", "keep"] = "drop"


class FeedCodebook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A codebook as it is written; a family that it does not name is read as NHS codes."""

    name: str
    description: str = ""
    fact: dict[str, Fact] = msgspec.field(default_factory=dict)

    def meant(self, family: str, code: str) -> str | None:
        """What is to be read in place of a code; None where nobody said.

        >>> book = FeedCodebook("PAS", fact={"SEX": Fact({"Female": "2"})})
        >>> book.meant("SEX", "Female"), book.meant("SEX", "2"), book.meant("WARD", "W12")
        ('2', None, 'W12')
        """
        if family not in self.fact:
            return code
        fact = self.fact[family]
        return fact.values.get(code, code if fact.other == "keep" else None)

    @property
    def digest(self) -> str:
        """SHA-256 of what it says, however it is laid out."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


NATIONAL: Final = FeedCodebook("NHS Data Dictionary")
"""Of a feed that sends national codes."""


def codebook_of(path: Path | None) -> FeedCodebook:
    """Read and check a codebook; without a file the feed sends national codes.

    Raises
    ------
    BadInput
        Not TOML, unknown or ill-typed keys, a family that ADT does not tell of, or a value that its
        family cannot have.
    """
    if path is None:
        return NATIONAL
    book, _ = read_toml(path, FeedCodebook, what="a codebook of an ADT feed", see="docs/live.md")
    faults = list(_faults(book))
    if faults:
        raise BadInput(f"{path.name}: " + "; ".join(faults) + "; see docs/live.md")
    return book


def _faults(book: FeedCodebook) -> Iterator[str]:
    for family, fact in book.fact.items():
        if family not in _FIELDS:
            yield f"[fact.{family}]: one of {', '.join(sorted(_FIELDS))} expected"
            continue
        for code, value in fact.values.items():
            if not code or code != code.strip():
                yield f'[fact.{family}] "{code}": a code without blanks around it expected'
            if _FIELDS[family].value_of(value) is None:
                yield f'[fact.{family}] "{code}": "{value}" is not a value of its family'
