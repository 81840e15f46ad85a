"""A broken bundle gives Homeward's own errors, and nothing of what it holds gets out."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.errors import BadInput, HomewardError
from feature_store.fhir import events_of
from feature_store.identity import Identity
from feature_store.spells import find_spells

IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")
CANARY = "CANARY-77431"
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["Patient/p1", "Encounter/e1", "Location/bed", "0001-01-01", "9999-12-31"]),
    st.sampled_from(["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2024", "2024-02"]),
    st.sampled_from(["Observation", "Patient", "finished", "in-progress", "IMP", "urn:uuid:1"]),
    st.builds(list),
    st.builds(dict),
    st.builds(lambda: [None]),
)


def places_in(value, path=()):
    """Paths of everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside:
        yield (*path, key)
        if isinstance(one, dict | list):
            yield from places_in(one, (*path, key))


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_is_broken_only_homeward_s_own_errors_come_out(stay, data):
    bundle = {"resourceType": "Bundle", "type": "collection"}
    bundle["entry"] = [{"resource": deepcopy(one)} for one in stay]
    for _ in range(data.draw(st.integers(1, 3))):
        *steps, last = data.draw(st.sampled_from(list(places_in(bundle))))
        target = bundle
        for step in steps:
            target = target[step]
        if data.draw(st.booleans()):
            target[last] = data.draw(ANYTHING)
        else:
            del target[last]
    try:
        events, counted = events_of(bundle, IDENTITY)
    except HomewardError:
        return
    find_spells(events)
    assert all(count > 0 for count in counted.values())


@pytest.mark.parametrize("put", ["value", "list", "object", "key"])
def test_no_error_and_no_count_carries_what_stood_in_the_source(stay, bundle_of, put):
    wrong = {"value": CANARY, "list": [CANARY], "object": {CANARY: CANARY}}
    for *steps, last in list(places_in(bundle_of(stay))):
        bundle = target = deepcopy(bundle_of(stay))
        for step in steps:
            target = target[step]
        if put != "key":
            target[last] = wrong[put]
        elif isinstance(target, dict):
            target[CANARY] = target.pop(last)
        assert CANARY not in told_by(bundle)


def told_by(bundle):
    """What can be read of a bundle outside: the error and its cause, or the counts."""
    try:
        return str(events_of(bundle, IDENTITY)[1])
    except HomewardError as error:
        return f"{error} {error.__cause__}"


def test_an_encounter_whose_class_is_null_is_refused_like_one_without(stay, bundle_of):
    for change in ({"class": None}, {}):
        resources = deepcopy(stay)
        del resources[1]["class"]
        resources[1] |= change
        with pytest.raises(BadInput, match=r"Encounter\S*: an element that FHIR R4 requires"):
            events_of(bundle_of(resources), IDENTITY)
