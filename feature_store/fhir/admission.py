"""What an Encounter says of a spell: how and where from, wards, site, and how it ended.

A resource says when its *version* was made, which for a stay that is over is long after admission.
What by its definition is settled at the door is taken as known at the door, as from any extract
(:class:`feature_store.vocabulary.Availability`); what can change during a stay is not known before
``meta.lastUpdated``, and before the end of the spell where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from feature_store.clock import to_moment
from feature_store.errors import BadInput
from feature_store.fhir import codes
from feature_store.fhir.library import Library, updated
from feature_store.fhir.moments import exact
from feature_store.fhir.row import Row
from feature_store.fhir.stays import Stay, check_order
from feature_store.identity import NhsNumber, nhs_number_kind
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import FAMILIES, SPELL_END, SPELL_START, TIME_ZONE

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,31}")
_ZONE: Final = ZoneInfo(TIME_ZONE)
_WARD_KINDS: Final = frozenset({"", "wa"})
_INSIDE_WARD: Final = frozenset({"ro", "bd"})


def tell_stay(stay: Stay, library: Library) -> Iterator[Row]:
    """Rows of one spell.

    Raises
    ------
    BadInput
        A dangling reference, or a stay on a ward that ends before it starts.
    """
    yield _row(stay, SPELL_START, stay.start)
    yield from _age(stay)
    for family, concept in _at_the_door(stay.encounter):
        yield from _valued(stay, family, concept, stay.start, library)
    yield from _site(stay, library)
    yield from _specialty(stay, library)
    yield from _wards(stay, library)
    if stay.ended:
        yield from _ending(stay, library)


def _row(
    stay: Stay, code: str, time: int, *, recorded: int = 0, value: float = float("nan")
) -> Row:
    return Row(stay.person.subject, time, code, max(time, recorded), value, stay.spell)


def _age(stay: Stay) -> Iterator[Row]:
    born = stay.person.born
    if born is None:
        return
    day = to_moment(stay.start).astimezone(_ZONE).date()
    years = _years(born, day)
    if not FAMILIES["AGE"].low <= years <= FAMILIES["AGE"].high:
        raise BadInput("Patient.birthDate: an age from 0 to 130 at Encounter.period.start expected")
    yield _row(stay, "AGE", stay.start, value=years)


def _years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _at_the_door(encounter: Any) -> Iterator[tuple[str, Any]]:
    around = encounter.hospitalization
    method = codes.extension(around, codes.ADMISSION_METHOD)
    yield "ADMISSION_METHOD", method or codes.extension(encounter, codes.ADMISSION_METHOD)
    yield "ADMISSION_SOURCE", None if around is None else around.admitSource


def _ending(stay: Stay, library: Library) -> Iterator[Row]:
    encounter, around = stay.encounter, stay.encounter.hospitalization
    recorded = updated(encounter, "Encounter") or 0
    yield _row(stay, SPELL_END, stay.end, recorded=recorded, value=stay.nights)
    method = codes.extension(around, codes.DISCHARGE_METHOD)
    method = method or codes.extension(encounter, codes.DISCHARGE_METHOD)
    where = None if around is None else around.dischargeDisposition
    for family, concept in (("DISCHARGE_METHOD", method), ("DISCHARGE_DESTINATION", where)):
        yield from _valued(stay, family, concept, stay.end, library, recorded=recorded)


def _valued(
    stay: Stay, family: str, concept: Any, time: int, library: Library, *, recorded: int = 0
) -> Iterator[Row]:
    if concept is None:
        return
    value = codes.british(concept, family)
    if value is None:
        library.counted[f"Encounter, a code for {family} that it has not"] += 1
        return
    yield _row(stay, f"{family}//{value}", time, recorded=recorded)


def _specialty(stay: Stay, library: Library) -> Iterator[Row]:
    concept = stay.encounter.serviceType
    if concept is None:
        return
    value = codes.british(concept, "SPECIALTY")
    if value is None:
        library.counted["Encounter, a code for SPECIALTY that it has not"] += 1
        return
    known = updated(stay.encounter, "Encounter") or (stay.end if stay.ended else stay.start)
    yield _row(stay, f"SPECIALTY//{value}", stay.start, recorded=known)


def _site(stay: Stay, library: Library) -> Iterator[Row]:
    reference = stay.encounter.serviceProvider
    if reference is None:
        return
    given = [reference.identifier] if reference.identifier is not None else []
    if reference.reference or not given:
        name = library.find(reference, "Organization", "Encounter.serviceProvider")
        given += library.shelves["Organization"][name].identifier or []
    said = {one.system: one.value for one in given if one is not None and one.value}
    value = next((said[system] for system in codes.ODS if system in said), "")
    if _is_code(value):
        yield _row(stay, f"SITE//{value}", stay.start)
    else:
        library.counted["Encounter.serviceProvider without an ODS code"] += 1


def _wards(stay: Stay, library: Library) -> Iterator[Row]:
    moves: list[tuple[int, str]] = []
    for one in stay.encounter.location or []:
        place = "Encounter.location.period"
        name = library.find(one.location, "Location", "Encounter.location.location")
        ward = _ward(library, name)
        if one.period is None or one.period.start is None:
            library.counted[f"{place}.start missing"] += 1
            continue
        start = exact(one.period.start, f"{place}.start")
        end = STILL_HERE if one.period.end is None else exact(one.period.end, f"{place}.end")
        check_order(start, end, place)
        if not stay.start <= start <= stay.end:
            msg = f"{place}.start: a moment within Encounter.period expected, found one outside"
            raise BadInput(msg)
        if one.status in {"planned", "reserved"} or ward is None:
            library.counted["Encounter.location that is no stay on a ward"] += 1
            continue
        moves.append((start, ward))
    before = ""
    for start, ward in sorted(moves):
        if ward != before:  # from bed to bed is no move
            yield _row(stay, f"WARD//{ward}", start)
        before = ward


def _ward(library: Library, name: str) -> str | None:
    """Code of the ward that a location is, or is in."""
    locations, seen = library.shelves["Location"], {name}
    while (kind := _kind(locations[name])) in _INSIDE_WARD:
        name = library.find(locations[name].partOf, "Location", "Location.partOf")
        if name in seen:
            raise BadInput("Location.partOf: a place that is not part of itself expected")
        seen.add(name)
    given = [one.value for one in locations[name].identifier or [] if one is not None and one.value]
    value = str(given[0]) if given else name.removeprefix("Location/")
    return value if kind in _WARD_KINDS and _is_code(value) else None


def _is_code(value: str) -> bool:
    """Whether text can be the code of a place.

    Where a patient is nursed at home a place can carry the number of the patient.
    """
    return bool(_CODE.fullmatch(value)) and nhs_number_kind(value) is NhsNumber.INVALID


def _kind(location: Any) -> str:
    """Code of the physical type; empty where there is none."""
    return next((code for _, code in codes.codings(location.physicalType)), "")
