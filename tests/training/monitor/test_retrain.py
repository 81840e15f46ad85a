"""A challenger only where the monitor asks for one."""

import json

import pytest

from homeward.shell import run


def monitored(folder, state):
    path = folder / "monitor.json"
    path.write_text(json.dumps({"findings": [{"about": "feed", "state": state, "text": "why"}]}))
    return path


def test_no_challenger_while_no_limit_is_broken(tmp_path, capsys):
    found = monitored(tmp_path, "watch")
    options = ["--if-needed", "--monitor", str(found), "--json"]
    assert run(["retrain", str(tmp_path / "nothing"), *options]) == 0
    assert json.loads(capsys.readouterr().out) == {"trained": False, "reasons": []}


@pytest.mark.parametrize("content", [None, "not json", "{}", '{"findings": 3}'])
def test_a_monitor_that_cannot_be_read_is_not_taken_for_a_quiet_one(tmp_path, capsys, content):
    path = tmp_path / "monitor.json"
    if content is not None:
        path.write_text(content)
    assert run(["retrain", str(tmp_path), "--if-needed", "--monitor", str(path)]) == 2
    assert "run homeward monitor first" in capsys.readouterr().err


def test_a_broken_limit_trains_a_challenger_and_promotes_nothing(
    home, capsys, write_events, make_events
):
    data = write_events(home / "trust", make_events(900, seed=6)).path
    found = monitored(home, "breach")
    config = ["--config", str(home / "quick.toml")]
    options = ["--if-needed", "--monitor", str(found), "--json"]
    assert run(["retrain", str(data), *config, *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["reasons"] == ["why"]
    from training.tracking import CHALLENGER, CHAMPION, Tracker

    tracker = Tracker.open(home / "var/mlruns")
    assert tracker.version_of(CHALLENGER) == told["version"]
    assert tracker.version_of(CHAMPION) is None
