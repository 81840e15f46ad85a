"""The resources of a bundle, each checked against FHIR and found by its references."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from feature_store.errors import BadInput
from feature_store.fhir.codes import NHS_NUMBER
from feature_store.fhir.moments import latest

READ: Final = ("Patient", "Encounter", "Condition", "Observation", "Location", "Organization")
"""Resources that are read; all others are counted."""

_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{2,39}")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_EXPECTED: Final = MappingProxyType(
    {
        "extra_forbidden": "no elements but those of FHIR R4",
        "json_invalid": "an object",
        "list_type": "a list",
        "missing": "an element that FHIR R4 requires",
        "model_validation_format": "an object",
        "string_type": "text",
    }
)
_SPACING: Final = str.maketrans("", "", " -")
_BROKEN: Final = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)


@dataclass(slots=True)
class Library:
    """Resources under their names, ``Type/id`` or the full URL of their entry.

    Parameters
    ----------
    shelves : dict of str to dict of str to resource
        By resource type, then by name.
    aliases : dict of str to str
        Full URL to name.
    counted : Counter of str
        What is not used, by kind.
    """

    shelves: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in READ})
    aliases: dict[str, str] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Names and resources of one type, in order of name."""
        yield from sorted(self.shelves[kind].items())

    def find(self, reference: Any, kind: str, place: str) -> str:
        """Name of the resource that a reference means.

        Parameters
        ----------
        reference : Reference or None
        kind : str
            Type of resource that belongs here.
        place : str
            Resource type and element, for the error.

        Raises
        ------
        BadInput
            No reference, one to another type, or one to nothing in the bundle.
        """
        text = None if reference is None else reference.reference
        if not text:
            msg = f"{place}: a reference to a {kind} expected, found none"
            raise BadInput(msg)
        name = self._named(text.split("/_history/")[0])
        if name in self.shelves[kind]:
            return name
        msg = f"{place}: a reference to a {kind} in the same source expected, found one to " + (
            "another type" if any(name in shelf for shelf in self.shelves.values()) else "nothing"
        )
        raise BadInput(msg)

    def _named(self, text: str) -> str:
        return self.aliases.get(text) or "/".join(text.split("/")[-2:])

    def put(self, raw: Any, url: str | None) -> None:
        """Take in one resource; of several versions the one updated last.

        Raises
        ------
        BadInput
            Not a resource of FHIR R4, or two versions of which neither is the later.
        """
        kind = _type_of(raw)
        if kind not in READ:
            self.counted[f"resource {kind}"] += 1
            return
        resource = _checked(kind, raw)
        name = _name(kind, resource.id, url)
        if url is not None:
            self.aliases[url] = name
        older = self.shelves[kind].get(name)
        if older is not None and older != resource:
            self.counted[f"{kind}, an earlier version"] += 1
            resource = _later(kind, older, resource)
        self.shelves[kind][name] = resource


def library_of(bundle: Any) -> Library:
    """Resources of a bundle.

    Raises
    ------
    BadInput
        Not a bundle, or a resource in it is not one of FHIR R4: resource type, element path and
        what was expected.
    """
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise BadInput("Bundle: an object with resourceType Bundle expected")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise BadInput("Bundle.entry: a list expected")
    library = Library()
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise BadInput("Bundle.entry: an object expected")
        url = entry.get("fullUrl")
        if url is not None and not isinstance(url, str):
            raise BadInput("Bundle.entry.fullUrl: text expected")
        library.put(entry.get("resource"), url)
    return library


def _type_of(raw: Any) -> str:
    kind = raw.get("resourceType") if isinstance(raw, Mapping) else None
    # A word of the source ends in the manifest: only one that FHIR itself has.
    if not isinstance(kind, str) or not _is_of_fhir(kind):
        raise BadInput("Bundle.entry.resource.resourceType: a resource type of FHIR R4 expected")
    return kind


@lru_cache(maxsize=256)
def _is_of_fhir(kind: str) -> bool:
    found = _TYPE.fullmatch(kind) and find_spec(f"fhir.resources.R4B.{kind.lower()}")
    return bool(found)


def _checked(kind: str, raw: Any) -> Any:
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - half a second

    try:
        return get_fhir_model_class(kind).model_validate(raw)
    except ValidationError as error:
        raise BadInput(_told(kind, error)) from None  # the cause quotes values
    except _BROKEN:
        msg = f"{kind}: a resource of FHIR R4 expected, cannot be read as one"
        raise BadInput(msg) from None


def _told(kind: str, error: ValidationError) -> str:
    """Place and what was expected there, of the first fault; no value, and no key of the source."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    unknown = fault["type"] == "extra_forbidden"
    path = [str(step) for step in fault["loc"] if step != "root"][: -1 if unknown else None]
    expected = _EXPECTED.get(fault["type"], "a value as FHIR R4 has it there")
    return f"{'.'.join([kind, *path])}: {expected} expected"


def _name(kind: str, identifier: str | None, url: str | None) -> str:
    if identifier is not None and _ID.fullmatch(identifier):
        return f"{kind}/{identifier}"
    if identifier is not None:
        msg = f"{kind}.id: up to 64 letters, digits, hyphens and dots expected"
        raise BadInput(msg)
    if url is None:
        msg = f"{kind}.id: an id, or a fullUrl of its entry, expected; found neither"
        raise BadInput(msg)
    return url


def _later(kind: str, one: Any, other: Any) -> Any:
    _check_same(kind, one, other)
    place = f"{kind}.meta.lastUpdated"
    moments = [updated(resource, kind) for resource in (one, other)]
    if None in moments or moments[0] == moments[1]:
        msg = f"{place}: expected to tell two versions under one id apart, and does not"
        raise BadInput(msg)
    return max(zip(moments, (one, other), strict=True), key=lambda pair: pair[0] or 0)[1]


def _check_same(kind: str, one: Any, other: Any) -> None:
    """Refuse two people under one id: ids of two systems meet when their files are put together."""
    if kind == "Patient":
        known = [nhs_numbers(patient) for patient in (one, other)]
        if all(known) and not known[0] & known[1]:
            raise BadInput("Patient.id: one person for one id expected, found two NHS numbers")
    elif hasattr(one, "subject"):
        named = {getattr(each.subject, "reference", None) for each in (one, other)}
        if len(named) > 1:
            msg = f"{kind}.subject: one patient for one id expected, found two"
            raise BadInput(msg)


def nhs_numbers(patient: Any) -> set[str]:
    """NHS numbers of a Patient, without spaces and hyphens, unchecked."""
    given = [one for one in patient.identifier or [] if one is not None and one.value]
    return {one.value.translate(_SPACING) for one in given if one.system == NHS_NUMBER}


def updated(resource: Any, kind: str) -> int | None:
    """When this version of a resource was made, UTC microseconds; None where it does not say."""
    said = None if resource.meta is None else resource.meta.lastUpdated
    return None if said is None else latest(said, f"{kind}.meta.lastUpdated")
