"""A challenger scores in the shadow: on the record, told to nobody, in nobody's way."""

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace

import pytest

from service import shadow
from service.app import create_app
from service.wire import ModelName

LONG = 30


@pytest.fixture
def both(make_client, fake_model, bundle_folder):
    """A service of a fake champion with the tiny model as its challenger."""
    return make_client(fake_model, challenger_uri=str(bundle_folder))


def rows(settings, mode):
    with closing(sqlite3.connect(settings.var / "homeward.db")) as database:
        asked = "SELECT model_version, probability_7, request_id FROM score_audit WHERE mode = ?"
        return database.execute(asked, [mode]).fetchall()


def wait_for(condition):
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("not in time")


def test_its_scores_are_on_the_record_and_nowhere_else(both, settings, request_body):
    answer = both.post("/v1/scores", json=request_body, headers={"X-Request-ID": "r-1"})
    assert answer.json()["model"]["version"] == "7"
    assert answer.json()["scores"][0]["probability"]["7"] == 0.75  # the champion's
    wait_for(lambda: rows(settings, "shadow"))
    ((version, probability, request_id),) = rows(settings, "shadow")
    assert (version, request_id) == ("local", "r-1")
    assert probability != 0.75
    assert len(rows(settings, "live")) == 1
    wait_for(lambda: "homeward_shadow_scores_total 1.0" in both.get("/metrics").text)
    (check,) = [c for c in both.get("/health/ready").json()["checks"] if c["name"] == "challenger"]
    assert check["detail"] == "version local in the shadow"


def test_what_was_not_answered_is_not_scored(both, settings):
    both.post("/v1/scores", json={})
    assert rows(settings, "shadow") == []


def slow_challenger(client, gate):
    """Let the challenger wait at a gate."""
    parts = client.app.state.parts
    model = parts.challenger.model

    def score(*arguments, **options):
        gate.wait(LONG)
        return model.score(*arguments, **options)

    parts.challenger.put(replace(model, score=score))


def test_a_slow_challenger_holds_up_no_answer_and_drops_are_counted(both, request_body):
    gate = threading.Event()
    slow_challenger(both, gate)
    for _ in range(shadow.MOST_WAITING + 5):
        assert both.post("/v1/scores", json=request_body).status_code == 200
    numbers = both.get("/metrics").text
    gate.set()
    assert "homeward_shadow_drops_total 4.0" in numbers  # one is being scored
    assert "homeward_shadow_scores_total 0.0" in numbers


def test_a_queue_of_large_requests_is_bounded_in_bytes(both, request_body, monkeypatch):
    monkeypatch.setattr(shadow, "MOST_BYTES", 1)
    both.post("/v1/scores", json=request_body)
    assert "homeward_shadow_drops_total 1.0" in both.get("/metrics").text


def test_a_challenger_that_fails_is_counted_and_nobody_notices(both, request_body):
    parts = both.app.state.parts

    def fail(*_arguments, **_options):
        raise ValueError

    parts.challenger.put(replace(parts.challenger.model, score=fail))
    assert both.post("/v1/scores", json=request_body).status_code == 200
    wait_for(lambda: "homeward_shadow_failures_total 1.0" in both.get("/metrics").text)
    assert both.post("/v1/scores", json=request_body).status_code == 200


def test_the_champion_itself_is_not_scored_twice(both, request_body, settings):
    parts = both.app.state.parts
    same = replace(parts.challenger.model, name=ModelName("long-stay", "7", "challenger"))
    parts.challenger.put(same)
    both.post("/v1/scores", json=request_body)
    assert rows(settings, "shadow") == []
    assert "homeward_shadow_drops_total 0.0" in both.get("/metrics").text


def test_a_challenger_that_is_no_bundle_stops_the_start(settings, fake_model, tmp_path):
    with pytest.raises(Exception, match="a model bundle expected"):
        create_app(replace(settings, challenger_uri=str(tmp_path)), model=fake_model)
