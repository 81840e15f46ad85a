"""The record in SQLite: kept before the answer leaves, and never altered."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from feature_store.errors import BadInput
from service.record import AuditUnavailable, SqliteAudit


def rows_of(url):
    with closing(sqlite3.connect(str(url).removeprefix("sqlite:///"))) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM score_audit ORDER BY entry")]


@pytest.fixture
def lite(tmp_path):
    opened = SqliteAudit(tmp_path / "deep" / "audit.db")
    yield opened
    opened.close()


def test_every_score_and_every_refusal_is_on_the_record(
    make_client, fake_model, request_body, the_spell, settings
):
    request_body["spells"].append(the_spell | {"spell_id": "S457", "events": []})
    answer = make_client(fake_model).post(
        "/v1/scores", json=request_body, headers={"X-Request-ID": "req-1"}
    )
    scored, refused = rows_of(settings.database)
    assert scored["score_id"] == answer.json()["scores"][0]["score_id"]
    told = answer.json()["scores"][0]["probability"]
    assert {str(days): scored[f"probability_{days}"] for days in (7, 14, 21)} == told
    assert (refused["score_id"], refused["refused"]) == (None, "not_admitted")
    for row in (scored, refused):
        assert (row["caller"], row["request_id"]) == ("anybody", "req-1")
        assert (row["model"], row["model_version"]) == ("long-stay", "7")
        assert row["feature_set_hash"] == "f" * 64
        assert row["latency_us"] > 0
    assert scored["spell"] != refused["spell"]
    assert scored["subject"] == refused["subject"]
    assert "S456" not in str([scored, refused])


def test_the_same_inputs_have_the_same_hash_and_others_another(
    make_client, fake_model, request_body, the_spell, settings
):
    client = make_client(fake_model)
    client.post("/v1/scores", json=request_body)
    client.post(
        "/v1/scores",
        content=json.dumps(request_body, indent=3),
        headers={"Content-Type": "application/json"},
    )
    the_spell["events"][4]["numeric_value"] = 7
    client.post("/v1/scores", json=request_body)
    first, again, other = (row["inputs_hash"] for row in rows_of(settings.database))
    assert first == again != other


def test_what_was_written_is_forced_to_disk_soon(lite, a_row, monkeypatch):
    monkeypatch.setattr("service.record.sqlite.FORCE_TO_DISK_SECONDS", 0.01)
    forced = []
    monkeypatch.setattr(lite, "_force", lambda: forced.append(True))

    async def story():
        looking = asyncio.create_task(lite.run())
        await asyncio.sleep(0.05)
        assert forced == []
        await lite.append([a_row()])
        await asyncio.sleep(0.1)
        looking.cancel()

    asyncio.run(story())
    assert forced == [True]


def test_forcing_leaves_the_rows_in_the_main_file(lite, a_row, tmp_path):
    row, main = a_row(), tmp_path / "deep" / "audit.db"
    asyncio.run(lite.append([row]))
    assert row.score_id.encode() not in main.read_bytes()
    lite._force()
    assert row.score_id.encode() in main.read_bytes()


def test_a_file_that_is_no_database_stops_the_start(tmp_path):
    path = tmp_path / "audit.db"
    path.write_text("not a database, and long enough to be one" * 100)
    with pytest.raises(BadInput, match=r"audit\.db: the record cannot be opened"):
        SqliteAudit(path)
    with pytest.raises(BadInput):
        SqliteAudit(path / "below")


class Failing:
    """An audit whose disk is full."""

    def __init__(self):
        self.works = False

    async def append(self, _rows):
        if not self.works:
            raise AuditUnavailable("OperationalError")

    async def run(self):
        await asyncio.Event().wait()

    def close(self):
        pass


def test_without_a_record_there_is_no_answer_and_it_recovers_by_itself(
    make_client, fake_model, request_body
):
    audit = Failing()
    client = make_client(fake_model, audit)
    answer = client.post("/v1/scores", json=request_body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "0.75" not in answer.text
    assert "homeward_audit_failures_total 1.0" in client.get("/metrics").text
    audit.works = True
    assert client.post("/v1/scores", json=request_body).status_code == 200


def test_the_settings_may_allow_unaudited_answers(make_client, fake_model, request_body):
    client = make_client(fake_model, Failing(), unaudited_answers=True)
    assert client.post("/v1/scores", json=request_body).status_code == 200
