"""Golden rows: nobody's, reproducible, and they notice a change."""

from dataclasses import replace

import numpy as np
import pytest

from feature_store.definitions import Read
from models.golden import ROWS, TOLERANCE, golden_gap, make_golden


def test_scores_reproduce_exactly_after_saving(trained, tmp_path):
    from models.bundle import load_bundle, save_bundle

    bundle = trained[2].bundle
    save_bundle(bundle, tmp_path / "bundle")
    again = load_bundle(tmp_path / "bundle")
    assert golden_gap(again.model, again.evaluation["golden"]) == 0.0


def test_a_changed_model_is_noticed(trained):
    bundle = trained[2].bundle
    calibration = bundle.model.calibration
    step = replace(calibration.first[7], intercept=calibration.first[7].intercept + 1e-3)
    other = replace(
        bundle.model, calibration=replace(calibration, first={**calibration.first, 7: step})
    )
    assert golden_gap(other, bundle.evaluation["golden"]) > TOLERANCE


def test_scores_of_another_model_do_not_fit(trained):
    golden = trained[2].bundle.evaluation["golden"]
    fewer = {**golden, "scores": {"p_7": golden["scores"]["p_7"]}}
    assert golden_gap(trained[2].bundle.model, fewer) == float("inf")


def test_no_row_is_a_patients(trained):
    model = trained[2].bundle.model
    matrix = np.random.default_rng(1).normal(size=(500, len(model.feature_set)))
    golden = make_golden(model, matrix, seed=4)
    rows = np.array(golden["rows"], dtype=float)
    assert rows.shape == (ROWS, len(model.feature_set))
    shared = [np.isin(rows[:, column], matrix[:, column]).any() for column in range(rows.shape[1])]
    assert not any(shared)


def test_seed_decides_the_rows(trained):
    model = trained[2].bundle.model
    matrix = np.random.default_rng(1).normal(size=(50, len(model.feature_set)))
    assert make_golden(model, matrix, seed=4) == make_golden(model, matrix, seed=4)
    assert make_golden(model, matrix, seed=4) != make_golden(model, matrix, seed=5)


def test_feature_never_seen_stays_missing(trained):
    model = trained[2].bundle.model
    matrix = np.full((50, len(model.feature_set)), np.nan)
    rows = np.array(make_golden(model, matrix, seed=1)["rows"], dtype=float)
    features = model.feature_set.features
    clock = [at for at, one in enumerate(features) if one.read is Read.DAYS_SO_FAR]
    numbers = [at for at, one in enumerate(features) if not one.categorical and at not in clock]
    assert np.isnan(rows[:, numbers]).all()
    drawn = np.delete(rows, [*numbers, *clock], axis=1)
    assert pytest.approx(0.2, abs=0.2) == np.isnan(drawn).mean()


def test_a_row_is_of_one_day(trained):
    golden = trained[2].bundle.evaluation["golden"]
    names = trained[2].bundle.model.feature_set.names
    day = [row[names.index("days_so_far")] for row in golden["rows"]]
    assert day == golden["days_so_far"]
