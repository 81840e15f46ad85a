"""``POST /fhir/$score``: every inpatient encounter of a bundle comes back, scored or refused."""

import copy
import hashlib
import json
from functools import partial

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome

from feature_store.clock import to_moment

SENT = {"Content-Type": "application/fhir+json"}


def kinds(resources):
    return [one["resourceType"] for one in resources]


def reason(resource):
    return resource["issue"][0]["details"]["coding"][0]["code"]


def counted(resources):
    """What the last outcome says was not used."""
    return [one["diagnostics"] for one in resources[-1]["issue"]]


def test_a_stay_comes_back_as_one_assessment_in_the_senders_words(ask, core, against_profile):
    (told,) = ask(*core.stay())
    assert told["subject"]["reference"] == "Patient/p1"
    assert told["encounter"] == {"reference": "Encounter/e1"}
    basis = [one["reference"] for one in told["basis"]]
    assert basis == ["Encounter/e1", "Condition/c1", "Observation/crp", "Observation/news"]
    assert against_profile(told) == []
    extensions = {one["url"]: one for one in told["extension"]}
    assert extensions["urn:homeward:input-cutoff"]["valueDateTime"] == core.stamp(0).replace(
        "+00:00", "Z"
    )
    for one in told["prediction"]:
        assert 0 <= one["probabilityDecimal"] <= 100


def test_the_answer_is_a_bundle_of_fhir_and_says_what_v1_scores_says(service, core):
    bundle = core.bundle(*core.stay())
    answer = service.post(
        "/fhir/$score", content=json.dumps(bundle), headers=SENT, params={"at": core.stamp(0)}
    )
    assert answer.headers["content-type"] == "application/fhir+json"
    (resource,) = (one.resource for one in Bundle.model_validate_json(answer.text).entry)
    fact = partial(dict, time=core.stamp(-3))
    events = [
        fact(code="SPELL_START"),
        fact(code="ADMISSION_METHOD//21"),
        fact(code="ADMISSION_SOURCE//19"),
        fact(code="SITE//RXX01"),
        fact(code="AGE", numeric_value=age_at(core)),
        fact(code="SEX//2", time=None),
        fact(code="NEWS2", time=core.stamp(-1), recorded_at=core.stamp(-0.95), numeric_value=6),
        fact(code="CRP", time=core.stamp(-1), recorded_at=core.stamp(-0.95), numeric_value=125),
        fact(code="DIAGNOSIS//I50.0", time=core.stamp(-400)),
    ]
    spell = {"spell_id": "S", "subject_id": "P", "events": events}
    asked = {"prediction_time": core.stamp(0), "spells": [spell]}
    (score,) = service.post("/v1/scores", json=asked).json()["scores"]
    told = [float(one.probabilityDecimal) for one in resource.prediction]
    assert told == [round(100 * one, 1) for one in score["probability"].values() if one is not None]


def age_at(core):
    admitted = to_moment(int(core.now - 3 * 86_400_000_000))
    return admitted.year - 1940 - ((admitted.month, admitted.day) < (1, 11))


def test_it_is_on_the_record_like_any_score_and_found_again(service, ask, core):
    (told,) = ask(*core.stay())
    row = service.app.state.parts.record.score(told["id"])
    assert (row.route, row.site, row.mode) == ("/fhir/$score", "RXX01", "live")
    (again,) = service.get("/fhir/RiskAssessment?encounter=Encounter/e1").json()["entry"]
    assert again["resource"]["id"] == told["id"]
    assert again["resource"]["prediction"] == told["prediction"]
    (said,) = ask(*core.stay())
    assert service.app.state.parts.record.score(said["id"]).inputs_hash == row.inputs_hash
    (other,) = ask(*core.stay()[:-1])
    assert service.app.state.parts.record.score(other["id"]).inputs_hash != row.inputs_hash


# ---- several encounters --------------------------------------------------------------------------


def test_an_earlier_stay_is_history_and_is_refused_by_itself(service, ask, core):
    before = core.encounter("e0", start=-60.0, end=-50.0)
    past, now = ask(before, *core.stay())
    assert kinds([past, now]) == ["OperationOutcome", "RiskAssessment"]
    assert reason(past) == "already_discharged"
    assert past["issue"][0]["severity"] == "information"
    assert past["extension"][0]["valueReference"] == {"reference": "Encounter/e0"}
    (alone,) = ask(*core.stay())
    used, without = (service.app.state.parts.record.score(one["id"]) for one in (now, alone))
    assert used.features != without.features


def test_a_full_url_names_what_has_no_id_unless_fhir_could_not_say_it(service, core):
    for url, told in (("urn:uuid:1", {"reference": "urn:uuid:1"}), ("urn:\u00a0x", None)):
        bundle = core.bundle(*core.stay()[:2])
        del bundle["entry"][1]["resource"]["id"]
        bundle["entry"][1]["fullUrl"] = url
        answer = service.post("/fhir/$score", json=bundle)
        assert answer.status_code == 200
        encounter = answer.json()["entry"][0]["resource"]["encounter"]
        assert encounter == told or (told is None and "identifier" in encounter)


def test_two_stays_at_once_of_one_patient_are_both_refused(ask, core):
    told = ask(*core.stay(), core.encounter("e2", start=-2.0))
    assert kinds(told) == ["OperationOutcome"] * 2
    assert {reason(one) for one in told} == {"bad_value"}


def test_an_encounter_that_is_part_of_a_stay_is_that_stay(ask, core):
    part = core.encounter("e2", start=-2.0, partOf={"reference": "Encounter/e1"})
    told = ask(*core.stay(), part)
    assert kinds(told) == ["RiskAssessment", "OperationOutcome"]
    assert counted(told) == ["Encounter, part of a spell: 1 not used"]


def test_patients_sent_together_are_answered_as_if_each_were_alone(ask, core):
    mine = core.stay()
    number = [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000026"}]
    other = core.patient("p2", identifier=number, birthDate="1990-05-05")
    theirs = core.encounter("e2", start=-1.0, subject={"reference": "Patient/p2"})
    both, alone = ask(*mine, other, theirs), [*ask(*mine), *ask(other, theirs)]
    assert [one["prediction"] for one in both] == [one["prediction"] for one in alone]
    assert [one["encounter"]["reference"] for one in both] == ["Encounter/e1", "Encounter/e2"]


# ---- what was known then -------------------------------------------------------------------------


def test_what_is_recorded_later_is_not_used_and_counted(ask, core):
    (alone,) = ask(*core.stay())
    late = core.observation("late", "1988-5", 300, "mg/L", at=0.5)
    told, rest = ask(*core.stay(), late)
    assert told["prediction"] == alone["prediction"]
    assert "Observation/late" not in json.dumps(told["basis"])
    assert counted([rest]) == ["fact of after the moment asked about: 1 not used"]


def test_a_stay_that_is_over_was_not_over_before(ask, core):
    stay = core.stay()
    stay[1] = core.encounter(end=-0.5)
    assert kinds(ask(*stay, at=-0.6))[0] == "RiskAssessment"
    assert reason(ask(*stay)[0]) == "already_discharged"
    assert reason(ask(*stay, at=-3.5)[0]) == "not_admitted"


def test_whom_the_model_does_not_speak_about_is_refused_with_the_reason(ask, core):
    stay = core.stay()
    stay[0] = core.patient(birthDate=core.stamp(-4000)[:10])
    told = ask(*stay)
    assert reason(told[0]) == "out_of_scope"
    assert OperationOutcome.model_validate(told[0]).issue[0].severity == "warning"


# ---- what cannot be used -------------------------------------------------------------------------


def test_unknown_resources_codes_and_units_are_counted_by_kind(ask, core):
    strange = core.observation("x", "0000-0", 1, "mg/L")
    fraction = core.observation("hb", "718-7", 0.42, "%")
    medication = {"resourceType": "MedicationRequest", "id": "m1", "note": "Featherstonehaugh"}
    told = ask(*core.stay(), strange, fraction, medication, medication)
    assert counted(told) == [
        "Observation, HAEMOGLOBIN in another unit: 1 not used",
        "Observation, another code: 1 not used",
        "resource MedicationRequest: 2 not used",
    ]


def changed(core, place, **more):
    stay = copy.deepcopy(core.stay())
    stay[place] |= more
    return core.bundle(*stay)


NOWHERE = {"reference": "Encounter/featherstonehaugh"}


def unreadable(core):
    """Bundles that cannot be read, each with what is said of it."""
    return [
        (core.bundle(), "An inpatient Encounter"),
        (core.bundle(core.patient()), "An inpatient Encounter"),
        (core.bundle(core.encounter()), "Encounter.subject: a reference to a Patient"),
        (changed(core, 2, encounter=NOWHERE), "Observation.encounter: a reference"),
        (changed(core, 4, subject=NOWHERE), "Condition.subject: a reference"),
        (changed(core, 1, subject=None), "Encounter.subject"),
        (changed(core, 1, period={"start": "2026-01-01"}), "Encounter.period.start"),
        (changed(core, 1, featherstonehaugh=1), "Encounter: no elements but those"),
        (changed(core, 0, birthDate="1840-01-01"), "Patient.birthDate: a year"),
        (core.bundle({"resourceType": "Featherstonehaugh"}), "a resource type of"),
        ({"resourceType": "Patient", "id": "featherstonehaugh"}, "Bundle: an object"),
        ({"resourceType": "Bundle", "entry": 7}, "Bundle.entry: a list"),
        ([], "#: object expected, got array"),
    ]


def test_a_bundle_that_cannot_be_read_says_where_and_never_what(service, core):
    for made, told in unreadable(core):
        answer = service.post("/fhir/$score", json=made)
        assert answer.status_code == 422, told
        said = OperationOutcome.model_validate_json(answer.text).issue[0].diagnostics
        assert told in said
        assert "featherstonehaugh" not in answer.text.lower()
    assert service.app.state.parts.record.between(0, 2**62)["spell"].size == 0


DEEP = b'{"resourceType":"Bundle","entry":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NESTED = [b'{"a":' * depth + b"1" + b"}" * depth for depth in (200, 900, 980, 999, 5000)]


BODIES = [
    (b"", SENT, 422),
    (b"{", SENT, 422),
    (b'{"resourceType":"Bundle","resourceType":"Bundle"}', SENT, 422),
    (b'{"resourceType":"Bundle","entry":[{"resource":NaN}]}', SENT, 422),
    (b'\xff{"resourceType":"Bundle"}', SENT, 422),
    (DEEP, SENT, 422),
    *((body, SENT, 422) for body in NESTED),
    (b"<Bundle/>", {"Content-Type": "application/fhir+xml"}, 415),
    (b"{}", {"Content-Type": "text/plain"}, 415),
    (b"{}", SENT | {"Content-Encoding": "gzip"}, 415),
    (b"{}", SENT | {"Content-Length": str(2**31)}, 413),
]


def test_a_body_that_is_no_bundle_is_refused_in_fhir(service):
    for body, headers, status in BODIES:
        answer = service.post("/fhir/$score", content=body, headers=headers)
        assert answer.status_code == status, (body[:40], len(body))
        assert OperationOutcome.model_validate_json(answer.text).issue[0].severity == "error"


def test_nested_deeply_within_a_resource_is_refused_too(service, core):
    extension = {"url": "urn:x", "valueString": "x"}
    for _ in range(150):
        extension = {"url": "urn:x", "extension": [extension]}
    answer = service.post("/fhir/$score", json=changed(core, 0, extension=[extension]))
    assert answer.status_code in {200, 422}
    assert answer.headers["content-type"] == "application/fhir+json"


def test_too_many_resources_and_a_moment_ahead_are_refused(service, core):
    many = {"resourceType": "Bundle", "type": "collection", "entry": [{}] * 5001}
    assert service.post("/fhir/$score", json=many).status_code == 413
    bundle = core.bundle(*core.stay())
    for query in ({"at": core.stamp(1000)}, {"at": "today"}, {"time": "x"}):
        assert service.post("/fhir/$score", json=bundle, params=query).status_code == 422


# ---- who may, and what is never said -------------------------------------------------------------


def test_a_caller_of_some_sites_gets_scores_of_these_alone(
    make_client, real_model, ask, core, tmp_path
):
    sha256 = hashlib.sha256(b"hw_ward").hexdigest()
    key = {"name": "ward", "sha256": sha256, "scopes": ["scores"], "sites": ["RXX02"]}
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key]}))
    client = make_client(real_model, api_keys_file=tmp_path / "keys.json", adt_test=True)
    assert client.post("/fhir/$score", json={}).status_code == 401
    client.headers["Authorization"] = "Bearer hw_ward"
    (told,) = ask(*core.stay(), client=client)
    assert reason(told) == "other_site"
    stay = core.stay()
    stay[1]["serviceProvider"]["identifier"]["value"] = "RXX02"
    (told,) = ask(*stay, client=client)
    assert told["resourceType"] == "RiskAssessment"


def test_an_nhs_number_as_an_id_comes_back_as_a_pseudonym_only(ask, core, against_profile):
    text = json.dumps(core.stay()).replace("Patient/p1", "Patient/9990000018")
    text = text.replace('"id": "p1"', '"id": "9990000018"').replace("e1", "9434765919")
    (told,) = ask(*json.loads(text))
    assert "9990000018" not in json.dumps(told)
    assert "9434765919" not in json.dumps(told)
    assert told["subject"]["identifier"]["system"] == "urn:homeward:subject"
    assert against_profile(told) == []
