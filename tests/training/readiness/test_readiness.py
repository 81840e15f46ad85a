"""Readiness: what stops, what limits, what is only noted; planted faults are found."""

import json

import numpy as np
import pytest

from feature_store.clock import DAY
from feature_store.events import Events, concatenate
from homeward.shell import run
from training.readiness.enough import spells_needed


def told(capsys, data, out, *options, code=0):
    capsys.readouterr()
    assert run(["readiness", str(data), "--out", str(out), "--json", *options]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def events(make_events):
    return make_events(1200, seed=8)


def test_a_page_and_a_document_with_a_verdict(write_events, events, tmp_path, capsys):
    found = told(capsys, write_events(tmp_path / "sound", events).path, tmp_path / "out")
    assert found["verdict"] in {"ready", "ready with limits", "not yet"}
    assert found["counts"]["spells_in_scope"] > 500
    assert found["leak_suspects"] == []
    page = (tmp_path / "out/readiness.html").read_text()
    assert "SYNTHETIC" in page
    assert "<script" not in page
    for delay in found["delays"]:
        known = [share for name, share in delay.items() if name.startswith("within")]
        assert known == sorted(known)
        assert known[-1] + delay["later"] == pytest.approx(1.0, abs=0.002)
    assert found == json.loads((tmp_path / "out/readiness.json").read_text())


def test_duplicates_and_impossible_times_are_counted(write_events, events, tmp_path, capsys):
    some = np.flatnonzero(events.rows_of("NEWS2"))[:20]
    twice = events.take(some)
    early = events.take(some)
    early = Events(
        subject_id=early.subject_id,
        time=early.time - 10 * DAY,
        code=early.code,
        numeric_value=early.numeric_value,
        spell_id=early.spell_id,
        recorded_at=early.recorded_at,
        codes=early.codes,
    )
    data = write_events(tmp_path / "faulty", concatenate([events, twice, early]).in_order()).path
    faults = told(capsys, data, tmp_path / "out")["faults"]
    assert faults["events said twice"] == 20
    assert faults["facts of a spell a day or more before its admission"] == 20


def test_a_feed_that_ends_is_named(write_events, events, tmp_path, capsys):
    rows = events.rows_of("NEWS2")
    starts = events.time[events.rows_of("SPELL_START")]
    gone = rows & (events.time > np.quantile(starts, 0.5))
    data = write_events(tmp_path / "gone", events.take(np.flatnonzero(~gone))).path
    points = told(capsys, data, tmp_path / "out")["points"]
    assert any("NEWS2: recorded far less often from" in one["text"] for one in points)


def test_far_too_few_spells_are_not_yet(write_events, make_events, tmp_path, capsys):
    data = write_events(tmp_path / "few", make_events(60, seed=2)).path
    found = told(capsys, data, tmp_path / "out")
    assert found["verdict"] == "not yet"
    told_off = run(["readiness", str(data), "--out", str(tmp_path / "out"), "--strict"])
    assert told_off == 3


def test_more_features_and_rarer_outcomes_need_more_spells():
    assert spells_needed(20, 0.2) < spells_needed(40, 0.2) < spells_needed(40, 0.05)
    assert spells_needed(40, 0.0) == 0
    # Of few features the margin of the overall share decides: 1.96^2 p (1 - p) / .05^2.
    assert spells_needed(1, 0.5) == 385
