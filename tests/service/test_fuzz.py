"""Every door that takes a body, fuzzed: answered in the door's own language, never with a fault.

A refused body changes no table, and no answer repeats a value of a patient's.
"""

import json
import time
from contextlib import closing
from pathlib import Path

import hl7
import msgspec
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect, text

from feature_store.clock import DAY, to_moment
from service.hub.documents import EXAMPLE_MESSAGE
from service.problems import ProblemDocument
from tests.hostile import altered, harmed, written

CANARIES = ("Featherstonehaugh", "77431canary", "9434765919", "1935-02-01")
SURNAME, NUMBER, NHS_NUMBER, BORN = CANARIES
JSON, FHIR, HL7 = "application/json", "application/fhir+json", "application/hl7-v2"
HOOK = "/cds-services/homeward-long-stay"
REFUSALS = {404, 412, 413, 415, 422}
NOW = time.time_ns() // 1000


def stamp(days):
    return to_moment(NOW - int(days * DAY)).isoformat()


def bundle():
    """The bundle of the documentation, of a marked person who is in hospital now."""
    told = json.loads(Path("docs/fhir/bundle.json").read_text(encoding="utf-8"))
    person = next(one["resource"] for one in told["entry"] if "birthDate" in one["resource"])
    person["name"] = [{"family": SURNAME}]
    person["birthDate"] = BORN
    person["identifier"] = [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NHS_NUMBER}]
    return told


def hook():
    resources = {one["resource"]["resourceType"]: one["resource"] for one in bundle()["entry"]}
    patient, encounter = resources["Patient"], resources["Encounter"]
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": SURNAME, "patientId": patient["id"], "encounterId": encounter["id"]},
        "prefetch": {"patient": patient, "encounter": encounter, "observations": bundle()},
    }


def facts(news2=4):
    codes = ("SPELL_START", "ADMISSION_METHOD//21", "PATIENT_CLASSIFICATION//1", "SITE//RXX01")
    common = {"subject_id": NUMBER, "spell_id": "S1"}
    told = [common | {"code": code, "time": stamp(3)} for code in codes]
    told.append(common | {"code": "NEWS2", "time": stamp(1), "numeric_value": news2})
    told[-1]["recorded_at"] = stamp(0.9)
    return [*told, {"subject_id": NUMBER, "spell_id": None, "code": "SEX//2", "time": None}]


def scores():
    events = [{k: v for k, v in one.items() if k != "subject_id"} for one in facts()]
    spell = {"spell_id": "S1", "subject_id": NUMBER, "events": events}
    return {"prediction_time": stamp(0), "spells": [spell]}


SAID = {"verdict": "overridden", "reason": "discharge_already_planned"}
SAID |= {"expected_discharge_at": stamp(-3)}
CARD = {"card": "?", "outcome": "accepted", "acceptedSuggestions": [{"id": SURNAME}]}
DOORS = {
    "/v1/scores": (JSON, scores()),
    "/v1/events": (JSON, {"events": facts(news2=5)}),
    "/v1/events/retract": (JSON, {"events": facts()}),
    "/v1/scores/{score_id}/feedback": (JSON, SAID),
    "/fhir/$score": (FHIR, bundle()),
    HOOK: (JSON, hook()),
    f"{HOOK}/feedback": (JSON, {"feedback": [CARD]}),
}


class House:
    """A service with a patient and a score in it, and its tables."""

    def __init__(self, client, url):
        self.client = client
        self._engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        assert client.post("/v1/events", json={"events": facts()}).status_code == 200
        answer = client.post("/v1/scores", json=scores())
        (score,) = answer.json()["scores"]
        self.score_id = score["score_id"]
        self.feedback = {"feedback": [CARD | {"card": self.score_id}]}

    def send(self, path, media, body):
        """Answer to a body, and how many rows each table grew by."""
        before = self._rows()
        address = path.replace("{score_id}", self.score_id)
        headers = {"Content-Type": media}
        answer = self.client.post(address, content=body, headers=headers, follow_redirects=False)
        after = self._rows()
        return answer, {name: after[name] - before.get(name, 0) for name in after}

    def _rows(self):
        with self._engine.connect() as connection:
            return {
                name: connection.scalar(text(f'SELECT count(*) FROM "{name}"'))
                for name in inspect(connection).get_table_names()
            }

    def close(self):
        self._engine.dispose()


@pytest.fixture
def house(make_client, real_model, settings):
    """A service, kept for all examples of a test."""
    client = make_client(real_model, least_completeness=0.0)
    with closing(House(client, f"sqlite:///{settings.var / 'homeward.db'}")) as made:
        yield made


@pytest.fixture
def either_house(make_client, real_model, database_url):
    """The same on a database of each kind: what one takes for text another may not."""
    client = make_client(real_model, least_completeness=0.0, database_url=database_url)
    with closing(House(client, database_url)) as made:
        yield made


def check_refusal(path, answer):
    """A refusal speaks the language of its door."""
    assert answer.status_code in REFUSALS, (answer.status_code, answer.text)
    if path.startswith(("/fhir", "/cds")):
        assert answer.headers["content-type"] == FHIR
        assert OperationOutcome.model_validate_json(answer.content).issue[0].severity == "error"
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        told = msgspec.json.decode(answer.content, type=ProblemDocument)
        assert told.status == answer.status_code
        assert all(one.pointer.startswith("#") for one in told.errors)
    for canary in CANARIES:
        assert canary not in answer.text


@pytest.mark.parametrize("path", DOORS)
def test_what_is_altered_was_good(house, path):
    """Without this the fuzzing would be of refusals alone."""
    media, good = DOORS[path]
    if path == f"{HOOK}/feedback":
        good = house.feedback
    answer, grew = house.send(path, media, json.dumps(good).encode())
    assert answer.status_code == 200, answer.text
    check_kept(path, answer, grew)
    assert any(grew.values())


@pytest.mark.parametrize("path", DOORS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_body_is_answered_whole_or_refused_whole(house, path, data):
    check_any_body(house, path, data)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/retract"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_batch_is_kept_whole_or_refused_whole_by_either_database(either_house, path, data):
    check_any_body(either_house, path, data)


def check_any_body(house, path, data):
    """Send something that was a good body once, and see what comes of it."""
    media, good = DOORS[path]
    if path == f"{HOOK}/feedback":
        good = house.feedback
    body = data.draw(altered(good).flatmap(written))
    answer, grew = house.send(path, media, body)
    if answer.status_code == 200:
        check_kept(path, answer, grew)
    else:
        check_refusal(path, answer)
        if path != f"{HOOK}/feedback":  # each card is kept or refused by itself
            assert not any(grew.values()), grew
    assert house.client.get("/v1/worklist").status_code == 200


def check_kept(path, answer, grew):
    """Of what was accepted everything is kept, and a trace of every answer."""
    told = answer.json() if answer.content else {}
    if path == "/v1/events":
        assert grew["live_events"] == told["added"]
    elif path == "/v1/events/retract":
        assert grew["live_retractions"] == told["retracted"]
    elif path == "/v1/scores":
        assert grew["score_audit"] == len(told["scores"]) + len(told["refused"])
    elif path == "/fhir/$score":
        kinds = [one["resource"] for one in told["entry"]]
        stays = [
            one for one in kinds if "extension" in one or one["resourceType"] != "OperationOutcome"
        ]
        assert grew["score_audit"] == len(stays)


# ---- the cases that every hospital sees, by name -------------------------------------------------


def told_as(change):
    """A body whose text was changed."""
    return lambda good: change(json.dumps(good, ensure_ascii=False)).encode()


HOSTILE = {
    "empty": lambda _: b"",
    "byte order mark": lambda good: json.dumps(good).encode("utf-8-sig"),
    "UTF-16": lambda good: json.dumps(good).encode("utf-16"),
    "Latin 1": lambda good: json.dumps([good, "Ren\xe9"], ensure_ascii=False).encode("latin-1"),
    "NUL": told_as(lambda told: told[:1] + "\x00" + told[1:]),
    "truncated": told_as(lambda told: told[:-1]),
    "two in one": told_as(lambda told: told + told),
    "not the type": lambda good: json.dumps([good]).encode(),
    "NaN": told_as(lambda told: told[:-1] + ', "x": NaN}'),
    "Infinity": told_as(lambda told: told[:-1] + ', "x": -Infinity}'),
    "number without end": told_as(lambda told: told[:-1] + ', "x": ' + "9" * 5000 + "}"),
    "key twice": told_as(lambda told: told[:-1] + ', "x": 1, "x": 2}'),
    "nested": lambda _: b"[" * 100_000,
    "lone surrogate": lambda good: json.dumps(good).encode()[:-1] + b', "\\ud800": "\xed\xa0\x80"}',
}


@pytest.mark.parametrize("path", DOORS)
def test_what_is_no_json_of_ours_is_refused(house, path):
    media, good = DOORS[path]
    good = house.feedback if path == f"{HOOK}/feedback" else good
    for name, harm in HOSTILE.items():
        answer, grew = house.send(path, media, harm(good))
        check_refusal(path, answer)
        assert not any(grew.values()), name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"time": "1970-01-01T00:00:00Z"}, "a time from 1990 on for every SPELL_START"),
        ({"time": "1899-12-31T23:59:59Z"}, "a moment from 1900 to 2199"),
        ({"time": "2999-12-31T23:59:59Z"}, "a moment from 1900 to 2199"),
        ({"time": stamp(-401)}, "a time from 1900 to 400 days ahead"),
        ({"time": "2026-03-29T01:30:00"}, "a moment with an offset"),
        ({"time": "2026-02-30T00:00:00Z"}, "RFC 3339"),
        ({"time": 1_768_000_000}, "expected, got int"),
        ({"time": None}, "a time and a spell for every SPELL_START"),
        ({"recorded_at": stamp(-1)}, "a time of recording from 1900 to now"),
        ({"code": "SEX//F"}, "a value of its family's value set and range"),
        ({"code": "AGE", "numeric_value": 200}, "a value of its family's value set and range"),
        ({"code": "A\x00B"}, "text without control characters"),
        ({"code": "A" * 300}, "length <="),
        ({"numeric_value": "4"}, "expected, got str"),
        ({"numeric_value": True}, "expected, got bool"),
        ({"spell_id": ""}, "length >= 1"),
        ({"subject_id": NHS_NUMBER}, "the shape of an NHS number"),
        ({"subject_id": 7}, "expected, got int"),
    ],
)
def test_one_event_that_cannot_be_keeps_its_whole_batch_out(house, change, told):
    new = facts(news2=7)
    body = json.dumps({"events": [*new, new[0] | change]}).encode()
    answer, grew = house.send("/v1/events", JSON, body)
    check_refusal("/v1/events", answer)
    (fault,) = answer.json()["errors"]
    assert fault["pointer"].startswith(f"#/events/{len(new)}")
    assert told in fault["detail"]
    assert not any(grew.values())


# ---- messages ------------------------------------------------------------------------------------


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_message_is_acknowledged(either_house, data):
    house = either_house
    good = EXAMPLE_MESSAGE.replace("1234567", NUMBER).encode()
    if data.draw(st.booleans()):
        fields = good.split(b"|")
        place = data.draw(st.integers(0, len(fields) - 1))
        fields[place] = data.draw(st.sampled_from(ODD_FIELDS) | st.binary(max_size=8))
        good = b"|".join(fields)
    body = data.draw(harmed(good) | st.just(good))
    answer, grew = house.send("/v1/adt", HL7, body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, HL7)
    told = hl7.parse(answer.content.decode("ascii")).segment("MSA")
    if str(told(1)) == "AA":
        assert not grew["live_rejects"]
    else:
        assert str(told(1)) in {"AE", "AR"}
        assert {name for name, count in grew.items() if count} == {"live_rejects"}
        assert NUMBER not in answer.text
    assert house.client.get("/v1/worklist").status_code == 200


ODD_FIELDS = [
    *(b"", b'""', b"\\X00\\", b"\\E\\", b"^^^", b"~~~~", b"\x00", b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"19700101", b"299912312359", b"20260329013000", b"20261025013000", b"NaN", b"A" * 70_000),
    *(b"\r", b"MSH|^~\\&|", b"PV1||I", b"\x0b", b"\x1c\r", b"9990000018^^^NHS^NH"),
]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/worklist/feedback"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_form_is_answered_and_repeats_nothing(house, path, data):
    good = f"key={SURNAME}&verdict=seen&score_id={house.score_id}&reason=&token=x".encode()
    body = data.draw(st.just(good) | harmed(good) | st.binary(max_size=60))
    answer, grew = house.send(path, "application/x-www-form-urlencoded", body)
    assert answer.status_code < 500
    assert SURNAME not in answer.text
    assert not any(grew.values())  # without a page of ours there is no token that fits


@pytest.mark.parametrize("path", [*DOORS, "/v1/adt"])
def test_a_body_that_is_too_large_is_refused(house, path):
    media = DOORS[path][0] if path in DOORS else HL7
    answer, grew = house.send(path, media, b" " * (17 * 1024 * 1024))
    check_refusal(path, answer)
    assert answer.status_code == 413
    assert not any(grew.values())


def test_a_batch_of_too_many_events_is_refused(house):
    body = json.dumps({"events": facts()[:1] * 10_001}).encode()
    answer, grew = house.send("/v1/events", JSON, body)
    check_refusal("/v1/events", answer)
    assert not any(grew.values())
