"""The stay model: chances that hold together, and reasons that are exact."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.errors import BadInput
from models.calibration import expit


def by_lightgbm(trees, columns, ahead):
    """Return margins by LightGBM itself, shape (n, n_ahead)."""
    booster = lightgbm.Booster(model_str=trees.text)
    rows = columns.copy()
    margins = []
    for start, width in ahead:
        rows[:, -2], rows[:, -1] = start, width
        margins.append(booster.predict(rows, raw_score=True, num_threads=1))
    return np.column_stack(margins)


def columns_of(model, matrix):
    """Return the columns of the trees as they were fitted: 32 bits, then the interval."""
    encoded = model.encoding.apply(matrix).astype(np.float32)
    return np.column_stack([encoded, np.zeros((len(matrix), 2))]).astype(np.float64)


def with_days(site, days, most=40):
    """Return some of the questions asked on one day of stay."""
    return site.take(np.flatnonzero(site.days == days)[:most])


DAYS = pytest.mark.parametrize("days", [0, 1, 3, 7, 8, 13, 21, 25])


@DAYS
def test_raw_chances_are_the_product_of_lightgbm_s_own_hazards(model, site, days):
    asked = with_days(site, days)
    ahead = model.grid.ahead(days)
    hazards = expit(by_lightgbm(model.exit_trees, columns_of(model, asked.matrix), ahead))
    staying = np.cumprod(1 - hazards, axis=1)
    raw = model.predict_raw(asked.matrix, asked.days)
    for column, end in enumerate(ahead.sum(axis=1)):
        np.testing.assert_allclose(raw.at_least(int(end)), staying[:, column], rtol=1e-12)


@DAYS
def test_the_chance_of_death_is_what_the_intervals_add_up_to(model, site, days):
    asked = with_days(site, days)
    ahead, columns = model.grid.ahead(days), columns_of(model, asked.matrix)
    hazards = expit(by_lightgbm(model.exit_trees, columns, ahead))
    dies = expit(by_lightgbm(model.death_trees, columns, ahead))
    here = np.column_stack([np.ones(len(hazards)), np.cumprod(1 - hazards, axis=1)[:, :-1]])
    raw = model.predict_raw(asked.matrix, asked.days)
    np.testing.assert_allclose(raw.died, (here * hazards * dies).sum(axis=1), rtol=1e-12)


@DAYS
def test_effects_are_lightgbm_s_contributions_averaged_over_the_nights_ahead(model, site, days):
    asked = with_days(site, days, 8)
    booster = lightgbm.Booster(model_str=model.exit_trees.text)
    rows, total, nights = columns_of(model, asked.matrix), 0.0, 0.0
    until = model.grid.next_horizon(days)
    for start, width in model.grid.ahead(days):
        if start < until:
            rows[:, -2], rows[:, -1] = start, width
            total = total - width * booster.predict(rows, pred_contrib=True, num_threads=1)
            nights += width
    assert nights == until - days
    expected = total / nights
    told = model.explain(asked.matrix, asked.days)
    effects = expected[:, : len(model.feature_set)].copy()
    for position, ratio in enumerate(model.encoding.ratios):
        effects[:, ratio.feature] += expected[:, len(model.feature_set) + position]
    np.testing.assert_allclose(told.effects, effects, atol=1e-9)
    np.testing.assert_allclose(told.base_value, expected[:, -3:].sum(axis=1), atol=1e-9)


@DAYS
def test_effects_and_base_value_sum_to_the_model_s_own_log_odds(model, site, days):
    asked = with_days(site, days)
    ahead = model.grid.ahead(days)
    margins = by_lightgbm(model.exit_trees, columns_of(model, asked.matrix), ahead)
    nights = np.where(ahead[:, 0] < model.grid.next_horizon(days), ahead[:, 1], 0.0)
    told = model.explain(asked.matrix, asked.days)
    np.testing.assert_allclose(told.base_value + told.effects.sum(axis=1), told.log_odds, atol=1e-9)
    np.testing.assert_allclose(
        told.log_odds, -(margins * nights).sum(axis=1) / nights.sum(), atol=1e-9
    )


def test_longer_log_odds_go_with_longer_stays(model, site):
    asked = with_days(site, 0, 400)
    order = np.argsort(model.explain(asked.matrix, asked.days).log_odds)
    chance = model.predict(asked.matrix, asked.days).at_least(7)
    assert chance[order[:50]].mean() < chance[order[-50:]].mean() - 0.2


def test_chances_are_coherent_on_every_day(model, site):
    prediction = model.predict(site.matrix, site.days)
    chances = np.array([prediction.at_least(day) for day in range(model.grid.last + 1)])
    assert np.isfinite(chances).all()
    assert (np.diff(chances, axis=0) <= 0).all()
    for day in (0, 1, 6, 7, 8, 21):
        assert (chances[: day + 1, site.days == day] == 1.0).all()


def test_after_calibration_predicted_is_observed_with_slope_one(model, unseen):
    for horizon in model.grid.horizons:
        reached = unseen.outcomes.long_stay(horizon)
        known = ~np.isnan(reached) & (unseen.days < horizon)
        chance = model.predict(unseen.matrix, unseen.days).at_least(horizon)
        assert chance[known].mean() == pytest.approx(reached[known].mean(), abs=0.01)


@given(st.data())
def test_a_row_does_not_depend_on_its_company(model, site, data):
    rows = np.array(
        data.draw(st.lists(st.integers(0, len(site.days) - 1), min_size=1, max_size=30))
    )
    some = site.take(rows)
    together, told = model.predict(some.matrix, some.days), model.explain(some.matrix, some.days)
    one = data.draw(st.integers(0, len(rows) - 1))
    alone = some.take(np.array([one]))
    single, said = model.predict(alone.matrix, alone.days), model.explain(alone.matrix, alone.days)
    for day in (7, 9, 14, 21):
        assert together.at_least(day)[one] == single.at_least(day)[0]
    assert together.died[one] == single.died[0]
    np.testing.assert_array_equal(told.effects[one], said.effects[0])


def test_beyond_the_grid_the_model_says_nothing_new(model, site):
    asked = with_days(site, 20, 5)
    late = np.full(len(asked.days), model.grid.last + 3)
    prediction = model.predict(asked.matrix, late)
    assert (prediction.at_least(21) == 1.0).all()
    assert np.isnan(prediction.at_least(model.grid.last + 4)).all()
    assert np.isnan(prediction.died).all()
    assert np.isnan(prediction.quantile(0.5)).all()
    assert (model.explain(asked.matrix, late).effects == 0.0).all()


def test_a_request_rounds_as_the_training_columns_did(model, site):
    """Values a hair above a threshold, which 32 bits put on its other side."""
    forest = model.exit_trees.forest
    numeric = np.flatnonzero((forest.decision & 1 == 0) & (forest.feature < len(model.feature_set)))
    matrix = np.repeat(with_days(site, 2, 1).matrix, numeric.size, axis=0)
    hair = np.nextafter(forest.threshold[numeric], np.inf)
    matrix[np.arange(numeric.size), forest.feature[numeric]] = hair
    rounded = matrix.astype(np.float32).astype(np.float64)
    days = np.full(numeric.size, 2)
    assert (rounded != matrix).any()
    np.testing.assert_array_equal(
        model.predict(matrix, days).staying, model.predict(rounded, days).staying
    )


def test_missing_everything_is_still_an_answer(model):
    nothing = np.full((2, len(model.feature_set)), np.nan)
    prediction = model.predict(nothing, np.array([0, 5]))
    assert ((prediction.at_least(7) > 0) & (prediction.at_least(7) < 1)).all()


def test_nobody_is_no_answer(model):
    none = np.zeros((0, len(model.feature_set)))
    assert model.predict(none, np.zeros(0, np.int64)).at_least(7).shape == (0,)
    assert model.explain(none, np.zeros(0, np.int64)).effects.shape == none.shape


@pytest.mark.parametrize(("rows", "columns"), [(2, -1), (2, 1), (3, 0)])
def test_another_shape_is_refused(model, rows, columns):
    matrix = np.zeros((rows, len(model.feature_set) + columns))
    with pytest.raises(BadInput, match="shape"):
        model.predict(matrix, np.zeros(2, np.int64))
    with pytest.raises(BadInput, match="shape"):
        model.explain(matrix, np.zeros(2, np.int64))
