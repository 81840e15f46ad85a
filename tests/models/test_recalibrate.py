"""Learning a calibration: true on what it learnt from, and found where the truth is known."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize

from feature_store.outcome import Outcomes
from models.calibration import expit, logit
from models.grid import Grid
from models.recalibrate import LEAST_EVENTS, learn_calibration
from models.survival import Prediction

GRID = Grid((0, 1, 2, 3, 4, 5, 7, 10, 14, 21, 28), (7, 14, 21))
BOUNDARIES = len(GRID.boundaries)
LONG_AGO = 400


def world(seed, size=12_000, *, days=None):
    """Return daily hazards by patient, the stays they gave, and days so far at the question."""
    rng = np.random.default_rng(seed)
    level = rng.normal(-2.3, 0.7, size)
    days = np.zeros(size, np.int64) if days is None else rng.choice(days, size)
    hazards = expit(level[:, None] - 0.02 * np.arange(60))
    leaves = rng.random((size, 60)) < hazards
    leaves[:, -1] = True
    leaves[np.arange(60) < days[:, None]] = False
    stay = leaves.argmax(axis=1)
    return hazards, stay, days


def prediction_from(hazards, days):
    """Return the chances at the boundaries for daily hazards, conditional on the days so far."""
    ahead = np.where(np.arange(hazards.shape[1]) < days[:, None], 0.0, hazards)
    daily = np.column_stack([np.ones(days.size), np.cumprod(1 - ahead, axis=1)])
    return Prediction(GRID, days, daily[:, list(GRID.boundaries)], np.full(days.size, np.nan))


def outcomes_for(stay, follow_up=LONG_AGO):
    follow_up = np.broadcast_to(follow_up, stay.shape)
    return Outcomes(np.where(stay <= follow_up, stay, -1), np.zeros(stay.size, bool), follow_up)


def slope_and_intercept(chance, reached):
    """Return Cox's recalibration: the slope, and the intercept with the slope held at 1."""
    link = logit(chance)
    family = sm.families.Binomial()
    slope = sm.GLM(reached, sm.add_constant(link), family=family).fit().params[1]
    intercept = sm.GLM(reached, np.ones(link.size), family=family, offset=link).fit().params[0]
    return slope, intercept


@pytest.mark.parametrize("distort", [(0.35, 1.0), (-0.4, 1.0), (-0.5, 0.6), (0.9, 1.5)])
@pytest.mark.parametrize(
    "days", [(0,), (0, 1, 2, 5, 6, 7, 9, 13, 14, 16, 20)], ids=["door", "every day"]
)
def test_miscalibrated_hazards_are_put_right_at_every_horizon(distort, days):
    hazards, stay, asked = world(1, days=days)
    wrong = prediction_from(expit(distort[0] + distort[1] * logit(hazards)), asked)
    calibrated = learn_calibration(wrong, outcomes_for(stay)).apply(wrong)
    for horizon in GRID.horizons:
        ahead = asked < horizon
        chance, reached = (
            calibrated.at_least(horizon)[ahead],
            (stay >= horizon)[ahead].astype(float),
        )
        assert chance.mean() == pytest.approx(reached.mean(), abs=0.004)
        slope, intercept = slope_and_intercept(chance, reached)
        assert slope == pytest.approx(1.0, abs=0.03)
        assert intercept == pytest.approx(0.0, abs=0.03)
        raw = slope_and_intercept(wrong.at_least(horizon)[ahead], reached)
        assert max(abs(raw[0] - 1), abs(raw[1])) > 0.1  # it was wrong before


def test_what_is_right_is_left_nearly_alone():
    hazards, stay, asked = world(2, 20_000)
    right = prediction_from(hazards, asked)
    calibrated = learn_calibration(right, outcomes_for(stay)).apply(right)
    for day in range(28):
        assert np.abs(calibrated.at_least(day) - right.at_least(day)).mean() < 0.015


def test_each_step_finds_the_distortion_that_was_put_in():
    """Chances to pass each segment, distorted by known steps: their inverses are learnt."""
    hazards, stay, asked = world(3, 60_000)
    true = prediction_from(hazards, asked)
    staying = true.staying.copy()
    before = 0
    known = {7: (0.5, 1.3), 14: (-0.6, 0.8), 21: (0.4, 1.2)}
    for horizon, (intercept, slope) in known.items():
        at, begin = GRID.boundaries.index(horizon), GRID.boundaries.index(before)
        passes = true.staying[:, at] / true.staying[:, begin]
        staying[:, at] = staying[:, begin] * expit((logit(passes) - intercept) / slope)
        before = horizon
    learnt = learn_calibration(Prediction(GRID, asked, staying, true.died), outcomes_for(stay))
    steps = {7: learnt.first[7], 14: learnt.onward[14], 21: learnt.onward[21]}
    for horizon, (intercept, slope) in known.items():
        shift = steps[horizon].shifts[0] if steps[horizon].shifts else 0.0
        assert steps[horizon].intercept + shift == pytest.approx(intercept, abs=0.15)
        assert steps[horizon].slope == pytest.approx(slope, abs=0.12)


def penalised_loss(weights, design, arrive, reached, pull, target):
    chance = np.clip(arrive * expit(design @ weights), 1e-12, 1 - 1e-12)
    loss = -np.sum(reached * np.log(chance) + (1 - reached) * np.log1p(-chance))
    return loss + 0.5 * np.sum(pull * (weights - target) ** 2)


def test_the_steps_minimise_the_penalised_log_loss():
    """Against a general-purpose optimiser: the first step, and one that starts at a horizon."""
    hazards, stay, asked = world(4, 3_000)
    wrong = prediction_from(expit(0.4 + 0.8 * logit(hazards)), asked)
    learnt = learn_calibration(wrong, outcomes_for(stay))
    calibrated = learnt.apply(wrong)
    reached = (stay >= 7).astype(float)
    design = np.column_stack([np.ones(stay.size), logit(wrong.at_least(7)), np.ones(stay.size)])
    best = minimize(
        penalised_loss,
        [0.0, 1.0, 0.0],
        (design, 1.0, reached, np.array([1e-6, 1.0, 5.0]), np.array([0.0, 1.0, 0.0])),
        tol=1e-12,
    ).x
    np.testing.assert_allclose(calibrated.at_least(7), expit(design @ best), atol=1e-5)
    reached = (stay >= 14).astype(float)
    design = np.column_stack([np.ones(stay.size), logit(wrong.at_least(14) / wrong.at_least(7))])
    best = minimize(
        penalised_loss,
        [0.0, 1.0],
        (design, calibrated.at_least(7), reached, np.array([1e-6, 1.0]), np.array([0.0, 1.0])),
        tol=1e-12,
    ).x
    step = learnt.onward[14]
    np.testing.assert_allclose([step.intercept, step.slope], best, atol=1e-4)


def test_a_spell_that_could_not_be_watched_so_far_teaches_nothing_about_it():
    hazards, stay, asked = world(5, 6_000)
    wrong = prediction_from(expit(0.4 + logit(hazards)), asked)
    rng = np.random.default_rng(5)
    follow_up = rng.integers(0, 60, stay.size)
    watched = follow_up >= 7
    learnt = learn_calibration(wrong, outcomes_for(stay, follow_up))
    alone = learn_calibration(
        Prediction(GRID, asked[watched], wrong.staying[watched], wrong.died[watched]),
        outcomes_for(stay[watched], follow_up[watched]),
    )
    assert learnt.first[7] == alone.first[7]
    assert learnt.first[7].snapshots == watched.sum()
    assert learnt.prevalence[7] == pytest.approx((stay[watched] >= 7).mean())


def test_a_spell_past_a_horizon_teaches_nothing_about_it():
    hazards, stay, asked = world(10, 4_000, days=(0, 3, 9))
    right = prediction_from(hazards, asked)
    learnt = learn_calibration(right, outcomes_for(stay))
    early = asked < 7
    assert learnt.first[7].snapshots == early.sum()
    assert learnt.prevalence[7] == pytest.approx((stay[early] >= 7).mean())
    assert learnt.first[14].snapshots == (~early).sum()
    assert learnt.onward[14].snapshots == early.sum()


@pytest.mark.parametrize(("events", "touched"), [(LEAST_EVENTS - 1, False), (LEAST_EVENTS, True)])
def test_a_segment_with_too_few_events_is_left_as_it_is(events, touched):
    hazards, _, asked = world(6, 300)
    stay = np.where(np.arange(300) < events, 8, 1)
    learnt = learn_calibration(prediction_from(hazards, asked), outcomes_for(stay))
    assert (learnt.first[7].slope != 1.0) == touched
    assert learnt.first[7].events == events
    assert learnt.first[7].snapshots == 300


def test_nothing_to_learn_from_is_no_calibration_and_can_be_saved():
    hazards, stay, asked = world(7, 50)
    right = prediction_from(hazards, asked)
    learnt = learn_calibration(right, outcomes_for(stay, 0))
    json.dumps(learnt.to_json(), allow_nan=False)
    np.testing.assert_allclose(learnt.apply(right).staying, right.staying, rtol=1e-12)


def test_deaths_are_calibrated_too():
    rng = np.random.default_rng(8)
    chance = rng.beta(1, 12, 20_000)
    died = rng.random(20_000) < expit(0.7 + 0.8 * logit(chance))
    days = np.zeros(20_000, np.int64)
    raw = Prediction(GRID, days, np.ones((20_000, BOUNDARIES)) * 0.9, chance)
    outcomes = Outcomes(np.full(20_000, 3), died, np.full(20_000, LONG_AGO))
    calibrated = learn_calibration(raw, outcomes).apply(raw).died
    assert calibrated.mean() == pytest.approx(died.mean(), abs=1e-3)
    slope, intercept = slope_and_intercept(calibrated, died.astype(float))
    assert slope == pytest.approx(1.0, abs=0.02)
    assert intercept == pytest.approx(0.0, abs=0.02)


def test_a_death_that_could_not_yet_have_been_seen_is_not_a_survival():
    chance, days = np.full(400, 0.2), np.zeros(400, np.int64)
    raw = Prediction(GRID, days, np.full((400, BOUNDARIES), 0.9), chance)
    watched = np.arange(400) < 200
    outcomes = Outcomes(
        np.full(400, 3), (np.arange(400) % 5 == 0) & watched, np.where(watched, GRID.last, 10)
    )
    assert learn_calibration(raw, outcomes).death.snapshots == 200


def test_where_deaths_are_unknown_nothing_is_learnt_about_them():
    hazards, stay, asked = world(9, 500)
    learnt = learn_calibration(prediction_from(hazards, asked), outcomes_for(stay))
    assert learnt.death is None
