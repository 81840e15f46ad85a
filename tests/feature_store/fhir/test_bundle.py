"""A bundle says what happened and when it was known; what it gets wrong is refused by place."""

import math
from copy import deepcopy
from datetime import datetime

import pytest

from feature_store.clock import to_microseconds
from feature_store.errors import BadInput
from feature_store.events import NO_TIME
from feature_store.fhir import events_of
from feature_store.identity import Identity
from feature_store.spells import find_spells

NHS = "https://fhir.nhs.uk/Id/nhs-number"
IDENTITY = Identity(b"0123456789abcdef0123456789abcdef")


def moment(text):
    return to_microseconds(datetime.fromisoformat(text))


def rows(events):
    """Code to (time, recorded, value) of each event."""
    columns = zip(events.code, events.time, events.recorded_at, events.numeric_value, strict=True)
    return {events.codes[code]: (int(t), int(r), float(value)) for code, t, r, value in columns}


def test_a_stay_becomes_events_known_when_the_resources_say(resources, bundle_of):
    events, counted = events_of(bundle_of(resources.values()), IDENTITY)
    found = rows(events)
    start, end = moment("2024-01-10T10:00:00Z"), moment("2024-01-18T15:00:00Z")
    updated = moment("2024-01-20T09:00:00Z")
    nothing = [math.nan]
    for code in ("SPELL_START", "ADMISSION_METHOD//21", "ADMISSION_SOURCE//19", "SITE//RX1"):
        assert found.pop(code) == (start, start, pytest.approx(*nothing, nan_ok=True))
    for code in ("DISCHARGE_METHOD//1", "DISCHARGE_DESTINATION//54"):
        assert found.pop(code)[:2] == (end, updated)
    assert found.pop("SPECIALTY//430")[:2] == (start, updated)
    assert found.pop("SPELL_END") == (end, updated, 8)
    assert found.pop("AGE") == (start, start, 83)  # the day before the birthday
    assert found.pop("SEX//2")[:2] == found.pop("ETHNICITY//A")[:2] == (NO_TIME, NO_TIME)
    assert found.pop("WARD//AMU")[0] == start
    assert found.pop("WARD//w2")[0] == moment("2024-01-11T08:00:00Z")
    assert found.pop("DIAGNOSIS//I50.0")[1] == moment("2024-01-26T00:00:00Z")
    taken, issued = moment("2024-01-10T12:00:00Z"), moment("2024-01-10T14:30:00Z")
    assert found.pop("CRP") == (taken, issued, 125)
    assert found.pop("HAEMOGLOBIN") == (taken, issued, 101)
    assert found.pop("NEWS2") == (taken, issued, 5)
    assert not found
    assert not counted


def test_nights_are_local_midnights(resources, bundle_of):
    # 23:30 UTC in July is past midnight in London.
    resources["e1"]["period"] = {"start": "2024-07-01T23:30:00Z", "end": "2024-07-02T22:30:00Z"}
    del resources["e1"]["location"]
    events, _ = events_of(bundle_of(resources.values()), IDENTITY)
    assert rows(events)["SPELL_END"][2] == 0
    assert find_spells(events).length_of_stay_days.tolist() == [0]


def test_order_and_repetition_of_resources_do_not_matter(resources, bundle_of):
    one, _ = events_of(bundle_of(resources.values()), IDENTITY)
    other, counted = events_of(bundle_of([*reversed(resources.values())] * 2), IDENTITY)
    assert str(rows(one)) == str(rows(other))
    assert len(one) == len(other)
    assert not counted


def test_an_earlier_version_gives_way(resources, bundle_of):
    before = deepcopy(resources["e1"])
    before["meta"]["lastUpdated"] = "2024-01-12T09:00:00Z"
    before["status"] = "in-progress"
    del before["period"]["end"]
    both = [before, *resources.values(), before]
    events, counted = events_of(bundle_of(both), IDENTITY)
    assert "SPELL_END" in rows(events)
    assert counted == {"Encounter, an earlier version": 2}


@pytest.mark.parametrize(
    ("name", "change", "place"),
    [
        ("p1", {"identifier": [{"system": NHS, "value": "9990000026"}]}, "Patient.id"),
        ("e1", {"subject": {"reference": "Patient/p2"}}, "Encounter.subject"),
        ("e1", {"status": "onleave"}, "Encounter.meta.lastUpdated"),
    ],
)
def test_two_things_under_one_id_are_not_two_versions(resources, bundle_of, name, change, place):
    other = {**resources[name], **change}
    with pytest.raises(BadInput, match="expected") as caught:
        events_of(bundle_of([*resources.values(), other]), IDENTITY)
    assert str(caught.value).startswith(place)


def test_a_place_that_carries_the_number_of_a_patient_is_no_ward(resources, bundle_of):
    resources["w2"]["identifier"] = [{"value": "9990000018"}]
    events, counted = events_of(bundle_of(resources.values()), IDENTITY)
    assert "WARD//9990000018" not in events.codes
    assert counted == {"Encounter.location that is no stay on a ward": 1}


def test_a_part_of_a_spell_is_that_spell(resources, bundle_of):
    part = {
        **resources["e1"],
        "id": "e2",
        "partOf": {"reference": "Encounter/e1"},
    }
    resources["crp"]["encounter"] = {"reference": "Encounter/e2"}
    events, counted = events_of(bundle_of([*resources.values(), part]), IDENTITY)
    assert len(find_spells(events)) == 1
    assert (events.take(events.rows_of("CRP")).spell_id == find_spells(events).spell_id).all()
    assert counted == {"Encounter, part of a spell": 1}


def test_a_finding_without_an_encounter_belongs_to_the_stay_it_fell_into(resources, bundle_of):
    for name in ("crp", "hb"):
        del resources[name]["encounter"]
    resources["hb"]["effectiveDateTime"] = "2023-01-10T12:00:00Z"
    events, _ = events_of(bundle_of(resources.values()), IDENTITY)
    assert events.take(events.rows_of("CRP")).spell_id[0] >= 0
    assert events.take(events.rows_of("HAEMOGLOBIN")).spell_id[0] == -1


def test_full_urls_and_absolute_references_are_followed(resources, bundle_of):
    bundle = bundle_of(resources.values())
    patient = bundle["entry"][0]
    patient["fullUrl"] = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    del patient["resource"]["id"]
    for entry in bundle["entry"][1:]:
        if "subject" in entry["resource"]:
            entry["resource"]["subject"]["reference"] = patient["fullUrl"]
    resources["crp"]["encounter"]["reference"] = "https://host.test/fhir/Encounter/e1/_history/2"
    events, counted = events_of(bundle, IDENTITY)
    assert len(find_spells(events)) == 1
    assert not counted


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        (
            "crp",
            {"valueQuantity": {"value": 3, "code": "pg/mL"}},
            "Observation, CRP in another unit",
        ),
        (
            "crp",
            {"valueQuantity": {"value": 3000, "code": "mg/L"}},
            "Observation, CRP out of range",
        ),
        ("crp", {"status": "entered-in-error"}, "Observation, of a status that is no result"),
        ("crp", {"code": {"text": "Bilirubin"}}, "Observation, another code"),
        ("c1", {"recordedDate": None}, "Condition, that does not say when it was recorded"),
        ("c1", {"code": {"text": "Heart"}}, "Condition, a code that is not ICD-10"),
        ("p1", {"birthDate": "1940-01"}, "Patient.birthDate without a day"),
        ("p1", {"gender": "unknown"}, "Patient.gender"),
    ],
)
def test_what_is_not_used_is_counted_by_kind(resources, bundle_of, name, change, kind):
    whole, _ = events_of(bundle_of(resources.values()), IDENTITY)
    resources[name] = {k: v for k, v in {**resources[name], **change}.items() if v is not None}
    events, counted = events_of(bundle_of(resources.values()), IDENTITY)
    assert counted == {kind: 1}
    assert len(events) == len(whole) - 1


def test_other_resources_and_outpatients_are_counted(resources, bundle_of):
    resources["e1"]["class"]["code"] = "AMB"
    flag = {"resourceType": "Flag", "id": "f"}
    events, counted = events_of(bundle_of([*resources.values(), flag]), IDENTITY)
    assert counted == {"Encounter, class AMB": 1, "resource Flag": 1}
    assert not events.rows_of("SPELL_START").any()


def wrong(resources, name, path, value):
    *steps, last = path
    target = resources[name]
    for step in steps:
        target = target[step]
    if value is None:
        del target[last]
    else:
        target[last] = value


@pytest.mark.parametrize(
    ("name", "path", "value", "place"),
    [
        ("e1", ["subject"], None, "Encounter.subject"),
        ("e1", ["subject", "reference"], "Patient/secret", "Encounter.subject"),
        ("e1", ["subject", "reference"], "Location/w1", "Encounter.subject"),
        ("crp", ["subject", "reference"], "Patient/secret", "Observation.subject"),
        ("crp", ["encounter", "reference"], "Encounter/secret", "Observation.encounter"),
        ("c1", ["encounter", "reference"], "Encounter/secret", "Condition.encounter"),
        ("bed", ["partOf", "reference"], "Location/secret", "Location.partOf"),
        ("bed", ["partOf", "reference"], "Location/bed", "Location.partOf"),
        ("e1", ["partOf"], {"reference": "Encounter/e1"}, "Encounter.partOf"),
        ("e1", ["serviceProvider", "reference"], "Organization/x", "Encounter.serviceProvider"),
        ("e1", ["period", "end"], "2024-01-09T10:00:00Z", "Encounter.period"),
        ("e1", ["period", "end"], None, "Encounter.period.end"),
        ("e1", ["period", "start"], "2024-01-10", "Encounter.period.start"),
        ("e1", ["period", "start"], "0998-01-10T10:00:00Z", "Encounter.period.start"),
        ("e1", ["location", 0, "period", "end"], "2024-01-09T10:00:00Z", "Encounter.location"),
        ("e1", ["location", 1, "period", "start"], "2027-01-09T10:00:00Z", "Encounter.location"),
        ("e1", ["status"], "secret\nfinished", "Encounter.status: a status"),
        ("e1", ["period"], "secret", "Encounter.period: an object expected"),
        ("e1", ["class"], None, "Encounter.class: an element that FHIR R4 requires expected"),
        ("p1", ["birthDate"], "1799-01-01", "Patient.birthDate"),
        ("p1", ["birthDate"], "2024-03-01", "Patient.birthDate"),
        ("p1", ["birthDate"], "secret", "Patient.birthDate"),
        ("p1", ["secret"], "secret", "Patient"),
        ("p1", ["identifier", 0, "value"], "9990000010", "Patient.identifier.value"),
        ("crp", ["effectiveDateTime"], "2999-01-01T00:00:00Z", "Observation.effective"),
        ("e1", ["period", "start"], "1970-01-01T00:00:00Z", "Encounter.period.start: an admission"),
        ("crp", ["effectiveDateTime"], "2024-01-13T00:00:00Z", "Observation.effective"),
        ("crp", ["status"], "secret", "Observation.status"),
        ("c1", ["recordedDate"], "9999", "Condition.recordedDate"),
        ("w1", ["resourceType"], "Secret", "Bundle.entry.resource.resourceType"),
    ],
)
def test_what_is_wrong_is_refused_by_its_place_and_without_its_value(
    resources, bundle_of, name, path, value, place
):
    wrong(resources, name, path, value)
    with pytest.raises(BadInput, match="expected") as caught:
        events_of(bundle_of(resources.values()), IDENTITY)
    told = str(caught.value)
    assert told.startswith(place)
    assert "secret" not in told.lower()
    assert not isinstance(value, str) or value not in told


def test_two_patients_under_one_identifier_need_one_birth_date(resources, bundle_of):
    twin = {**resources["p1"], "id": "p2"}
    events, _ = events_of(bundle_of([*resources.values(), twin]), IDENTITY)
    assert len(set(events.subject_id.tolist())) == 1
    twin["birthDate"] = "1940-01-12"
    with pytest.raises(BadInput, match=r"^Patient\.birthDate"):
        events_of(bundle_of([*resources.values(), twin]), IDENTITY)


def test_a_finding_of_another_patient_s_encounter_is_refused(resources, bundle_of):
    other = {"resourceType": "Patient", "id": "p2"}
    resources["crp"]["subject"]["reference"] = "Patient/p2"
    with pytest.raises(BadInput, match=r"^Observation\.encounter: .* same patient"):
        events_of(bundle_of([*resources.values(), other]), IDENTITY)
