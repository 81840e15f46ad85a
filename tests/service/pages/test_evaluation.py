"""The evaluator's page: two models on the same patients, and what the monitor found."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.pages.agreement import agreements, shared_of_lists
from service.pages.evaluation import monitored, read_monitor

HERE = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50000)}
NOW = datetime(2026, 7, 14, 5, tzinfo=UTC)


def columns(spells, chances, *, moment=1, refused=(), version="3", site="RXX01"):
    """Columns of the record, one score a spell at one moment."""
    size = len(spells)
    nothing = np.array([one if one in refused else None for one in spells], object)
    chance = np.array(chances, float)
    return {
        "spell": np.array(spells, np.int64),
        "site": np.array([site] * size, object),
        "prediction_time": np.full(size, moment, np.int64),
        "model_version": np.array([version] * size, object),
        "refused": nothing,
        **{f"probability_{days}": chance for days in (7, 14, 21)},
    }


def test_agreement_is_that_of_the_pairs_alone():
    ours = columns([1, 2, 3, 4], [0.2, 0.6, 0.4, 0.9])
    theirs = columns([4, 2, 9, 1], [0.7, 0.65, 0.1, 0.25], version="4")
    week = agreements(ours, theirs)[0]
    apart = np.array([0.05, 0.05, -0.2])
    assert (week.scores, week.patients) == (3, 3)
    assert week.champion == pytest.approx(np.mean([0.2, 0.6, 0.9]))
    assert week.challenger - week.champion == pytest.approx(apart.mean())
    assert week.high - week.low == pytest.approx(2 * 1.96 * apart.std(ddof=1))
    assert (week.close, week.same_side) == (pytest.approx(2 / 3), 1.0)


def test_other_moments_refusals_and_passed_horizons_do_not_count():
    ours = columns([1, 2, 3], [0.2, 0.6, 1.0], refused=[2])
    assert agreements(ours, columns([1, 2, 3], [0.2, 0.6, 0.4], moment=2)) == []
    (week, *_) = agreements(ours, columns([1, 2, 3], [0.3, 0.6, 0.4]))
    assert week.scores == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_same_model_agrees_with_itself(seed):
    chances = np.random.default_rng(seed).uniform(0.01, 0.99, 60)
    ours = columns(range(60), chances)
    assert all((one.low, one.high, one.close) == (0, 0, 1) for one in agreements(ours, ours))
    assert shared_of_lists(ours, ours, 20) == (1.0, 1)
    against = columns(range(60), 1 - chances)
    assert shared_of_lists(ours, against, 20) == (0.0, 1)
    assert shared_of_lists(ours, ours, 60) is None  # everybody is taken up: no list


def test_a_look_of_the_monitor_says_how_old_it_is(desk, tmp_path):
    path = tmp_path / "monitor.json"
    path.write_text(json.dumps(desk.monitor))
    told = read_monitor(path)
    assert not monitored(told, NOW)["is_old"]
    assert monitored(told, NOW + timedelta(days=8))["is_old"]
    assert monitored(told, NOW)["calibration"][0]["alarm"] == "2026-07-01"


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"at": 1}', b"\xff", b"3"])
def test_what_is_no_look_is_none(tmp_path, content):
    path = tmp_path / "monitor.json"
    if content is not None:
        path.write_bytes(content)
    assert read_monitor(path) is None
    assert monitored(None, NOW) is None


def test_the_page_shows_both_models_and_links_to_them(desk, app_of):
    page = TestClient(app_of(desk, mlflow="https://mlflow.example"), **HERE).get("/worklist/model")
    for told in ("Champion", "Challenger", "85%", "12 lists", "As foreseen: 1.02", "news2_latest"):
        assert told in page.text
    for version in ("3", "4"):
        link = f'href="https://mlflow.example/#/models/long-stay/versions/{version}"'
        assert link in page.text


def test_nothing_to_tell_is_said(desk, app_of):
    desk.compared, desk.monitor = None, None
    page = TestClient(app_of(desk), **HERE).get("/worklist/model")
    assert "No challenger has scored" in page.text
    assert "The monitor has not looked yet" in page.text
    assert "mlflow" not in page.text.lower()


def test_names_from_elsewhere_never_become_markup(desk, app_of):
    text = "<script>alert(1)</script>"
    desk.monitor["findings"][0]["text"] = text
    desk.monitor["calibration"][0]["who"] = text
    page = TestClient(app_of(desk), **HERE).get("/worklist/model")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
