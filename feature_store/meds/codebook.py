"""A codebook: which codes of a MEDS dataset open and close a spell, what others mean, and when.

A code is matched by its leading parts (``LAB//50862`` matches ``LAB//50862//g/dL`` and not
``LAB//508620``); of several rules the one with most parts holds.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from feature_store.errors import BadInput
from feature_store.toml_file import read_toml
from feature_store.vocabulary import (
    DEATH,
    FAMILIES,
    SEPARATOR,
    SPELL_END,
    SPELL_START,
    Shape,
    family_of,
    value_of,
)

if TYPE_CHECKING:
    from pathlib import Path

REST: Final = "*"
"""At the end of a target: whatever the source code says after the parts that matched."""

_SPELL_ITSELF: Final = frozenset({SPELL_START, SPELL_END, DEATH})
_OWN_COLUMNS: Final = ("spell_id", "recorded_at")


class Known(StrEnum):
    """When a fact can first have been known to a computer."""

    OWN_TIME = "own time"  # or when it was recorded, where a column says so
    AFTER_DISCHARGE = "after discharge"


class Columns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns beside those of the standard; empty where the dataset has none."""

    spell: str = ""
    recorded: str = ""


class SpellCodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Codes that begin and end spells, tell of a death in one, and of a birth."""

    start: list[str]
    end: list[str]
    died: list[str] = msgspec.field(default_factory=list)
    born: list[str] = msgspec.field(default_factory=list)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """What a code means: ``to`` nothing leaves it out, to itself keeps it."""

    source: str
    to: list[str]
    factor: float = 1.0
    offset: float = 0.0
    known: Known = Known.OWN_TIME
    delay_days: float = 0.0


class Codebook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A codebook as it is written."""

    name: str
    spells: SpellCodes
    description: str = ""
    synthetic: bool = False
    complete: bool = False
    exported: bool = False  # by Homeward: taken as it is, with its past
    clock: Literal["exact", "shifted"] = "exact"
    zone: str = "UTC"
    keep: list[Literal["subject", "spell"]] = msgspec.field(default_factory=list)
    other_codes: Literal["keep", "leave out"] = "keep"
    implausible: Literal["refuse", "leave out"] = "refuse"
    columns: Columns = Columns()
    code: list[Rule] = msgspec.field(default_factory=list)

    def rule_of(self, code: str) -> Rule | None:
        """Rule with most parts that matches a code; None where none does."""
        fitting = [rule for rule in self.code if matches(code, rule.source)]
        return max(fitting, key=lambda rule: len(rule.source), default=None)


def matches(code: str, prefix: str) -> bool:
    """Whether a code begins with these parts.

    >>> matches("LAB//50862//g/dL", "LAB//50862"), matches("LAB//508620", "LAB//50862")
    (True, False)
    """
    return code == prefix or code.startswith(prefix + SEPARATOR)


def target(code: str, rule: Rule, wanted: str) -> str:
    """Code that a rule makes of a source code.

    >>> rule = Rule(source="TRANSFER_TO//admit", to=["WARD//*"])
    >>> target("TRANSFER_TO//admit//Medicine", rule, "WARD//*")
    'WARD//Medicine'
    """
    if not wanted.endswith(REST):
        return wanted
    rest = code[len(rule.source) + len(SEPARATOR) :]
    return wanted[: -len(REST)] + rest if rest else family_of(wanted)


def read_codebook(path: Path) -> tuple[Codebook, str]:
    """Read and check a codebook.

    Returns
    -------
    Codebook
    str
        SHA-256 of the file.

    Raises
    ------
    BadInput
        Not TOML, unknown or ill-typed keys, or a rule that the vocabulary contradicts. What a
        codebook says is no patient's: messages may name it.
    """
    book, content = read_toml(path, Codebook, what="a codebook", see="docs/meds.md")
    faults = _faults(book)
    if faults:
        raise BadInput(f"{path.name}: " + "; ".join(faults))
    return book, hashlib.sha256(content).hexdigest()


def _faults(book: Codebook) -> list[str]:
    faults = []
    if not book.spells.start or not book.spells.end:
        faults.append("[spells]: a code that opens and a code that closes a spell expected")
    try:
        ZoneInfo(book.zone)
    except (ValueError, OSError):
        faults.append("zone: an IANA name such as Europe/London expected")
    sources = [rule.source for rule in book.code]
    faults += [f"code {twice}: one rule expected" for twice in _repeated(sources)]
    if book.exported and not _speaks_homeward(book):
        faults.append("exported: columns and codes of homeward export expected, and no [[code]]")
    for rule in book.code:
        faults += [f"code {rule.source}: {fault}" for fault in _rule_faults(rule)]
    return faults


def _speaks_homeward(book: Codebook) -> bool:
    told, columns = book.spells, (book.columns.spell, book.columns.recorded)
    marks = [told.start, told.end, told.died, told.born]
    plain = book.zone == "UTC" and not book.code and book.other_codes == "keep"
    return plain and columns == _OWN_COLUMNS and marks == [[SPELL_START], [SPELL_END], [DEATH], []]


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _rule_faults(rule: Rule) -> list[str]:
    faults = []
    if not rule.source:
        faults.append("parts of a code expected")
    if rule.factor == 0 or not -1e9 < rule.factor < 1e9 or not -1e9 < rule.offset < 1e9:  # noqa: PLR2004
        faults.append("a factor other than 0 and an offset, both finite, expected")
    if not 0 <= rule.delay_days <= 3660:  # noqa: PLR2004 - ten years
        faults.append("delay_days from 0 to 3660 expected")
    for wanted in rule.to:
        if not wanted or wanted.startswith(SEPARATOR):
            faults.append("a family expected in `to`")
        elif wanted in _SPELL_ITSELF and wanted != rule.source:
            faults.append(f"{wanted} comes from [spells], not from a rule")
        elif not wanted.endswith(REST) and not fits(wanted):
            faults.append(f"{wanted} is not a value of its family")
    return faults


def fits(code: str) -> bool:
    """Whether the vocabulary allows a code; what it does not know, it allows.

    >>> fits("SEX//2"), fits("SEX//F"), fits("LAB//50862")
    (True, False, True)
    """
    family = FAMILIES.get(family_of(code))
    if family is None:
        return True
    if family.shape is not Shape.VALUE:
        return not value_of(code)
    return bool(value_of(code)) and (not family.values or value_of(code) in family.values)
