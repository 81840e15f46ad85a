"""A UK Core bundle of one patient in hospital, and a reader of our own profile."""

import copy
import time

import pytest

from feature_store.clock import DAY, HOUR, to_moment
from service.fhir.definitions import definitions

NOW = time.time_ns() // 1000 // DAY * DAY - 2 * DAY + 6 * HOUR
UK = "https://fhir.hl7.org.uk/"
EXTENSION = UK + "StructureDefinition/Extension-UKCore-"


def stamp(days):
    """RFC 3339 text of a moment, in days from the one asked about."""
    return to_moment(int(NOW + days * DAY)).isoformat()


def british(system, code):
    return {"coding": [{"system": f"{UK}CodeSystem/UKCore-{system}", "code": code}]}


def patient(name="p1", **more):
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}
    made = {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1940-01-11"}
    return made | {"identifier": [number], "name": [{"family": "Featherstonehaugh"}]} | more


def encounter(name="e1", start=-3.0, end=None, **more):
    period = {"start": stamp(start)} | ({} if end is None else {"end": stamp(end)})
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": "in-progress" if end is None else "finished",
        "meta": {"lastUpdated": stamp(-0.1 if end is None else end)},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "period": period,
        "serviceProvider": {
            "identifier": {"system": "https://fhir.nhs.uk/Id/ods-site-code", "value": "RXX01"}
        },
        "hospitalization": {
            "extension": [
                {
                    "url": EXTENSION + "AdmissionMethod",
                    "valueCodeableConcept": british("AdmissionMethodEngland", "21"),
                }
            ],
            "admitSource": british("SourceOfAdmissionEngland", "19"),
        },
    } | more


def observation(name, code, value, unit, *, at=-1.0, system="http://loinc.org", of="e1"):
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": f"Encounter/{of}"},
        "effectiveDateTime": stamp(at),
        "issued": stamp(at + 0.05),
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
    }


def news2(value=6, **more):
    code, system = "1104051000000101", "http://snomed.info/sct"
    return observation("news", code, value, "{score}", system=system, **more)


def condition(name="c1", recorded=-400.0, **more):
    return {
        "resourceType": "Condition",
        "id": name,
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I50.0"}]},
        "subject": {"reference": "Patient/p1"},
        "recordedDate": stamp(recorded),
    } | more


class Core:
    """Makes resources and bundles."""

    now = NOW
    stamp = staticmethod(stamp)
    patient = staticmethod(patient)
    encounter = staticmethod(encounter)
    observation = staticmethod(observation)
    news2 = staticmethod(news2)
    condition = staticmethod(condition)

    @staticmethod
    def stay():
        """Resources of one stay."""
        crp = observation("crp", "1988-5", 12.5, "mg/dL")
        return copy.deepcopy([patient(), encounter(), news2(), crp, condition()])

    @staticmethod
    def bundle(*resources):
        entries = [{"resource": one} for one in resources]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}


@pytest.fixture(scope="session")
def core():
    """What tests make bundles of."""
    return Core


@pytest.fixture
def service(make_client, real_model):
    """A client of a service with the tiny model."""
    return make_client(real_model)


@pytest.fixture
def ask(service, core):
    """Send a bundle, and insist on an answer."""

    def asked(*resources, at=0.0, client=None):
        answer = (client or service).post(
            "/fhir/$score", json=core.bundle(*resources), params={"at": stamp(at)}
        )
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json()["entry"]]

    return asked


# ---- the profile, read as written ----------------------------------------------------------------


def offences(resource):
    """What in a RiskAssessment is against our profile; its FHIRPath constraints are not read."""
    profile = definitions()["StructureDefinition", "long-stay-risk"]
    found = []
    for element in profile["differential"]["element"][1:]:
        parents = [resource]
        *above, last = element["path"].split(".")[1:]
        for step in above:
            parents = [one for parent in parents for one in _children(parent, step)]
        for parent in parents:
            found += _offences(element, _children(parent, last))
    return found


def _children(parent, name):
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        return [value for key, value in parent.items() if key.startswith(stem)]
    value = parent.get(name)
    return [] if value is None else value if isinstance(value, list) else [value]


def _offences(element, values):
    path = element["id"]
    if "sliceName" in element:
        (url,) = element["type"][0]["profile"]
        values = [one for one in values if one["url"] == url]
        yield from (bad for one in values for bad in _of_extension(url, one))
    most = element.get("max", "*")
    if not element.get("min", 0) <= len(values) or (most != "*" and len(values) > int(most)):
        yield f"{path}: {len(values)} values"
    for value in values:
        if "fixedUri" in element and value != element["fixedUri"]:
            yield f"{path}: not as fixed"
        pattern = element.get("patternCodeableConcept")
        if pattern is not None and not all(one in value["coding"] for one in pattern["coding"]):
            yield f"{path}: not of the pattern"
        if "minValueDecimal" in element and not (
            element["minValueDecimal"] <= value <= element["maxValueDecimal"]
        ):
            yield f"{path}: out of range"


def _of_extension(url, given):
    (definition,) = (one for one in definitions().values() if one.get("url") == url)
    element = definition["differential"]["element"][-1]
    kind = element["type"][0]["code"]
    name = "value" + kind[0].upper() + kind[1:]
    return _offences(element, [given[name]] if name in given else [])


@pytest.fixture(scope="session")
def against_profile():
    """Return a function that lists what in a resource is against our profile."""
    return offences
