"""Every door of the service, the new ones too: nobody comes in without the right key."""

import hashlib
import json
import time

import pytest

from feature_store.clock import SECOND, to_moment

NEEDS = {  # scopes that open each address; a new one fails here until somebody has decided
    "/v1/scores": "scores",
    "/v1/model": "any",
    "/v1/scores/{score_id}/feedback": "feedback",
    "/v1/events": "events",
    "/v1/events/retract": "events",
    "/v1/adt": "events",
    "/v1/spells/{spell_id}/score": "scores",
    "/v1/worklist": "scores",
}
OPEN = {"/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"}
SCOPES = ("scores", "events", "feedback", "admin")


def entry(name, scopes, **more):
    return {"name": name, "sha256": digest(name), "scopes": scopes, **more}


def digest(name):
    return hashlib.sha256(f"hw_{name}".encode()).hexdigest()


@pytest.fixture
def guarded(make_client, real_model, tmp_path):
    """A service with a key for each scope, one that is over, and one of another site."""
    over = to_moment(time.time_ns() // 1000 - SECOND).isoformat()
    keys = [entry(scope, [scope]) for scope in SCOPES]
    keys += [entry("over", SCOPES, expires=over), entry("elsewhere", SCOPES, sites=["RXX02"])]
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": keys}))
    return make_client(real_model, api_keys_file=path, least_completeness=0.0)


def doors(client):
    document = client.get("/openapi.json").json()
    return [
        (path, method.upper()) for path, methods in document["paths"].items() for method in methods
    ]


def status(client, path, method, name, sent=None):
    headers = {} if name is None else {"Authorization": f"Bearer hw_{name}"}
    address = path.replace("{score_id}", "x").replace("{spell_id}", "x")
    return client.request(method, address, headers=headers, json=sent).status_code


def test_every_address_is_known_here(guarded):
    assert {path for path, _ in doors(guarded)} - OPEN == set(NEEDS)


def test_no_address_opens_without_a_good_key_of_its_scope(guarded):
    for path, method in doors(guarded):
        if path in OPEN:
            continue
        for name in (None, "wrong", "over", "over, hw_scores"):
            assert status(guarded, path, method, name) == 401, (path, name)
        for scope in SCOPES:
            opens = NEEDS[path] in {scope, "any"}
            assert (status(guarded, path, method, scope) != 403) == opens, (path, scope)


def pages_fhir_and_hooks():
    return [
        ("GET", "/fhir/RiskAssessment?encounter=S1"),
        ("GET", "/fhir/RiskAssessment/x"),
        ("POST", "/cds-services/homeward-long-stay"),
        ("POST", "/cds-services/homeward-long-stay/feedback"),
        ("GET", "/worklist"),
        ("GET", "/worklist/score/x"),
    ]


@pytest.mark.parametrize(("method", "path"), pages_fhir_and_hooks())
def test_the_other_doors_show_nothing_without_a_key(guarded, method, path):
    for name in (None, "wrong", "over", "events"):
        headers = {} if name is None else {"Authorization": f"Bearer hw_{name}"}
        answer = guarded.request(method, path, headers=headers, json={}, follow_redirects=False)
        assert answer.status_code in {303, 401, 403}, name


def test_a_key_of_another_site_sees_nobody_here(guarded, trust, request_body):
    feed = {"Authorization": "Bearer hw_events"}
    elsewhere = {"Authorization": "Bearer hw_elsewhere"}
    scores = {"Authorization": "Bearer hw_scores"}
    start = time.time_ns() // 1000 - 3 * 3_600_000_000
    sent = {"events": trust.stay("1", start)}
    assert guarded.post("/v1/events", json=sent, headers=feed).status_code == 200
    assert guarded.post("/v1/events", json=sent, headers=elsewhere).status_code == 403
    (seen,) = guarded.get("/v1/worklist", headers=scores).json()["entries"]
    told = guarded.get("/v1/worklist", headers=elsewhere).json()
    assert (told["entries"], told["refused"], told["inpatients"]) == ([], [], 0)
    assert guarded.get("/v1/worklist?site=RXX01", headers=elsewhere).json()["inpatients"] == 0
    (refused,) = guarded.get("/v1/spells/S1/score", headers=elsewhere).json()["refused"]
    assert refused["reason"] == "other_site"
    (refused,) = guarded.post("/v1/scores", json=request_body, headers=elsewhere).json()["refused"]
    assert refused["reason"] == "other_site"
    score_id = seen["score"]["score_id"]
    said = {"verdict": "seen"}
    address = f"/v1/scores/{score_id}/feedback"
    assert guarded.post(address, json=said, headers=elsewhere).status_code == 404
    assert guarded.get(f"/fhir/RiskAssessment/{score_id}", headers=elsewhere).status_code == 404
    found = guarded.get("/fhir/RiskAssessment?encounter=S1", headers=elsewhere).json()
    assert not found.get("entry")
