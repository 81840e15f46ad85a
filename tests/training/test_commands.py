"""The commands end to end: exit codes, one JSON document, nothing half-written, nothing leaked."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from feature_store.clock import DAY, to_moment
from homeward.shell import run

AT = to_moment(20_250 * DAY).isoformat()


def answer(capsys, *arguments, code=0):
    capsys.readouterr()
    assert run([*arguments, "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if printed.out else printed.err


def test_train_promote_score_evaluate_compare_rollback(home, capsys, write_events, make_events):
    data = str(write_events(home / "trust", make_events(1500, seed=4)).path)
    config = str(home / "quick.toml")
    first = answer(capsys, "train", data, "--config", config)
    assert (first["version"], first["synthetic"]) == ("1", True)
    assert "auroc_7" in first["figures"]
    assert "golden" not in first["evaluation"]

    # So small a trust may or may not pass the gates; a dry run moves nothing either way.
    assert run(["promote", "latest", "--dry-run"]) in {0, 3}
    assert "is champion" not in capsys.readouterr().out
    done = answer(capsys, "promote", "1", "--override-reason", "a test", "--by", "the tests")
    assert done["promoted"] is True

    out = home / "scores.parquet"
    scored = answer(capsys, "score", data, "--at", AT, "--out", str(out))
    assert scored["model"] == {"name": "long-stay", "version": "1"}
    assert pq.read_table(out).num_rows == scored["scored"] + sum(scored["refused"].values())

    judged = answer(capsys, "evaluate", "models:/long-stay@champion", data, "--by-site")
    assert judged["judged"].startswith("the held-out spells")
    assert judged["evaluation"]["horizons"]["7"]["metrics"]["auroc"]["value"] == pytest.approx(
        first["figures"]["auroc_7"]
    )

    compared = answer(capsys, "compare", first["run_id"], judged["run_id"])
    assert compared["horizons"]["7"]["auroc"]["difference"]["value"] == pytest.approx(0.0)
    page = home / "both.html"
    runs = (first["run_id"], judged["run_id"])
    grouped = answer(capsys, "compare", *runs, "--data", data, "--out", str(page))
    assert {row["group"] for row in grouped["groups"]["7"]["sex"]} == {"male", "female"}
    assert "SYNTHETIC" in page.read_text()
    capsys.readouterr()
    assert run(["compare", *runs]) == 0
    assert f"train trust, version 1 ({runs[0]})" in capsys.readouterr().out
    assert "no such run" in answer(capsys, "compare", runs[0], "f" * 32, code=2)

    assert "a previous champion expected" in answer(capsys, "rollback", code=2)


def test_failed_gates_exit_3_and_say_why(home, capsys, monkeypatch, write_events, make_events):
    data = str(write_events(home / "trust", make_events(700, seed=4)).path)
    answer(capsys, "train", data, "--config", str(home / "quick.toml"))
    capsys.readouterr()
    monkeypatch.setattr("training.gates.LEAST_EVENTS", 10**6)
    assert run(["promote", "1"]) == 3
    printed = capsys.readouterr()
    assert "FAIL" in printed.out
    assert "enough events" in printed.err
    assert "nothing moved" in printed.out
    assert "no such registered model" in answer(
        capsys, "score", data, "--at", AT, "--out", str(home / "s.csv"), code=2
    )
    assert not (home / "s.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "{home}/nothing"], "a folder of events expected"),
        (["train", "{home}/trust", "--config", "{home}/no.toml"], "a readable TOML file"),
        (["train", "{home}/trust", "--hold-out-site", "Z"], "its sites are A, B"),
        (["promote", "latest"], "homeward train makes one"),
        (["promote", "1", "--by", "somebody"], "a reason and a name"),
        (["compare", "a", "b"], "no such run"),
        (["evaluate", "models:/long-stay@champion", "{home}/trust"], "no such registered model"),
        (["score", "{home}/trust", "--at", "today", "--out", "x.csv"], "ISO 8601 expected"),
        (["score", "{home}/trust", "--at", "2026-01-01T06:00", "--out", "x.csv"], "an offset"),
    ],
)
def test_bad_usage_exits_2_in_one_line(home, capsys, write_events, make_events, arguments, says):
    write_events(home / "trust", make_events(700))
    capsys.readouterr()
    assert run([argument.format(home=home) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert str(home) not in printed.err


def test_dataset_of_another_schema_version_is_refused(home, capsys, write_events, make_events):
    path = write_events(home / "trust", make_events(700)).path / "manifest.json"
    path.write_text(path.read_text().replace('"schema_version": "1"', '"schema_version": "0"'))
    assert run(["train", str(path.parent)]) == 2
    assert "schema version" in capsys.readouterr().err


def test_empty_dataset_is_refused(home, capsys, write_events, make_events):
    events = make_events(5)
    path = write_events(home / "trust", events.take(events.rows_of("AGE"))).path
    assert run(["train", str(path)]) == 2
    assert "spells in scope expected, found none" in capsys.readouterr().err


def test_no_identifier_or_value_reaches_mlflow(home, capsys, write_events, make_events):
    from feature_store.events import Events, concatenate

    events = make_events(900, seed=6)
    marked = Events(
        subject_id=events.subject_id + 712_345_000_000,
        time=events.time,
        code=events.code,
        numeric_value=events.numeric_value,
        spell_id=events.spell_id + 834_567_000_000,
        recorded_at=events.recorded_at,
        codes=events.codes,
    )
    one = marked.take(events.rows_of("NEWS2")).take(np.arange(1))
    secret = Events.build(
        subject_id=one.subject_id,
        time=one.time,
        code=["LACTATE"],
        numeric_value=[7864320.5],
        spell_id=one.spell_id,
    )
    surname = Events.build(
        subject_id=one.subject_id,
        time=one.time,
        code=["NOTE//Featherstonehaugh"],
        spell_id=one.spell_id,
    )
    data = write_events(home / "trust", concatenate([marked, secret, surname]).in_order()).path
    answer(capsys, "train", str(data), "--config", str(home / "quick.toml"))
    written = [path for path in (home / "var").rglob("*") if path.is_file()]
    assert len(written) > 20
    # Whole numbers: a few digits alone turn up by chance in the keyed hashes of `held_out`.
    canaries = rb"(?<!\d)(712345\d{6}|834567\d{6}|7864320(\.5)?)(?!\d)|Featherstonehaugh"
    assert re.search(canaries, b" %d," % marked.subject_id[0])
    for path in written:
        assert not re.search(canaries, _content(path)), path.name


def _content(path: Path) -> bytes:
    if path.suffix == ".parquet":
        return json.dumps(pq.read_table(path).to_pylist()).encode()
    return b"" if path.suffix == ".png" else path.read_bytes()
