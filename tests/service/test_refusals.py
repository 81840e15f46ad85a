"""Spells that get no score, one by one, and why; the others are scored."""

import copy

import pytest


def answer_of(client, body):
    answer = client.post("/v1/scores", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal_of(client, body):
    answer = answer_of(client, body)
    assert answer["scores"] == []
    (refused,) = answer["refused"]
    assert refused["spell_id"] == "S456"
    return refused["reason"]


def test_a_spell_without_a_start_is_refused(client, request_body, the_spell):
    del the_spell["events"][0]
    assert refusal_of(client, request_body) == "not_admitted"


def test_a_spell_that_starts_later_is_refused(client, request_body, the_spell):
    the_spell["events"][0]["time"] = "2026-01-14T06:00:01Z"
    assert refusal_of(client, request_body) == "not_admitted"


def test_a_start_that_was_recorded_later_is_not_known(client, request_body, the_spell):
    the_spell["events"][0]["recorded_at"] = "2026-01-14T07:00:00Z"
    assert refusal_of(client, request_body) == "not_admitted"


def test_a_start_without_a_time_is_none(client, request_body, the_spell):
    the_spell["events"][0]["time"] = None
    assert refusal_of(client, request_body) == "not_admitted"


@pytest.mark.parametrize("named", [{}, {"spell_id": "S456"}, {"spell_id": None}])
def test_a_patient_who_has_left_is_refused(client, request_body, the_spell, named):
    the_spell["events"].append({"code": "SPELL_END", "time": "2026-01-14T05:00:00Z"} | named)
    assert refusal_of(client, request_body) == "already_discharged"


@pytest.mark.parametrize(
    "later", [{"time": "2026-01-15T05:00:00Z"}, {"time": "2026-01-14T05:00:00Z", "spell_id": "S1"}]
)
def test_an_end_to_come_or_of_another_spell_is_no_discharge(client, request_body, the_spell, later):
    the_spell["events"].append({"code": "SPELL_END"} | later)
    assert len(answer_of(client, request_body)["scores"]) == 1


def test_two_starts_of_one_spell_are_refused(client, request_body, the_spell):
    the_spell["events"] += [
        {"code": "SPELL_START", "time": moment, "spell_id": "S456"}
        for moment in ("2026-01-12T21:40:00Z", "2026-01-12T23:00:00Z")
    ]
    assert refusal_of(client, request_body) == "bad_value"


@pytest.mark.parametrize("moment", ["1900-01-02T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_clock_at_its_zero_admits_nobody(client, request_body, the_spell, moment):
    the_spell["events"][0]["time"] = moment
    assert refusal_of(client, request_body) == "bad_value"
    the_spell["events"][0]["time"] = "1990-01-01T00:00:00Z"
    assert len(answer_of(client, request_body)["scores"]) == 1


@pytest.mark.parametrize(
    "event",
    [
        {"code": "NEWS2", "numeric_value": 21},
        {"code": "AGE", "numeric_value": -1},
        {"code": "ADMISSION_METHOD//ZZ"},
        {"code": "ADMISSION_METHOD"},
    ],
)
def test_a_value_that_cannot_be_is_refused_and_not_repeated(client, request_body, the_spell, event):
    the_spell["events"].append(event | {"time": "2026-01-13T05:00:00Z"})
    (refused,) = answer_of(client, request_body)["refused"]
    assert refused["reason"] == "bad_value"
    assert refused["detail"].startswith(f"a value of {event['code'].partition('//')[0]} ")
    assert "ZZ" not in refused["detail"]


def test_a_value_that_cannot_be_but_is_not_known_yet_is_ignored(client, request_body, the_spell):
    event = {"code": "NEWS2", "numeric_value": 99, "time": "2026-01-15T05:00:00Z"}
    the_spell["events"].append(event)
    assert len(answer_of(client, request_body)["scores"]) == 1


def test_a_code_that_is_not_in_the_vocabulary_is_data(client, request_body, the_spell):
    event = {"code": "LOCAL_SCORE", "numeric_value": 1e6, "time": "2026-01-13T05:00:00Z"}
    the_spell["events"].append(event)
    assert len(answer_of(client, request_body)["scores"]) == 1


def test_a_child_is_out_of_scope_and_the_others_are_scored(client, request_body, the_spell):
    child = copy.deepcopy(the_spell) | {"spell_id": "S457"}
    child["events"][2]["numeric_value"] = 16
    gone = copy.deepcopy(the_spell) | {"spell_id": "S458", "events": []}
    request_body["spells"] = [child, the_spell, gone]
    answer = answer_of(client, request_body)
    assert [one["spell_id"] for one in answer["scores"]] == ["S456"]
    assert [(one["spell_id"], one["reason"]) for one in answer["refused"]] == [
        ("S457", "out_of_scope"),
        ("S458", "not_admitted"),
    ]
