"""Held-out figures: what is counted, what is left out and said so."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from feature_store.clock import local_hour
from feature_store.manifest import Clock
from models.scope import ScopeRules
from training.config import Features, JudgingSettings, SplitSettings
from training.evaluate import evaluate, figures_of
from training.material import choose_features, gather
from training.split import Part, split_spells
from training.survey import survey
from training.use import HeldOut


@pytest.fixture(scope="module")
def judged(trained):
    """The held-out part of the shared run, and its model's prediction."""
    _, dataset, made = trained
    found = survey(dataset, ScopeRules())
    split = split_spells(
        found.spells,
        SplitSettings(),
        clock=dataset.manifest.clock,
        until=found.until,
        site=found.site,
    )
    choose_features(found, split, Features.BOTH)
    material = gather(found, split, made.bundle.model.feature_set)[Part.TEST]
    held_out = HeldOut(
        material, found.told, dataset.manifest.clock, JudgingSettings(replicates=20), seed=1
    )
    return held_out, made.bundle.model.predict(material.matrix, material.days_so_far)


def test_figures_are_those_of_the_run(trained, judged):
    held_out, prediction = judged
    evaluation = evaluate(held_out, prediction, {})
    kept = trained[2].bundle.evaluation
    for days in kept["horizons"]:
        for name, figure in kept["horizons"][days]["metrics"].items():
            assert evaluation["horizons"][days]["metrics"][name]["value"] == pytest.approx(
                figure["value"]
            )


def test_horizon_counts_each_snapshot_before_it_once(judged):
    held_out, prediction = judged
    evaluation = evaluate(held_out, prediction, {})
    material = held_out.material
    before = (material.days_so_far < 7) & (material.outcomes.follow_up_days >= 7)
    horizon = evaluation["horizons"]["7"]
    assert horizon["rows"] == before.sum()
    stay = np.where(
        material.outcomes.censored,
        material.outcomes.follow_up_days,
        material.outcomes.length_of_stay_days,
    )
    reached = stay[before] >= 7
    assert horizon["events"] == reached.sum()
    assert horizon["metrics"]["auroc"]["value"] == pytest.approx(
        roc_auc_score(reached, prediction.at_least(7)[before])
    )


def test_evaluation_is_plain_json(judged):
    evaluation = evaluate(*judged, {})
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation


def test_baselines_are_set_against_the_model_on_the_same_rows(judged):
    held_out, prediction = judged
    itself = {days: prediction.at_least(days) for days in (7, 14, 21)}
    horizon = evaluate(held_out, prediction, {"lr": itself})["horizons"]["7"]
    assert horizon["against"]["lr"]["auroc"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_lists_need_a_calendar(judged):
    held_out, prediction = judged
    order = HeldOut(held_out.material, held_out.told, Clock.ORDER, held_out.settings, 1)
    assert "no dates" in evaluate(order, prediction, {})["lists"]["left_out"]


def test_lists_at_full_capacity_find_everybody(judged):
    held_out, prediction = judged
    roomy = HeldOut(
        held_out.material,
        held_out.told,
        held_out.clock,
        JudgingSettings(replicates=20, capacity=10_000),
        1,
    )
    figures = evaluate(roomy, prediction, {})["lists"]["horizons"]["7"]
    assert figures["recall_at_capacity"]["value"] == 1.0


def test_figures_leave_out_what_is_not_known(judged):
    evaluation = evaluate(*judged, {})
    unknown = {"value": None, "low": None, "high": None}
    evaluation["horizons"]["7"]["metrics"]["auroc"] = unknown
    figures = figures_of(evaluation)
    assert not any(name.startswith("auroc_7") for name in figures)
    assert all(np.isfinite(value) for value in figures.values())


def test_who_leaves_soon_is_judged_in_the_mornings(judged):
    held_out, prediction = judged
    told = evaluate(held_out, prediction, {})["leaving"]
    material = held_out.material
    stay, days = material.outcomes.length_of_stay_days, material.days_so_far
    morning = local_hour(material.snapshots.prediction_time) == 6
    known = morning & (material.outcomes.follow_up_days >= days + 2)
    left = (stay >= 0) & (stay < days + 2)
    chance = prediction.leaving_within(2)
    asked = known & ~np.isnan(chance)
    within = told["within"]["48h"]
    assert within["rows"] == asked.sum()
    assert within["metrics"]["auroc"]["value"] == pytest.approx(
        roc_auc_score(left[asked], chance[asked])
    )
    for side in ("chance", "share"):
        parts = [one[side] for one in told["buckets"]]
        assert min(parts) >= 0
        assert sum(parts) == pytest.approx(1.0)


def test_without_times_of_day_nobody_is_asked_in_the_morning(judged):
    from dataclasses import replace

    held_out, prediction = judged
    told = evaluate(replace(held_out, clock=Clock.DAYS), prediction, {})["leaving"]
    assert "no times of day" in told["left_out"]
