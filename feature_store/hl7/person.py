"""What all messages about one patient say together, whatever numbers the patient had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from feature_store.events import NO_TIME
from feature_store.hl7.statement import Statement
from feature_store.hl7.visit import Fact
from feature_store.vocabulary import SEPARATOR

_FAMILIES = {"sex": "SEX", "ethnicity": "ETHNICITY"}


@dataclass(frozen=True, slots=True)
class Person:
    """A patient after all that was said.

    Parameters
    ----------
    born : str or None
        ISO 8601.
    facts : set of Fact
        Without a time: they hold whenever they are known.
    """

    born: str | None
    facts: set[Fact]


def tell_person(statements: Iterable[Statement]) -> Person:
    """Last word on each fact; an empty field says nothing, ``""`` takes the fact back."""
    last: dict[str, str | None] = {}
    for statement in sorted(statements, key=lambda one: one.order):
        last |= statement.person
    facts: set[Fact] = {
        (family + SEPARATOR + value, NO_TIME, None)
        for name, family in _FAMILIES.items()
        if (value := last.get(name)) is not None
    }
    return Person(last.get("born"), facts)
