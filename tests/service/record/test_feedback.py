"""What is said of a score is kept beside it, once, and only in codes."""

from contextlib import closing

import pytest
from sqlalchemy import select

from service.record.feedback import MEANINGS, Action, Override, Verdict
from service.record.schema import FEEDBACK
from service.record.verification import verify
from service.record.writing import open_database

OVERRIDDEN = {
    "verdict": "overridden",
    "reason": "discharge_already_planned",
    "action": "transport_booked",
    "expected_discharge_at": "2026-01-16T15:00:00+01:00",
}


@pytest.fixture
def scored(make_client, fake_model, request_body):
    """A client, and the identifier of a score that it was given."""
    client = make_client(fake_model)
    answer = client.post("/v1/scores", json=request_body).json()
    return client, answer["scores"][0]["score_id"]


def rows_of(settings):
    engine = open_database(settings.database)
    with engine.connect() as connection:
        rows = connection.execute(select(FEEDBACK)).all()
    engine.dispose()
    return rows


def test_it_is_kept_beside_the_score_and_chained(scored, settings):
    client, score_id = scored
    answer = client.post(f"/v1/scores/{score_id}/feedback", json=OVERRIDDEN)
    assert answer.status_code == 200
    told = answer.json()
    assert told["score_id"] == score_id
    assert told["expected_discharge_at"] == "2026-01-16T14:00:00Z"
    assert {name: told[name] for name in ("verdict", "reason", "action")} == {
        name: OVERRIDDEN[name] for name in ("verdict", "reason", "action")
    }
    (row,) = rows_of(settings)
    assert (row.score_id, row.caller, row.verdict) == (score_id, "anybody", "overridden")
    engine = open_database(settings.database)
    proof = verify(engine)
    engine.dispose()
    assert (proof.faults, proof.rows) == ([], 2)


def test_the_same_said_again_adds_nothing_and_other_content_does(scored, settings):
    client, score_id = scored
    address = f"/v1/scores/{score_id}/feedback"
    first = client.post(address, json={"verdict": "seen"})
    again = client.post(address, json={"verdict": "seen", "reason": None})
    other = client.post(address, json={"verdict": "agreed"})
    assert first.json() == again.json() != other.json()
    assert [row.verdict for row in rows_of(settings)] == ["seen", "agreed"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"verdict": "overridden"}, "#/reason"),
        ({"verdict": "agreed", "reason": "data_wrong"}, "#/reason"),
        ({"verdict": "great"}, "#/verdict"),
        ({"verdict": "overridden", "reason": "Mrs Smith goes home"}, "#/reason"),
        ({"verdict": "seen", "note": "Smith"}, "#"),
        ({"verdict": "seen", "expected_discharge_at": "2026-01-16T15:00:00"}, "#/expected_d"),
        ({"verdict": "seen", "expected_discharge_at": "0001-01-16T15:00:00Z"}, "#/expected_d"),
        ({"verdict": "seen", "expected_discharge_at": 0}, "#/expected_d"),
        ({}, "#"),
    ],
)
def test_only_codes_are_taken_and_nothing_is_repeated(scored, settings, body, pointer):
    client, score_id = scored
    answer = client.post(f"/v1/scores/{score_id}/feedback", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)
    assert "Smith" not in answer.text
    assert rows_of(settings) == []


def test_a_score_that_is_not_known_is_not_found(scored):
    client, _ = scored
    answer = client.post("/v1/scores/019bb9f6/feedback", json={"verdict": "seen"})
    assert answer.status_code == 404
    assert "019bb9f6" not in answer.text


def test_every_code_has_a_meaning():
    assert set(MEANINGS) == {*Verdict, *Override, *Action}


def test_a_shadow_score_was_never_given_to_anybody(make_client, fake_model, settings, a_row, wait):
    from service.record import open_audit

    client = make_client(fake_model)
    with closing(open_audit(settings.database)) as audit:
        wait(audit.append([a_row(1, mode="shadow")]))
    answer = client.post("/v1/scores/score-1/feedback", json={"verdict": "seen"})
    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 65, "%F0%9F%98%80"])
def test_what_can_be_no_score_is_not_found_whatever_the_database(
    make_client, fake_model, database_url, name
):
    client = make_client(fake_model, database_url=database_url)
    for answer in (
        client.post(f"/v1/scores/{name}/feedback", json={"verdict": "seen"}),
        client.get(f"/fhir/RiskAssessment/{name}"),
        client.get(f"/worklist/score/{name}"),
    ):
        assert answer.status_code == 404
