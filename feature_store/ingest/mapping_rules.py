"""What a mapping may say: about itself, and about when a fact can have been known.

The vocabulary says of every family it lists how early a computer could have known it. A mapping may
be later, never earlier: that is what keeps a discharge summary out of an admission forecast.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from feature_store.errors import BadInput
from feature_store.ingest.mapping import CELL, COLUMN
from feature_store.vocabulary import (
    FAMILIES,
    SEPARATOR,
    SPELL_END,
    SPELL_START,
    Availability,
    Shape,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_store.ingest.mapping import Fact, Mapping

_FAMILY_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
ADMISSION, OWN_TIME, AFTER_DISCHARGE = "admission", "own_time", "after_discharge"
KNOWN: Final = (ADMISSION, OWN_TIME, "recorded:COLUMN", AFTER_DISCHARGE)


def check_mapping(mapping: Mapping, name: str) -> None:
    """Refuse a mapping that contradicts itself or the vocabulary.

    Raises
    ------
    BadInput
        With every fault found, not only the first.
    """
    faults = [*_spell_faults(mapping), *_time_faults(mapping), *_table_faults(mapping)]
    if not faults:
        for label, fact in mapping.fact.items():
            faults += [f"[fact.{label}] {fault}" for fault in _fact_faults(mapping, fact)]
    if faults:
        msg = f"{name}: " + "; ".join(faults) + "; see docs/mapping.md"
        raise BadInput(msg)


def known_of(fact: Fact) -> str:
    """When a fact becomes known: as the mapping says, or as the vocabulary does.

    Facts of the end of a spell that have no time of their own become known after discharge.
    """
    if fact.known:
        return fact.known
    family = FAMILIES[fact.family]
    if family.availability is Availability.ADMISSION:
        return ADMISSION
    if family.availability is Availability.AFTER_DISCHARGE:
        return AFTER_DISCHARGE
    return AFTER_DISCHARGE if family.outcome and fact.time is None else OWN_TIME


def timed_by_admission(mapping: Mapping, fact: Fact) -> bool:
    """Whether the time of a fact is the admission itself: the same column of the same table."""
    return (
        fact.time is not None
        and mapping.spells.start is not None
        and fact.table == mapping.spells.table
        and mapping.moment(fact.time) == mapping.moment(mapping.spells.start)
    )


def _spell_faults(mapping: Mapping) -> Iterator[str]:
    spells = mapping.spells
    table = mapping.table.get(spells.table)
    if table is None:
        yield "[spells] table: the name of a [table.NAME] expected"
        return
    if not (table.subject and table.spell):
        yield f"[table.{spells.table}] holds the spells: subject and spell columns expected"
    if (spells.start is None) == (not spells.order):
        yield "[spells] either start or order expected"
    if spells.end is not None and spells.days:
        yield "[spells] either end or days expected, not both"
    if spells.end is None and not spells.days:
        yield "[spells] end or days expected: how long a spell lasted"
    if spells.order and not spells.days:
        yield "[spells] order goes with days: an invented calendar has no real ends"
    if spells.order and not mapping.complete:
        yield "[spells] order goes with complete = true: without dates no spell can be open"


def _time_faults(mapping: Mapping) -> Iterator[str]:
    try:
        ZoneInfo(mapping.time.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "[time] zone: an IANA name such as Europe/London expected"
    first, last = mapping.time.years
    if not 1 < first <= last < 9000:  # noqa: PLR2004 - what a calendar can hold
        yield "[time] years: first and last plausible year expected"


def _table_faults(mapping: Mapping) -> Iterator[str]:
    for name, table in mapping.table.items():
        if not (table.subject or table.spell):
            yield f"[table.{name}] subject or spell expected: the column of the key"
        if not table.file and len(mapping.table) > 1:
            yield f"[table.{name}] file expected: which sources are this table"
        if not _is_encoding(table.encoding):
            yield f"[table.{name}] encoding: a name such as utf-8 or cp1252 expected"
        if len(table.delimiter.encode()) != 1 or table.delimiter in '"\r\n':
            yield f'[table.{name}] delimiter: one character expected, such as "," or "\\t"'


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


def _fact_faults(mapping: Mapping, fact: Fact) -> Iterator[str]:
    if fact.table not in mapping.table:
        yield "table: the name of a [table.NAME] expected"
    elif not _FAMILY_NAME.fullmatch(fact.family):
        yield "code: FAMILY or FAMILY//{COLUMN} expected, the family in capitals"
    elif fact.family in (SPELL_START, SPELL_END):
        yield f"code: {fact.family} is made by [spells]"
    else:
        yield from _vocabulary_faults(fact)
        yield from _column_faults(fact)
        yield from _value_faults(mapping, fact)
        yield from _known_faults(mapping, fact)


def _vocabulary_faults(fact: Fact) -> Iterator[str]:
    """Whether a family that the vocabulary lists is coded as it says."""
    family = FAMILIES.get(fact.family)
    if family is None:
        return
    if (family.shape is Shape.NUMBER) != bool(fact.number):
        yield f"{fact.family} carries {'a' if family.shape is Shape.NUMBER else 'no'} number"
    if (family.shape is Shape.VALUE) != (SEPARATOR in fact.code):
        form = f"{fact.family}//value" if family.shape is Shape.VALUE else fact.family
        yield f"code: {form} expected"
    one_cell = fact.pieces[0::2] == [fact.family + SEPARATOR, ""]
    if family.values and not one_cell and value_of(fact.code) not in family.values:
        yield f"code: a value of {fact.family}, or one {{COLUMN}}, expected"
    if fact.unit and fact.unit != family.unit:
        yield f"unit: {fact.family} is in {family.unit or 'no unit'}; use scale to convert"


def _column_faults(fact: Fact) -> Iterator[str]:
    """Whether what repeats over columns says so."""
    uses_cell = CELL in fact.placeholders or fact.number == "{value}"
    if fact.columns and not uses_cell:
        yield "columns: {value} expected in code or as number"
    if not fact.columns and (fact.number == "{value}" or COLUMN in fact.placeholders):
        yield "columns expected: {value} and {column} stand for their cells and names"
    if fact.bands and not fact.number:
        yield "bands go with number"


def _value_faults(mapping: Mapping, fact: Fact) -> Iterator[str]:
    if isinstance(fact.values, str) and fact.values not in mapping.values:
        yield "values: the name of a [values.NAME] list, or a list, expected"
    cells = [name for name in fact.placeholders if name != COLUMN]
    if (fact.prefix or fact.group or fact.values) and len(cells) + bool(fact.number) != 1:
        yield "values, prefix and group need one placeholder in code, or number alone"
    if fact.prefix < 0 or (fact.group is not None and fact.group.prefix < 1):
        yield "prefix: a number of characters expected"
    if fact.group is not None and (fact.number or not _FAMILY_NAME.fullmatch(fact.group.family)):
        yield "group: a family in capitals expected, for a fact without number"
    if fact.group is not None and fact.group.family in FAMILIES:
        yield f"group: {fact.group.family} is a family of the vocabulary; choose another"


def _known_faults(mapping: Mapping, fact: Fact) -> Iterator[str]:
    family = FAMILIES.get(fact.family)
    if family is None and not fact.known:
        yield f"known expected, the vocabulary does not list the family: {', '.join(KNOWN)}"
        return
    known = known_of(fact)
    if known not in (ADMISSION, OWN_TIME, AFTER_DISCHARGE) and not fact.recorded:
        yield f"known: one of {', '.join(KNOWN)} expected"
    if known == OWN_TIME and fact.time is None:
        yield "known at its own time: time expected, the column that holds it"
    if fact.delay_days and (known != AFTER_DISCHARGE or fact.delay_days < 0):
        yield "delay_days: a number from 0, with known = after_discharge"
    if mapping.spells.order and (fact.time is not None or fact.recorded):
        yield "time: an extract in order only has no times; known at admission or after_discharge"
    late = family is not None and (
        family.outcome or family.availability is Availability.AFTER_DISCHARGE
    )
    if not mapping.table[fact.table].spell and (known == AFTER_DISCHARGE or late):
        yield "a fact of the end of a spell needs a table with the spell key"
    yield from _early_faults(fact, known)


def _early_faults(fact: Fact, known: str) -> Iterator[str]:
    """Earlier than the vocabulary allows."""
    family = FAMILIES.get(fact.family)
    if family is None:
        return
    if family.outcome and known == ADMISSION:
        yield f"{fact.family} belongs to the end of a spell and is never known at admission"
    elif family.availability is Availability.AFTER_DISCHARGE and known in (ADMISSION, OWN_TIME):
        yield f"{fact.family} is known only after discharge: after_discharge or recorded:COLUMN"
    elif family.availability is Availability.OWN_TIME and known == ADMISSION:
        yield (
            f"{fact.family} is known at its own time: give time, which may be the column of the "
            "admission"
        )
