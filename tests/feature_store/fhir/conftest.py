"""A hand-made bundle of one stay; NHS numbers of the range that is never issued."""

from copy import deepcopy

import pytest

NHS = "https://fhir.nhs.uk/Id/nhs-number"
UK = "https://fhir.hl7.org.uk/"
EXTENSION = UK + "StructureDefinition/Extension-UKCore-"


def british(system, code):
    return {"coding": [{"system": f"{UK}CodeSystem/UKCore-{system}", "code": code}]}


def told(name, system, code):
    return {"url": EXTENSION + name, "valueCodeableConcept": british(system, code)}


def observation(name, code, value, unit, *, system="http://loinc.org", at="2024-01-10T12:00:00Z"):
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "effectiveDateTime": at,
        "issued": "2024-01-10T14:30:00Z",
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
    }


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": NHS, "value": "9990000018"}],
    "name": [{"family": "Featherstonehaugh"}],
    "gender": "female",
    "birthDate": "1940-01-11",
    "extension": [told("EthnicCategory", "EthnicCategoryEngland", "A")],
}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e1",
    "meta": {"lastUpdated": "2024-01-20T09:00:00Z"},
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2024-01-10T10:00:00Z", "end": "2024-01-18T15:00:00Z"},
    "serviceType": british("TreatmentFunctionEngland", "430"),
    "serviceProvider": {"reference": "Organization/o1"},
    "hospitalization": {
        "extension": [told("AdmissionMethod", "AdmissionMethodEngland", "21")],
        "admitSource": british("SourceOfAdmissionEngland", "19"),
        "dischargeDisposition": british("DischargeDestinationEngland", "54"),
    },
    "extension": [told("DischargeMethod", "DischargeMethodEngland", "1")],
    "location": [
        {
            "location": {"reference": "Location/bed"},
            "period": {"start": "2024-01-10T10:00:00Z", "end": "2024-01-11T08:00:00Z"},
        },
        {
            "location": {"reference": "Location/w2"},
            "period": {"start": "2024-01-11T08:00:00Z"},
        },
    ],
}
PLACES = [
    {
        "resourceType": "Location",
        "id": "bed",
        "physicalType": {"coding": [{"code": "bd"}]},
        "partOf": {"reference": "Location/w1"},
    },
    {"resourceType": "Location", "id": "w1", "identifier": [{"value": "AMU"}]},
    {"resourceType": "Location", "id": "w2"},
    {
        "resourceType": "Organization",
        "id": "o1",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RX1"}],
    },
]
CONDITION = {
    "resourceType": "Condition",
    "id": "c1",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I50.0"}]},
    "subject": {"reference": "Patient/p1"},
    "encounter": {"reference": "Encounter/e1"},
    "recordedDate": "2024-01-25",
}
STAY = [
    PATIENT,
    ENCOUNTER,
    *PLACES,
    CONDITION,
    observation("crp", "1988-5", 12.5, "mg/dL"),
    observation("hb", "718-7", 10.1, "g/dL"),
    observation("news", "1104051000000101", 5, "{score}", system="http://snomed.info/sct"),
]


@pytest.fixture
def resources():
    """Resources by id; a test may change them."""
    return {one["id"]: deepcopy(one) for one in STAY}


@pytest.fixture
def bundle_of():
    """Bundle of resources."""

    def made(resources):
        entries = [{"resource": one} for one in resources]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    return made


@pytest.fixture(scope="session")
def stay():
    """Resources; copy before changing them."""
    return STAY
