"""A trust through ADT, hubs that poll, two new champions: no error, and every score proved."""

import json
import subprocess
import sys

import pytest

from benchmarks.load_test import Pace, run
from benchmarks.stand_in import CHAMPIONS
from feature_store.simulation import TrustSettings, simulate


@pytest.fixture
def proved(tmp_path, database_url):
    """A day of a small trust in seconds, with two workers; what came of it."""
    return run(tmp_path, database_url, Pace(days=1, speed=9000), spells=250, workers=2)


def test_a_day_through_adt_is_answered_without_an_error_and_every_score_is_proved(proved):
    assert proved["faults"] == []
    assert set(proved["requests"]) == {
        f"{path} 200" for path in ("/v1/adt", "/v1/events", "/v1/worklist", "/v1/scores")
    }
    assert set(proved["scores by model"]) == set(CHAMPIONS)
    assert sum(proved["scores by model"].values()) == proved["scores"] > 100
    assert proved["of the last worklist computed from the data"] > 5


def replayed(address, data):
    """Run the command; its exit code and what it said."""
    words = ["replay", str(data), "--through", "adt", "--days", "1", "--speed", "40000", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "homeward", *words, "--url", address],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_tells_a_service_that_takes_training_messages_and_no_other(start, tmp_path):
    simulate(TrustSettings(spells=60, days=40, seed=5), tmp_path / "trust")
    strict = start(HOMEWARD_CLOCK="data").ready()
    code, _, said = replayed(strict.address, tmp_path / "trust")
    assert code == 1
    assert "acknowledged AR" in said
    assert "HOMEWARD_ADT_TEST=yes" in said
    strict.end()
    willing = start(
        folder=tmp_path / "willing", HOMEWARD_CLOCK="data", HOMEWARD_ADT_TEST="yes"
    ).ready()
    code, told, said = replayed(willing.address, tmp_path / "trust")
    assert code == 0, said
    document = json.loads(told)
    assert document["messages"] > 5
    assert document["facts"] > document["messages"]
    names = {entry["spell_id"] for entry in willing.get("/v1/worklist").json()["entries"]}
    assert names
    assert all(name.startswith("SIM|S") for name in names)
