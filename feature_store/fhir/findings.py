"""Condition and Observation resources to coded diagnoses, scores and laboratory results."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from feature_store.clock import DAY
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL
from feature_store.fhir import codes
from feature_store.fhir.library import Library, updated
from feature_store.fhir.moments import latest
from feature_store.fhir.people import Person
from feature_store.fhir.row import Row
from feature_store.fhir.stays import Stay
from feature_store.vocabulary import FAMILIES

_ICD_10: Final = re.compile(r"([A-Z][0-9][0-9A-Z])(?:\.?([0-9A-Z]{1,4}))?[+*†]?")
_SAID: Final = frozenset({"preliminary", "final", "amended", "corrected"})
_UNSAID: Final = frozenset({"registered", "cancelled", "entered-in-error", "unknown"})
_TAKEN_BACK: Final = frozenset({"entered-in-error", "refuted"})


@dataclass(frozen=True, slots=True)
class Places:
    """Whose a finding is, and of which spell.

    Parameters
    ----------
    library : Library
    people, owners : mapping of str to Person
        By name of the Patient, and of the Encounter.
    stays : mapping of str to Stay
        By name of the Encounter.
    by_subject : mapping of int to list of Stay
    """

    library: Library
    people: Mapping[str, Person]
    owners: Mapping[str, Person]
    stays: Mapping[str, Stay]
    by_subject: Mapping[int, list[Stay]]

    def of(self, finding: Any, kind: str, time: int) -> tuple[int, int]:
        """Subject and spell: the spell it names, else the only one it fell into, else none.

        Raises
        ------
        BadInput
            No patient, a dangling reference, or an encounter of another patient.
        """
        subject = self._subject(finding, kind)
        if finding.encounter is None:
            around = [
                stay for stay in self.by_subject.get(subject, []) if stay.start <= time <= stay.end
            ]
            return subject, around[0].spell if len(around) == 1 else NO_SPELL
        name = self.library.find(finding.encounter, "Encounter", f"{kind}.encounter")
        if self.owners[name].subject != subject:
            msg = f"{kind}.encounter: an encounter of the same patient expected"
            raise BadInput(msg)
        return subject, self.stays[name].spell if name in self.stays else NO_SPELL

    def check(self, finding: Any, kind: str) -> None:
        """Refuse wrong references also of what is not used.

        Raises
        ------
        BadInput
        """
        self.of(finding, kind, 0)

    def _subject(self, finding: Any, kind: str) -> int:
        name = self.library.find(finding.subject, "Patient", f"{kind}.subject")
        return self.people[name].subject


def places_of(
    library: Library,
    people: Mapping[str, Person],
    owners: Mapping[str, Person],
    stays: Mapping[str, Stay],
) -> Places:
    """Places of what was found."""
    by_subject: defaultdict[int, list[Stay]] = defaultdict(list)
    for stay in unique(stays.values()):
        by_subject[stay.person.subject].append(stay)
    return Places(library, people, owners, stays, by_subject)


def unique(stays: Iterable[Stay]) -> list[Stay]:
    """Each spell once, in order of its pseudonym."""
    found = {stay.spell: stay for stay in stays}
    return [found[spell] for spell in sorted(found)]


def tell_conditions(places: Places, rows: list[Row]) -> None:
    """Add each coded diagnosis, at the moment it was recorded.

    Raises
    ------
    BadInput
        A wrong or dangling reference, or an absurd year.
    """
    for name, condition in places.library.of("Condition"):
        places.check(condition, "Condition")
        told = _diagnosis(condition)
        if isinstance(told, str):
            places.library.counted[f"Condition, {told}"] += 1
            continue
        code, recorded = told
        subject, spell = places.of(condition, "Condition", recorded)
        rows.append(
            Row(subject, recorded, f"DIAGNOSIS//{code}", recorded, spell=spell, source=name)
        )


def _diagnosis(condition: Any) -> tuple[str, int] | str:
    """Code and moment, or why there is none."""
    if any(code in _TAKEN_BACK for _, code in codes.codings(condition.verificationStatus)):
        return "taken back"
    given = [code for system, code in codes.codings(condition.code) if system == codes.ICD_10]
    found = next((match for code in given if (match := _ICD_10.fullmatch(code))), None)
    if found is None:
        return "a code that is not ICD-10"
    recorded = updated(condition, "Condition")
    if condition.recordedDate is not None:
        recorded = latest(condition.recordedDate, "Condition.recordedDate")
    if recorded is None:
        return "that does not say when it was recorded"
    return ".".join(part for part in found.groups() if part), recorded


def tell_observations(places: Places, rows: list[Row]) -> None:
    """Add each score and laboratory result that Homeward has a word for.

    Raises
    ------
    BadInput
        A wrong or dangling reference, or an absurd year.
    """
    for name, observation in places.library.of("Observation"):
        places.check(observation, "Observation")
        told = _measured(observation)
        if isinstance(told, str):
            places.library.counted[f"Observation, {told}"] += 1
            continue
        family, value = told
        when = observation.effectiveDateTime or observation.effectiveInstant
        if when is None:
            places.library.counted["Observation, that does not say when"] += 1
            continue
        time = latest(when, "Observation.effectiveDateTime")
        subject, spell = places.of(observation, "Observation", time)
        recorded = _issued(observation, time)
        rows.append(Row(subject, time, family, recorded, value, spell, name))


def _issued(observation: Any, time: int) -> int:
    said = updated(observation, "Observation")
    if observation.issued is not None:
        said = latest(observation.issued, "Observation.issued")
    if said is not None and time > said + DAY:
        raise BadInput("Observation.effectiveDateTime: not after Observation.issued expected")
    return time if said is None else max(time, said)


def _measured(observation: Any) -> tuple[str, float] | str:
    """Family and value in its unit, or why there is none."""
    if observation.status not in _SAID | _UNSAID:
        raise BadInput("Observation.status: a status of FHIR R4 expected, found another word")
    named = [codes.OBSERVATIONS.get(one) for one in codes.codings(observation.code)]
    family, units = next((one for one in named if one is not None), ("", {}))
    if observation.status not in _SAID:
        return "of a status that is no result"
    return _plausible(family, _amount(observation, family, units)) if family else "another code"


def _plausible(family: str, told: float | str) -> tuple[str, float] | str:
    if isinstance(told, str):
        return told
    if math.isfinite(told) and FAMILIES[family].low <= told <= FAMILIES[family].high:
        return family, told
    return f"{family} out of range"


def _amount(observation: Any, family: str, units: Mapping[str, float]) -> float | str:
    """Value in the unit of the family, or why there is none."""
    quantity = observation.valueQuantity
    if quantity is None or quantity.value is None:
        whole = observation.valueInteger
        if whole is None or FAMILIES[family].unit != "points":
            return f"{family} without a value"
        return float(whole)
    if quantity.comparator is not None:
        return f"{family} beyond what can be measured"
    factor = units.get(quantity.code or quantity.unit or "")
    return f"{family} in another unit" if factor is None else float(quantity.value) * factor
