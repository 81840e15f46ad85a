"""Patient resources to pseudonyms, dates of birth, sex and ethnic category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from feature_store.errors import BadInput
from feature_store.events import NO_TIME
from feature_store.fhir.codes import ETHNIC_CATEGORY, british, extension
from feature_store.fhir.library import Library, nhs_numbers
from feature_store.fhir.moments import check_year
from feature_store.fhir.row import Row
from feature_store.identity import Identity, NhsNumber, nhs_number_kind

TEST_PATIENT: Final = "Patient.identifier: a patient expected, found a test NHS number (9-range)"
_SEX: Final = MappingProxyType({"male": "1", "female": "2", "other": "9"})


@dataclass(frozen=True, slots=True)
class Person:
    """A patient without an identifier.

    Parameters
    ----------
    subject : int
        Keyed pseudonym of the NHS number, or of the first local identifier where there is none.
    born : date or None
        None where the day is not known.
    """

    subject: int
    born: date | None


def tell_people(
    library: Library, identity: Identity, rows: list[Row], *, tests: bool
) -> dict[str, Person]:
    """Patients by the name of their resource; their facts are added to the rows.

    Raises
    ------
    BadInput
        An NHS number that is none, one of the 9-range unless ``tests``, or one identifier with two
        dates of birth.
    """
    people: dict[str, Person] = {}
    born: dict[int, date] = {}
    facts: set[Row] = set()
    for name, patient in library.of("Patient"):
        subject = identity.subject(_identifier(name, patient, tests=tests))
        person = Person(subject, _born(patient, library))
        if person.born is not None and born.setdefault(person.subject, person.born) != person.born:
            raise BadInput(
                "Patient.birthDate: one date for one identifier expected, found two patients under "
                "one identifier with different dates"
            )
        people[name] = person
        facts |= set(_facts(person, patient, library.counted))
    rows.extend(sorted(facts, key=lambda row: (row.subject, row.code)))
    return people


def _identifier(name: str, patient: Any, *, tests: bool) -> str:
    numbers = nhs_numbers(patient)
    kinds = {nhs_number_kind(number) for number in numbers}
    if NhsNumber.TEST in kinds and not tests:
        raise BadInput(TEST_PATIENT)
    if NhsNumber.INVALID in kinds:
        raise BadInput(
            "Patient.identifier.value: an NHS number, ten digits of which the last checks the "
            "others, expected; found something else"
        )
    if len(numbers) > 1:
        raise BadInput("Patient.identifier: one NHS number at most expected, found two")
    if numbers:
        return numbers.pop()
    given = [one for one in patient.identifier or [] if one is not None and one.value]
    current = [one for one in given if one.use != "old"]
    return f"{current[0].system or ''}|{current[0].value}" if current else name


def _born(patient: Any, library: Library) -> date | None:
    said = patient.birthDate
    if said is None:
        return None
    if not isinstance(said, date):
        library.counted["Patient.birthDate without a day"] += 1
        return None
    check_year(said, "Patient.birthDate")
    return said


def _facts(person: Person, patient: Any, counted: Counter[str]) -> Iterator[Row]:
    sex = _SEX.get(patient.gender or "")
    if sex is not None:
        yield Row(person.subject, NO_TIME, f"SEX//{sex}", NO_TIME)
    elif patient.gender:
        counted["Patient.gender"] += 1
    concept = extension(patient, ETHNIC_CATEGORY)
    ethnicity = british(concept, "ETHNICITY")
    if ethnicity is not None:
        yield Row(person.subject, NO_TIME, f"ETHNICITY//{ethnicity}", NO_TIME)
    elif concept is not None:
        counted["Patient ethnic category"] += 1
