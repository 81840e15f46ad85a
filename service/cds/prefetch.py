"""What a record sends along: the resources of the templates, put together as one bundle.

A record sends what it has: one resource or a searchset, null, or an OperationOutcome where it
failed. The patient and the encounter must be there; the rest makes a score better. Places and other
encounters that a resource refers to and that were not sent are left out of it: not known, then.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from service.problems import Problem

TEMPLATES: Final[Mapping[str, str]] = {
    "patient": "Patient/{{context.patientId}}",
    "encounter": "Encounter/{{context.encounterId}}",
    "encounters": "Encounter?patient={{context.patientId}}&class=IMP",
    "conditions": "Condition?patient={{context.patientId}}",
    "observations": "Observation?encounter={{context.encounterId}}",
}
MOST_RESOURCES: Final = 2000
_NEEDED: Final = (("patient", "Patient"), ("encounter", "Encounter"))
_LINKED: Final = (("serviceProvider", "Organization"), ("encounter", "Encounter"))


def bundle_of(
    prefetch: Mapping[str, Any], *, patient: str, encounter: str
) -> dict[str, Any] | None:
    """A bundle of what was prefetched; None where patient or encounter are not there.

    Parameters
    ----------
    prefetch : mapping
        By the keys of ``TEMPLATES``; others are not read.
    patient, encounter : str
        Ids of the context: a resource of another patient stands for nobody here.

    Raises
    ------
    Problem
        413: too many resources.
    """
    told = {key: list(_resources(prefetch[key])) for key in TEMPLATES if key in prefetch}
    wanted = {"Patient": patient, "Encounter": encounter}
    for key, kind in _NEEDED:
        # house: allow default-on-record - a key that is not there is one that was not prefetched
        if not any(_is(one, kind, wanted[kind]) for one in told.get(key, [])):
            return None
    whole = {_name(one): one for several in told.values() for one in several}
    if len(whole) > MOST_RESOURCES:
        raise Problem(413, f"At most {MOST_RESOURCES} resources are read in a request.")
    entries = [{"resource": _cut(one, set(whole))} for one in whole.values()]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _resources(sent: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(sent, dict) or sent.get("resourceType") == "OperationOutcome":
        return
    if sent.get("resourceType") != "Bundle":
        yield sent
        return
    entries = sent.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            yield from _resources_of(entry)


def _resources_of(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    resource = entry.get("resource")
    if isinstance(resource, dict) and resource.get("resourceType") != "OperationOutcome":
        yield resource


def _is(resource: Mapping[str, Any], kind: str, name: str) -> bool:
    return _name(resource) == f"{kind}/{name}"


def _name(resource: Mapping[str, Any]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _cut(resource: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """A resource without what it refers to and nobody sent; ``partOf`` is never left out.

    An encounter that is part of an unknown whole cannot be told from a stay: it is refused later.
    """
    made = copy.copy(resource)
    for element, kind in _LINKED:
        if element in made and not _leads(made[element], kind, known):
            del made[element]
    places = made.get("location")
    if isinstance(places, list):
        kept = [one for one in places if _leads_to_place(one, known)]
        made = {key: value for key, value in made.items() if key != "location"}
        if kept:
            made["location"] = kept
    return made


def _leads_to_place(place: Any, known: set[str]) -> bool:
    return isinstance(place, dict) and _leads(place.get("location"), "Location", known)


def _leads(reference: Any, kind: str, known: set[str]) -> bool:
    """Whether a reference names something that is here, or by itself says enough."""
    if not isinstance(reference, dict):
        return True  # no reference at all: whoever reads it will say so
    text = reference.get("reference")
    if not isinstance(text, str):
        return True
    return f"{kind}/{text.rpartition('/')[2]}" in known
