"""A bundle of FHIR R4 to events: a pure function, for a file and for a request alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from feature_store.events import Events
from feature_store.fhir.admission import tell_stay
from feature_store.fhir.findings import places_of, tell_conditions, tell_observations, unique
from feature_store.fhir.library import library_of
from feature_store.fhir.people import tell_people
from feature_store.fhir.row import Row, to_events
from feature_store.fhir.stays import tell_stays
from feature_store.identity import Identity


def events_of(bundle: Mapping[str, Any], identity: Identity) -> tuple[Events, Counter[str]]:
    """Events of a bundle, and what in it was not used.

    Parameters
    ----------
    bundle : mapping
        A FHIR R4 Bundle as read from JSON, of any type; what it refers to is in it.
    identity : Identity
        Turns identifiers into pseudonyms.

    Returns
    -------
    Events
        In order; without an identifier.
    Counter of str
        Resources, elements and codes that gave no event, by kind: words of FHIR and of Homeward
        only, none of the source.

    Raises
    ------
    BadInput
        Not a bundle of FHIR R4, a wrong or dangling reference, a period that ends before it starts,
        an absurd year: resource type, element path and what was expected, never a value.

    >>> events, counted = events_of({"resourceType": "Bundle", "type": "collection"},
    ...                             Identity(b"k" * 32))
    >>> len(events), dict(counted)
    (0, {})
    """
    library, rows = library_of(bundle), list[Row]()
    people = tell_people(library, identity, rows)
    stays, owners = tell_stays(library, people, identity)
    for stay in unique(stays.values()):
        rows.extend(tell_stay(stay, library))
    places = places_of(library, people, owners, stays)
    tell_conditions(places, rows)
    tell_observations(places, rows)
    return to_events(rows), library.counted
