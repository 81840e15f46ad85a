"""Encounter resources to hospital provider spells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from feature_store.clock import midnights_between
from feature_store.errors import BadInput
from feature_store.fhir.library import Library
from feature_store.fhir.moments import exact
from feature_store.fhir.people import Person
from feature_store.identity import Identity
from feature_store.spells import EARLIEST_STAY, STILL_HERE

INPATIENT: Final = frozenset({"IMP", "ACUTE", "NONAC"})
_OTHER_CLASSES: Final = frozenset({"AMB", "EMER", "FLD", "HH", "OBSENC", "PRENC", "SS", "VR"})
_HERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})
_NOT_HERE: Final = frozenset({"planned", "cancelled", "entered-in-error", "unknown"})


@dataclass(frozen=True, slots=True)
class Stay:
    """One spell.

    Parameters
    ----------
    name : str
        Of the resource.
    person : Person
    spell : int
        Keyed pseudonym.
    start, end : int
        UTC microseconds; ``STILL_HERE`` while it has no end.
    encounter : Encounter
    """

    name: str
    person: Person
    spell: int
    start: int
    end: int
    encounter: Any

    @property
    def ended(self) -> bool:
        """Whether the patient has left."""
        return self.end != STILL_HERE

    @property
    def nights(self) -> int:
        """Local midnights between admission and discharge."""
        return int(midnights_between(np.array([self.start]), np.array([self.end]))[0])


def tell_stays(
    library: Library, people: Mapping[str, Person], identity: Identity
) -> tuple[dict[str, Stay], dict[str, Person]]:
    """Spells, and whose each encounter is, by the name of the resource.

    An encounter that is part of a spell stands for that spell.

    Raises
    ------
    BadInput
        An encounter without a patient, without a beginning, or that ends before it.
    """
    owners = {
        name: people[library.find(encounter.subject, "Patient", "Encounter.subject")]
        for name, encounter in library.of("Encounter")
    }
    wholes = {name: _whole(library, name) for name in owners}
    stays: dict[str, Stay] = {}
    for name, encounter in library.of("Encounter"):
        if owners[wholes[name]].subject != owners[name].subject:
            raise BadInput("Encounter.partOf: an encounter of the same patient expected")
        why = _unused(encounter)
        if why is None and wholes[name] != name:
            why = "part of a spell"
        if why is not None:
            library.counted[f"Encounter, {why}"] += 1
            continue
        start, end = _period(encounter, library)
        spell = identity.spell(name)
        stays[name] = Stay(name, owners[name], spell, start, end, encounter)
    parts = {name: stays[whole] for name, whole in wholes.items() if whole in stays}
    return parts, owners


def _whole(library: Library, name: str) -> str:
    """The outermost inpatient encounter that this one is part of."""
    seen, whole, encounters = {name}, name, library.shelves["Encounter"]
    while (above := encounters[name].partOf) is not None:
        name = library.find(above, "Encounter", "Encounter.partOf")
        if name in seen:
            raise BadInput("Encounter.partOf: a whole that is not part of itself expected")
        seen.add(name)
        whole = name if _unused(encounters[name]) is None else whole
    return whole


def _unused(encounter: Any) -> str | None:
    if encounter.status not in _HERE | _NOT_HERE:
        raise BadInput("Encounter.status: a status of FHIR R4 expected, found another word")
    if encounter.class_fhir is None:  # the library lets null pass
        raise BadInput("Encounter.class: an element that FHIR R4 requires expected")
    code = encounter.class_fhir.code or ""
    if code not in INPATIENT:
        return f"class {code}" if code in _OTHER_CLASSES else "another class"
    return None if encounter.status in _HERE else "of a status that is no stay"


def _period(encounter: Any, library: Library) -> tuple[int, int]:
    place = "Encounter.period"
    period = encounter.period
    start = exact(None if period is None else period.start, f"{place}.start")
    if start < EARLIEST_STAY:
        msg = f"{place}.start: an admission from 1990 on expected"
        raise BadInput(msg)
    end = STILL_HERE
    if encounter.status == "finished":
        end = exact(period.end, f"{place}.end")
    elif period.end is not None:
        library.counted["Encounter.period.end before it is finished"] += 1
    check_order(start, end, place)
    return start, end


def check_order(start: int, end: int, place: str) -> None:
    """Refuse a period that ends before it starts.

    Raises
    ------
    BadInput
    """
    if end < start:
        msg = f"{place}: an end at or after the start expected, found one before"
        raise BadInput(msg)
