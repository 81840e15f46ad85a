"""``homeward audit``: prove, replay, export, retain."""

import csv
import json
import time
from contextlib import closing

import pytest

from feature_store.live import open_store
from homeward.shell import run
from service.record import FeedbackRow, open_audit
from service.record.writing import open_database

DAY = 86_400_000_000


@pytest.fixture
def told(monkeypatch, capsys, database_url, tmp_path):
    """Return a function that runs ``homeward audit`` and gives its code and its JSON."""
    monkeypatch.setenv("HOMEWARD_DATABASE_URL", database_url)
    monkeypatch.setenv("HOMEWARD_VAR", str(tmp_path / "var"))

    def running(*arguments):
        code = run(["audit", *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return running


@pytest.fixture
def kept(database_url, a_row, wait):
    """Three scores, of which two are old, and a feedback."""
    now = time.time_ns() // 1000
    rows = [
        a_row(number, answered_at=now - age * DAY) for number, age in ((1, 50), (2, 40), (3, 1))
    ]
    said = FeedbackRow("f", "score-1", now, "hub", "r", "agreed", None, None, None)
    with closing(open_audit(database_url)) as audit:
        wait(audit.append([*rows, said]))


@pytest.mark.usefixtures("kept")
def test_verify_prints_heads_that_find_a_lost_tail_later(told, tmp_path, database_url):
    code, document, _ = told("verify")
    assert (code, document["sound"], document["rows"]) == (0, True, 4)
    heads = tmp_path / "heads.json"
    heads.write_text(json.dumps(document))
    assert told("verify", "--heads", str(heads))[0] == 0
    engine = open_database(database_url)
    with engine.begin() as connection:
        triggers = "DROP TRIGGER score_feedback_undeleted"
        if engine.dialect.name == "postgresql":
            triggers = "DROP TRIGGER score_feedback_kept ON score_feedback"
        connection.exec_driver_sql(triggers)
        connection.exec_driver_sql("DELETE FROM score_feedback")
    engine.dispose()
    assert told("verify")[0] == 0
    code, document, err = told("verify", "--heads", str(heads))
    assert (code, document["sound"]) == (3, False)
    assert "chain 1, row 4: missing" in err


def test_heads_of_another_kind_are_bad_input(told, tmp_path):
    (tmp_path / "heads.json").write_text('{"heads": 5}')
    code, _, err = told("verify", "--heads", str(tmp_path / "heads.json"))
    assert code == 2
    assert "heads.json: the JSON of homeward audit verify expected" in err


@pytest.mark.usefixtures("kept")
def test_retention_goes_by_class_and_says_what_would_go(told):
    code, document, _ = told("retain", "--features", "30", "--messages", "30", "--dry-run")
    assert (code, document["deleted"]) == (0, {"features": 2, "messages": 0})
    assert told("verify")[1]["without_details"] == 0
    assert told("retain", "--features", "30")[1]["deleted"] == {"features": 2}
    assert told("retain", "--scores", "45", "--feedback", "9")[1]["deleted"] == {
        "scores": 1,
        "feedback": 0,
    }
    code, document, _ = told("verify")
    assert (code, document["deleted_by_schedule"], document["without_details"]) == (0, 1, 1)
    assert told("retain")[0] == 2


def test_the_text_of_messages_is_a_class_too(told, database_url):
    with closing(open_store(database_url)) as store, store.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO live_messages (id, facility, control_id, received_at, raw)"
            " VALUES (1, 'RXX', '1', 5, 'MSH')"
        )
    assert told("retain", "--messages", "30", "--dry-run")[1]["deleted"] == {"messages": 1}
    assert told("retain", "--messages", "30")[1]["deleted"] == {"messages": 1}
    assert told("retain", "--messages", "30")[1]["deleted"] == {"messages": 0}


@pytest.mark.usefixtures("kept")
def test_export_is_the_same_in_both_forms(told, tmp_path):
    first, second = tmp_path / "scores.csv", tmp_path / "scores.jsonl"
    assert told("export", "--out", str(first))[1]["rows"] == 3
    assert told("export", "--out", str(second))[1]["rows"] == 3
    with first.open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in second.read_text().splitlines()]
    assert [row["score_id"] for row in table] == ["score-1", "score-2", "score-3"]
    assert [list(row) for row in table] == [list(line) for line in lines]
    assert float(table[0]["probability_7"]) == lines[0]["probability_7"] == 0.1 + 0.2
    assert len(lines[0]["row_hash"]) == 64
    assert "features" not in lines[0]
    assert told("export", "--out", str(first), "--kind", "feedback")[1]["rows"] == 1
    assert told("export", "--out", str(first), "--until", "2020-01-01")[1]["rows"] == 0


def test_an_export_that_fails_leaves_nothing(told, tmp_path):
    code, _, err = told("export", "--out", str(tmp_path / "scores.txt"))
    assert (code, "scores.txt: a file .csv or .jsonl expected" in err) == (2, True)
    assert told("export", "--out", str(tmp_path / "x.csv"), "--since", "soon")[0] == 2
    assert not [path for path in tmp_path.iterdir() if path.suffix in {".csv", ".txt"}]


@pytest.fixture
def asked_there(settings, monkeypatch, told):  # noqa: ARG001 - after it, which sets another
    """The commands speak of the service's own database."""
    monkeypatch.setenv("HOMEWARD_DATABASE_URL", settings.database)


@pytest.mark.usefixtures("asked_there")
def test_replay_finds_the_model_or_says_what_is_wrong(told, client, request_body, bundle_folder):
    score = client.post("/v1/scores", json=request_body).json()["scores"][0]
    code, document, _ = told("replay", score["score_id"], "--model", str(bundle_folder))
    assert (code, document["equal"], document["differing"]) == (0, True, [])
    code, _, err = told("replay", "no-such-score", "--model", str(bundle_folder))
    assert (code, "found none" in err, "no-such" in err) == (2, True, False)
