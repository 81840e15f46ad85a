"""What a list would bring before go-live: lists, lead, groups, assumed bed days, power."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from feature_store.errors import BadInput, Refused
from feature_store.manifest import Clock
from homeward import shell
from models.bundle import save_bundle
from training.impact.detect import detectable, history, outcomes_planned
from training.impact.measures import MEASURES
from training.impact.plan import Assumptions, Wishes, plan_golive
from training.impact.plan_page import plan_page, summary
from training.impact.stays import Level, read_stays


@pytest.fixture(scope="session")
def planned(trained):
    _, dataset, made = trained
    return plan_golive(made.bundle, dataset, Wishes(capacity=2), report=lambda _line: None)


def test_larger_lists_bring_more_names_and_reach_more(planned):
    for horizon in planned["reach"]["horizons"].values():
        rows = horizon["lists"]
        assert [row["capacity"] for row in rows] == [1, 2, 4]
        for few, many in pairwise(rows):
            assert few["listed_a_site_and_day"] <= many["listed_a_site_and_day"]
            assert few["reached"]["value"] <= many["reached"]["value"]
        for row in rows:
            assert row["new_a_site_and_day"] <= row["listed_a_site_and_day"] <= row["capacity"]


def test_expected_bed_days_are_the_ends_of_every_range_multiplied(planned):
    told, expected = Assumptions(), planned["expected"]
    low, high = expected["reached_a_year"]
    assert expected["bed_days_a_year"][0] == 0
    most = high * told.acted_on[1] * told.nights_saved[1]
    assert expected["bed_days_a_year"][1] == pytest.approx(most, rel=0.02)
    assert low <= high <= expected["long_stays_a_year"]
    pounds = expected["bed_days_a_year"][1] * told.money.high
    assert expected["pounds_a_year"][1] == pytest.approx(pounds, rel=0.01)


def test_groups_with_few_long_stays_are_named_and_not_judged(planned):
    seen = set()
    for horizon in planned["reach"]["horizons"].values():
        for rows in horizon["groups"].values():
            for row in rows:
                seen.add(row["too_few"])
                assert ("reached" in row) != row["too_few"]
                assert row["long_stays"] is None or row["long_stays"] % 5 == 0
    assert True in seen


def test_a_group_that_is_missed_more_is_said_at_the_top(planned):
    named = json.loads(json.dumps(planned))
    groups = named["reach"]["horizons"]["7"]["groups"]
    groups["sex"] = [
        {"group": "female", "too_few": False, "missed_more": True, "reached": _figure(0.2)}
    ]
    assert any("missed more often" in line and "female" in line for line in summary(named))
    assert "female" in plan_page(named)


def _figure(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_the_page_is_self_contained_and_says_what_is_assumed(planned):
    page = plan_page(planned)
    assert "<script" not in page
    assert "http" not in page
    assert "ASSUMED" in page
    assert "SYNTHETIC" in page


def test_two_sites_have_too_few_orders_to_show_anything(planned):
    assert planned["power"]
    assert all(row["smallest"] is None for row in planned["power"])
    assert all("too few units" in row["why"] for row in planned["power"])
    assert any("no roll-out" in line for line in summary(planned))


def test_more_units_over_longer_show_smaller_effects(tmp_path, write_events, make_events):
    sites = tuple("ABCDEFGH")
    events = make_events(9000, days=300, sites=sites)
    stays = read_stays(write_events(tmp_path / "eight", events, days=300), Level.SITE)
    assert [one.name for one in outcomes_planned(stays)] == ["bed_days_7", "bed_days_21"]
    rng = np.random.default_rng(0)
    rows = detectable(stays, Level.SITE, MEASURES["bed_days_7"], rng)
    wedge = {row["weeks"]: row["smallest"] for row in rows if row["design"] == "stepped_wedge"}
    assert 0 < wedge[52] < wedge[26]
    assert history(stays, MEASURES["bed_days_not_residing"]) is None


def test_data_without_times_have_no_mornings(trained, tmp_path, write_events, make_events):
    _, _, made = trained
    dates = write_events(tmp_path / "dates", make_events(seed=5), clock=Clock.DAYS)
    with pytest.raises(Refused, match="data with times"):
        plan_golive(made.bundle, dates, Wishes(), report=lambda _line: None)


@pytest.mark.parametrize(
    "wrong", [{"acted_on": (0.5, 1.5)}, {"acted_on": (0.6, 0.2)}, {"nights_saved": (-1.0, 2.0)}]
)
def test_assumptions_that_mean_nothing_are_bad_input(wrong):
    with pytest.raises(BadInput, match="expected"):
        replace(Assumptions(), **wrong)


def test_the_command_plans_from_a_bundle_folder(trained, tmp_path, capsys, monkeypatch):
    _, dataset, made = trained
    monkeypatch.setenv("HOMEWARD_VAR", str(tmp_path / "var"))
    bundle, out = tmp_path / "bundle", tmp_path / "out"
    save_bundle(made.bundle, bundle)
    words = ["plan", str(dataset.path), "--model", str(bundle), "--capacity", "2"]
    assert shell.run([*words, "--out", str(out)]) == 0
    assert "ASSUMING" in capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == ["plan.html", "plan.json"]
    assert shell.run([*words, "--capacity", "0"]) == 2
