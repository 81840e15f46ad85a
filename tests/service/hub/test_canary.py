"""A marked surname, number and value go in by the doors of the live store, and show nowhere."""

import json
import logging

import pytest

from service.logs import JsonLines

SURNAME, NHS_NUMBER, VALUE = "Featherstonehaugh", "9434765919", "31.4159"
MARKS = (SURNAME, NHS_NUMBER, VALUE)
JSON = {"Content-Type": "application/json"}
FHIR = {"Content-Type": "application/fhir+json"}
HL7 = {"Content-Type": "application/hl7-v2"}


@pytest.fixture
def log(caplog):
    """Everything that any logger would write, as it would be written."""
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join(
        JsonLines().format(record)
        for record in caplog.records
        if not record.name.startswith("httpx")  # the caller in this test
    )


def patient(mark):
    """A bundle of one encounter with a mark wherever a person's words can stand."""
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NHS_NUMBER}
    person = {"resourceType": "Patient", "id": "p", "identifier": [number], "gender": mark}
    here = {"reference": "Patient/p"}
    stay = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "subject": here}
    stay |= {"class": {"code": "IMP", "display": mark}, "period": {"start": "2026-01-12T21:40:00Z"}}
    stay["location"] = [{"location": {"reference": f"Location/{mark}"}}]
    name = [{"family": mark, "given": [mark]}]
    entries = [{"resource": person | {"name": name}}, {"resource": stay}]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def hook(mark):
    """A call of a CDS client with a mark wherever a person's words can stand."""
    context = {"userId": f"Practitioner/{mark}", "patientId": mark, "encounterId": "e"}
    token = {"access_token": mark, "token_type": "Bearer", "subject": mark}
    bundle = json.loads(patient(mark))
    sent = {"patient": bundle["entry"][0]["resource"] | {"id": mark}, "conditions": bundle}
    more = {"fhirServer": f"https://{mark}.example", "fhirAuthorization": token, "prefetch": sent}
    call = {"hook": "patient-view", "hookInstance": mark, "context": context}
    return json.dumps(call | more)


def calls(trust):
    good = json.dumps({"events": trust.stay("1", trust.now)})
    for mark in MARKS:
        for path in ("/v1/events", "/v1/events/retract"):
            yield "POST", path, JSON, good.replace("S1", mark)
            yield "POST", path, JSON, good.replace("NEWS2", mark)
            yield "POST", path, JSON, good.replace("SEX//2", f"SEX//{mark}")
            yield "POST", path, JSON, good.replace('"AGE"', f'"AGE", "{mark}": 1')
            yield "POST", path, JSON, good.replace("84", f'"{mark}"')
            yield "POST", path, JSON, good.replace("84", "9" + VALUE)
            yield "POST", path, JSON, good[:-9] + mark
            yield "POST", path, {"Content-Type": mark}, good
        for sent in (patient(mark), patient(mark)[:-9], patient(mark).replace("gender", mark)):
            yield "POST", "/fhir/$score", FHIR, sent
        yield "GET", f"/fhir/RiskAssessment?encounter={mark * 12}", {}, None
        for call in (hook(mark), hook(mark)[:-9], hook(mark).replace("hookInstance", mark)):
            yield "POST", "/cds-services/homeward-long-stay", JSON, call
        said = {"card": mark, "outcome": "overridden", "overrideReason": {"userComment": mark}}
        feedback = json.dumps({"feedback": [said]})
        yield "POST", "/cds-services/homeward-long-stay/feedback", JSON, feedback
        yield "POST", f"/cds-services/{mark}", JSON, "{}"
        yield "GET", f"/fhir/RiskAssessment?patient=1&{mark}={mark}", {}, None
        yield "GET", f"/fhir/RiskAssessment/{mark}", {}, None
        yield "POST", "/v1/adt", HL7, mark
        yield "POST", "/v1/adt", HL7, f"MSH|^~\\&|{mark}|{mark}|||{mark}||ADT^A01|{mark} |P|2.4"
        yield "POST", "/v1/adt", HL7, f"MSH|^~\\&|P|R|||2026||ADT^A01|1|P|2.4\rPID|||{mark}||{mark}"
        yield "GET", f"/v1/worklist?at={mark}", {}, None
        yield "GET", f"/v1/worklist?{mark}=1", {}, None
        yield "GET", f"/v1/worklist?limit={mark}", {}, None
        yield "GET", f"/v1/spells/{mark}{mark}/score", {}, None
        yield "GET", f"/v1/spells/{mark}/score?reasons={mark}", {}, None


def test_no_mark_shows_in_an_answer_the_log_or_the_metrics(trust, one_hub, log):
    shown, statuses = [], set()
    for method, path, headers, content in calls(trust):
        answer = one_hub.request(method, path, headers=headers, content=content)
        statuses.add(answer.status_code)
        if "|ACK" not in answer.text:  # an acknowledgement names its sender and its message
            shown.append(answer.text)
    assert statuses == {200, 404, 412, 415, 422}
    everything = "\n".join([*shown, log(), one_hub.get("/metrics").text]).lower()
    for mark in MARKS:
        assert mark.lower() not in everything
