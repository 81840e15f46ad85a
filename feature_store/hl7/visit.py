"""What all messages about one visit say together, in the order in which they were entered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import numpy as np

from feature_store.clock import local_day, midnights_between
from feature_store.hl7.fields import NOT_A_SPELL
from feature_store.hl7.statement import MOVES, Statement
from feature_store.vocabulary import FAMILIES, SEPARATOR, SPELL_END, SPELL_START

Fact = tuple[str, int, float | None]
"""Code, time and value."""

_INPATIENT = "1"
_OPENS = frozenset({"A01", "A06"})
_SHOWS_ADMITTED = _OPENS | {"A02", "A03", "A08", "A12", "A13", "A21", "A22"}
_SHOWS_PLACE = frozenset({"A08", "A12", "A13", "A22"})
_EPOCH_DAY = date(1970, 1, 1).toordinal()
CHANGING: Final = {"ward": "WARD", "bed": "BED", "site": "SITE", "specialty": "SPECIALTY"}
AT_THE_DOOR: Final = {
    "class": "PATIENT_CLASSIFICATION",
    "method": "ADMISSION_METHOD",
    "source": "ADMISSION_SOURCE",
}
AT_THE_END: Final = {"way_out": "DISCHARGE_METHOD", "destination": "DISCHARGE_DESTINATION"}
LEAVE: Final = "HOME_LEAVE"


@dataclass(slots=True)
class Place:
    """Where a patient came to be, and whether a transfer (A02) said so."""

    at: int | None  # None: at the start, whenever that turns out to be
    said: dict[str, str]
    by_transfer: bool = False


@dataclass(slots=True)
class Visit:
    """State of a visit while its statements are told one after another."""

    subject: int | None = None
    moved: bool = False
    void: bool = False
    opened: bool = False
    start: int | None = None
    end: int | None = None
    at_the_door: dict[str, str] = field(default_factory=dict)
    at_the_end: dict[str, str] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)
    leave: list[tuple[str, int]] = field(default_factory=list)

    # ---- telling ---------------------------------------------------------------------------------

    def hear(self, statement: Statement) -> None:
        """Take in the next statement."""
        self._hear_owner(statement)
        if statement.trigger in MOVES:
            return
        self._hear_start(statement)
        self._hear_attributes(statement)
        self._hear_place(statement)
        self._hear_turn(statement)

    def _hear_owner(self, statement: Statement) -> None:
        # After an explicit move a straggler under the old number does not move the spell back.
        if statement.trigger in MOVES:
            self.subject, self.moved = statement.subject, True
        elif not self.moved:
            self.subject = statement.subject

    def _hear_start(self, statement: Statement) -> None:
        admitted = statement.visit.get("admitted_at")
        if statement.trigger in _SHOWS_ADMITTED and admitted is not None:
            self.start, self.opened = admitted, True
        if statement.trigger in _OPENS:
            self.void = False
            if self.start is None or not self.opened:
                self.start = statement.happened_at
            self.opened = True

    def _hear_attributes(self, statement: Statement) -> None:
        for name, value in statement.visit.items():
            if name in AT_THE_DOOR:
                _set(self.at_the_door, name, value)
            elif name in AT_THE_END and (statement.trigger == "A03" or self.end is not None):
                _set(self.at_the_end, name, value)
        unsaid = self.at_the_door.get("class") in {None, NOT_A_SPELL}
        if statement.trigger in _OPENS and "class" not in statement.visit and unsaid:
            self.at_the_door["class"] = _INPATIENT
        if statement.trigger == "A07" and "class" not in statement.visit:
            self.at_the_door["class"] = NOT_A_SPELL

    def _hear_place(self, statement: Statement) -> None:
        trigger = statement.trigger
        if trigger == "A12":
            self._go_back()
        said = {name: statement.visit[name] for name in CHANGING if statement.visit.get(name)}
        if not said:
            return
        if trigger in _OPENS:
            self.places = [place for place in self.places if place.at is not None]
            self.places.insert(0, Place(None, said))
        elif trigger == "A02":
            self.places.append(Place(statement.happened_at, said, by_transfer=True))
        elif trigger in _SHOWS_PLACE:
            self.places.append(Place(statement.happened_at if self.places else None, said))

    def _go_back(self) -> None:
        """Undo the last transfer and whatever was seen after it."""
        transfers = [number for number, place in enumerate(self.places) if place.by_transfer]
        if transfers:
            del self.places[transfers[-1] :]

    def _hear_turn(self, statement: Statement) -> None:
        trigger, at = statement.trigger, statement.happened_at
        if trigger in {"A11", "A23"}:
            self._forget()
        elif trigger == "A03":
            self.end = at
        elif trigger == "A13":
            self.end = None
            self.at_the_end.clear()
        elif trigger in {"A21", "A22"}:
            self.leave.append(("start" if trigger == "A21" else "end", at))
        corrected = statement.visit.get("discharged_at")
        if self.end is not None and corrected is not None:
            self.end = corrected

    def _forget(self) -> None:
        """Undo the admission; a later one begins from nothing."""
        self.void, self.opened, self.start, self.end = True, False, None, None
        for known in (self.at_the_door, self.at_the_end, self.places, self.leave):
            known.clear()

    # ---- what it comes to ------------------------------------------------------------------------

    @property
    def is_spell(self) -> bool:
        """Whether somebody was admitted; a booking or an emergency attendance is none."""
        kind = self.at_the_door.get("class") or _INPATIENT  # A01 means admitted
        return self.opened and self.start is not None and not self.void and kind != NOT_A_SPELL

    def facts(self, born: str | None) -> set[Fact]:
        """Events of the spell; none where there is no spell.

        Parameters
        ----------
        born : str or None
            Date of birth, ISO 8601.
        """
        if not self.is_spell or self.start is None:
            return set()
        start = self.start
        found: set[Fact] = {(SPELL_START, start, None)}
        for name, family in AT_THE_DOOR.items():
            if name in self.at_the_door:
                found.add((_code(family, self.at_the_door[name]), start, None))
        found |= {(LEAVE + SEPARATOR + what, at, None) for what, at in self.leave}
        age = _years(born, start)
        if age is not None:
            found.add(("AGE", start, age))
        return found | self._moves(start) | self._ending(start)

    def _moves(self, start: int) -> set[Fact]:
        """Changes of ward, site and specialty, and of the bed: that of another ward is another."""
        found: dict[tuple[str, int], str] = {}
        now: dict[str, str] = {}
        for place in self.places:
            at = start if place.at is None else max(place.at, start)
            if place.said.get("ward", now.get("ward")) != now.get("ward"):
                now.pop("bed", None)
            for name, value in place.said.items():
                if now.get(name) != value:
                    found[name, at] = now[name] = value
        return {(_code(CHANGING[name], value), at, None) for (name, at), value in found.items()}

    def _ending(self, start: int) -> set[Fact]:
        # A discharge before the admission contradicts itself; until it is mended, there is none.
        if self.end is None or self.end < start:
            return set()
        nights = midnights_between(np.array([start]), np.array([self.end]))
        facts: set[Fact] = {(SPELL_END, self.end, float(nights[0]))}
        for name, value in self.at_the_end.items():
            facts.add((_code(AT_THE_END[name], value), self.end, None))
        return facts


def tell(statements: Iterable[Statement]) -> Visit:
    """State of a visit after all that was said of it, in any order of arrival."""
    visit = Visit()
    for statement in sorted(statements, key=lambda one: one.order):
        visit.hear(statement)
    return visit


def _set(known: dict[str, str], name: str, value: Any) -> None:
    if value is None:
        known.pop(name, None)
    else:
        known[name] = value


def _code(family: str, value: str) -> str:
    return family + SEPARATOR + value


def _years(born: str | None, start: int) -> float | None:
    """Whole years on the day of admission; None where it cannot be an age."""
    if born is None:
        return None
    birthday = date.fromisoformat(born)
    today = date.fromordinal(_EPOCH_DAY + int(local_day(np.array([start]))[0]))
    had = (today.month, today.day) >= (birthday.month, birthday.day)
    years = today.year - birthday.year - (not had)
    return float(years) if FAMILIES["AGE"].low <= years <= FAMILIES["AGE"].high else None
