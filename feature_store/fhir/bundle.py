"""A bundle of FHIR R4 to events: a pure function, for a file and for a request alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feature_store.events import NO_SPELL, Events
from feature_store.fhir.admission import tell_stay
from feature_store.fhir.findings import places_of, tell_conditions, tell_observations, unique
from feature_store.fhir.library import library_of
from feature_store.fhir.people import tell_people
from feature_store.fhir.row import Row, to_events
from feature_store.fhir.stays import Stay, tell_stays
from feature_store.identity import Identity


@dataclass(frozen=True, slots=True)
class Reading:
    """What a bundle says.

    Parameters
    ----------
    rows : sequence of Row
        Facts, each without an identifier.
    stays : sequence of Stay
        Inpatient encounters, in the order of the bundle.
    unused : Counter of str
        Resources, elements and codes that gave no event, by kind: words of FHIR and of Homeward
        only, none of the source.
    """

    rows: Sequence[Row]
    stays: Sequence[Stay]
    unused: Counter[str]

    @property
    def events(self) -> Events:
        """The facts, in order."""
        return to_events(self.rows)

    def findings(self, stay: Stay, *, at: int) -> list[str]:
        """Names of the resources that a fact about a stay came from, as known at a moment.

        Parameters
        ----------
        stay : Stay
        at : int
            UTC microseconds.
        """
        found = (
            row.source
            for row in self.rows
            if row.source
            and row.subject == stay.person.subject
            and row.spell in {stay.spell, NO_SPELL}
            and max(row.time, row.recorded_at) <= at
        )
        return list(dict.fromkeys(found))


def read_bundle(bundle: Mapping[str, Any], identity: Identity, *, tests: bool = True) -> Reading:
    """Read a bundle.

    Parameters
    ----------
    bundle : mapping
        A FHIR R4 Bundle as read from JSON, of any type; what it refers to is in it.
    identity : Identity
        Turns identifiers into pseudonyms.
    tests : bool
        Whether test patients (NHS numbers of the 9-range) are taken.

    Raises
    ------
    BadInput
        Not a bundle of FHIR R4, a test patient where none is taken, a wrong or dangling reference,
        a period that ends before it starts, an absurd year: resource type, element path and what
        was expected, never a value.
    """
    library, rows = library_of(bundle), list[Row]()
    people = tell_people(library, identity, rows, tests=tests)
    stays, owners = tell_stays(library, people, identity)
    for stay in unique(stays.values()):
        rows.extend(tell_stay(stay, library))
    places = places_of(library, people, owners, stays)
    tell_conditions(places, rows)
    tell_observations(places, rows)
    inpatient = [
        stays[name]
        for name in library.shelves["Encounter"]
        if name in stays and stays[name].name == name
    ]
    return Reading(rows, inpatient, library.counted)


def events_of(bundle: Mapping[str, Any], identity: Identity) -> tuple[Events, Counter[str]]:
    """Events of a bundle, in order, and what in it was not used: :func:`read_bundle`, in short.

    >>> events, counted = events_of({"resourceType": "Bundle", "type": "collection"},
    ...                             Identity(b"k" * 32))
    >>> len(events), dict(counted)
    (0, {})
    """
    reading = read_bundle(bundle, identity)
    return reading.events, reading.unused
