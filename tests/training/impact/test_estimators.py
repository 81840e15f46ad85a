"""Each estimator beside statsmodels, beside brute force, and at its stated rate over many seeds."""

from itertools import permutations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.tsa.statespace.sarimax import SARIMAX

from training.impact.clusters import modelled
from training.impact.interrupted import Shape, design_of, interrupted, less_control
from training.impact.panel import NEVER, Panel, Rollout, naive_change
from training.impact.power import Noise, noise_of, trials
from training.impact.randomisation import Orders, count_orders, orders_of, randomise
from training.impact.series import fit_ar1, fit_at
from training.impact.trends import trends_before
from training.impact.weights import imputation, two_way

WEDGE = Rollout(np.array([8, 8, 16, 16, 24, 24]), 36, 2)
ONE_DATE = Rollout(np.array([20, 20, 20, NEVER, NEVER, NEVER, NEVER]), 40, 0)


def rng_of(seed):
    return np.random.default_rng(seed)


def dummies(rollout):
    unit, time = np.meshgrid(
        np.arange(rollout.start.size), np.arange(rollout.points), indexing="ij"
    )
    units = unit.ravel()[:, None] == np.arange(rollout.start.size)
    points = time.ravel()[:, None] == np.arange(1, rollout.points)
    return np.column_stack([units, points]).astype(float)


@pytest.mark.parametrize("rollout", [WEDGE, ONE_DATE])
def test_two_way_is_least_squares_with_dummies(draw_panel, rollout):
    panel = draw_panel(rng_of(1), rollout, effect=1.0)
    columns = [rollout.exposed.ravel(), *([rollout.changing.ravel()] if rollout.transition else [])]
    design = np.column_stack([*columns, dummies(rollout)]).astype(float)
    oracle = sm.OLS(panel.values.ravel(), design).fit().params[0]
    weights = two_way(rollout.start[None], rollout.points, rollout.transition)[0]
    assert (weights * panel.values).sum() == pytest.approx(oracle)


def test_difference_in_differences_is_the_difference_of_the_differences(draw_panel):
    panel = draw_panel(rng_of(2), ONE_DATE)
    change = panel.values[:, 20:].mean(axis=1) - panel.values[:, :20].mean(axis=1)
    weights = two_way(ONE_DATE.start[None], 40, 0)[0]
    assert (weights * panel.values).sum() == pytest.approx(change[:3].mean() - change[3:].mean())


@pytest.mark.parametrize("rollout", [WEDGE, ONE_DATE])
def test_imputation_is_regression_on_the_untreated_then_the_mean_of_what_is_left(
    draw_panel, rollout
):
    panel = draw_panel(rng_of(3), rollout, effect=1.0)
    plain = ~(rollout.exposed | rollout.changing)
    open_points = plain.any(axis=0)
    design = dummies(rollout)
    solution = np.linalg.lstsq(
        design[plain.ravel()], panel.values.ravel()[plain.ravel()], rcond=None
    )[0]
    foretold = (design @ solution).reshape(panel.values.shape)
    told = rollout.exposed & open_points
    weights = imputation(rollout.start[None], rollout.points, rollout.transition)[0]
    oracle = (panel.values - foretold)[told].mean()
    assert (weights * panel.values).sum() == pytest.approx(oracle)


def test_an_effect_that_grows_misleads_two_way_and_not_imputation():
    rollout = Rollout(np.array([5, 5, 20, 20, NEVER, NEVER]), 40)
    since = np.maximum(np.arange(40) - rollout.start[:, None], 0) * rollout.exposed
    truth = since[rollout.exposed].mean()
    estimates = [
        (weigh(rollout.start[None], 40, 0)[0] * since).sum() for weigh in (two_way, imputation)
    ]
    assert estimates[1] == pytest.approx(truth)
    assert abs(estimates[0] - truth) > 0.1 * truth


@pytest.mark.parametrize("weigh", [two_way, imputation])
def test_levels_of_units_and_points_move_no_estimate(draw_panel, weigh):
    panel = draw_panel(rng_of(4), WEDGE)
    moved = panel.values + np.arange(6)[:, None] * 7.0 + np.sin(np.arange(36)) * 50.0
    weights = weigh(WEDGE.start[None], 36, 2)[0]
    assert (weights * moved).sum() == pytest.approx((weights * panel.values).sum())


def test_the_p_value_is_the_share_of_orders_by_brute_force(draw_panel):
    rollout = Rollout(np.array([6, 12, 18, 24]), 30)
    panel = draw_panel(rng_of(5), rollout)
    seen = (two_way(rollout.start[None], 30, 0)[0] * panel.values).sum()
    every = [
        (two_way(np.array([order]), 30, 0)[0] * panel.values).sum()
        for order in permutations(rollout.start.tolist())
    ]
    orders = randomise(panel, rollout, two_way, rng_of(0))
    assert orders.exact
    assert orders.p_value() == pytest.approx(np.mean(np.abs(every) >= abs(seen) - 1e-12))


def test_the_interval_holds_exactly_the_effects_that_are_not_rejected(draw_panel):
    orders = randomise(draw_panel(rng_of(6), WEDGE, effect=2.0), WEDGE, two_way, rng_of(0))
    low, high = orders.interval()
    assert low < orders.estimate < high
    for outside in (low - 0.01, high + 0.01):
        assert orders.p_value(outside) <= 0.05
    for inside in (low + 0.01, high - 0.01):
        assert orders.p_value(inside) > 0.05


def test_too_few_orders_give_an_interval_without_end():
    orders = Orders(np.array([5.0, 0.1, -0.3]), np.array([1.0, -0.5, -0.5]), exact=True)
    assert orders.interval() == (-np.inf, np.inf)
    assert orders.p_value() == pytest.approx(1 / 3)


def test_orders_are_distinct_and_complete_or_drawn_with_the_true_one_first():
    start = np.array([3, 3, 9, 9])
    orders, exact = orders_of(start, rng_of(0))
    assert exact
    assert len({tuple(order) for order in orders.tolist()}) == len(orders) == count_orders(start)
    many, exact = orders_of(np.arange(10), rng_of(0), most=50)
    assert not exact
    assert many.shape == (50, 10)
    assert many[0].tolist() == list(range(10))


def _rates(draw_panel, rollout, weigh, *, effect, seeds=120):
    held = found = 0
    for seed in range(seeds):
        panel = draw_panel(rng_of(seed), rollout, effect=effect)
        orders = randomise(panel, rollout, weigh, rng_of(seed), most=200)
        low, high = orders.interval()
        held += low <= effect <= high
        found += orders.p_value() <= 0.05
    return held / seeds, found / seeds


@pytest.mark.parametrize(
    ("rollout", "weigh"), [(WEDGE, two_way), (WEDGE, imputation), (ONE_DATE, two_way)]
)
def test_coverage_and_false_alarms_are_near_what_is_stated(draw_panel, rollout, weigh):
    held, found = _rates(draw_panel, rollout, weigh, effect=0.0)
    assert held >= 0.90
    assert found <= 0.10
    held, found = _rates(draw_panel, rollout, weigh, effect=2.5, seeds=60)
    assert held >= 0.88
    assert found >= 0.6


def test_the_model_agrees_with_dummies_at_the_same_autocorrelation(draw_panel):
    panel = draw_panel(rng_of(7), WEDGE, effect=1.0)
    fitted = modelled(panel, WEDGE)
    rho = fitted.autocorrelation
    columns = [WEDGE.exposed.ravel(), WEDGE.changing.ravel()]
    design = np.column_stack([*columns, dummies(WEDGE)]).astype(float)
    lags = np.abs(np.subtract.outer(np.arange(36), np.arange(36)))
    oracle = sm.GLS(panel.values.ravel(), design, sigma=np.kron(np.eye(6), rho**lags)).fit()
    assert fitted.coefficients[0] == pytest.approx(oracle.params[0])
    assert fitted.standard_errors[0] == pytest.approx(oracle.bse[0])


def test_a_series_agrees_with_generalised_least_squares_of_statsmodels():
    series = Noise(sd=1.0, autocorrelation=0.6).draw(rng_of(8), 1, 1, 80)[0]
    design = design_of(80, Shape(start=50, transition=2))
    lags = np.abs(np.subtract.outer(np.arange(80), np.arange(80)))
    oracle = sm.GLS(series[0], design, sigma=0.6**lags).fit()
    fitted = fit_at(series, design[None], 0.6)
    assert fitted.coefficients == pytest.approx(oracle.params)
    assert fitted.standard_errors == pytest.approx(oracle.bse)


def test_the_autocorrelation_is_near_that_of_maximum_likelihood_on_a_long_series():
    series = Noise(sd=2.0, autocorrelation=0.7).draw(rng_of(9), 1, 1, 1500)[0]
    oracle = SARIMAX(series[0], order=(1, 0, 0), trend="c").fit(disp=False)
    fitted = fit_ar1(series, np.ones((1, 1500, 1)))
    assert fitted.autocorrelation == pytest.approx(oracle.params[1], abs=0.01)
    assert fitted.coefficients[0] == pytest.approx(series.mean(), abs=0.1)


@pytest.mark.parametrize("autocorrelation", [0.2, 0.6])
def test_interrupted_series_cover_at_nearly_the_stated_rate(autocorrelation):
    noise, shape, held = Noise(sd=1.0, autocorrelation=autocorrelation), Shape(start=55), 0
    seeds = 150
    for seed in range(seeds):
        series = noise.draw(rng_of(seed), 1, 1, 100)[0, 0] + 3.0 * (np.arange(100) >= 55)
        low, high = interrupted(series, shape).interval[0]
        held += low <= 3.0 <= high
    assert 0.88 <= held / seeds <= 0.99


def test_the_effect_of_a_series_is_the_mean_distance_from_the_continued_line():
    time = np.arange(90)
    effect = np.where(time >= 60, 4.0 + 0.1 * (time - 60), 0.0)
    fitted = interrupted(10 + 0.2 * time + effect, Shape(start=60, harmonics=0))
    assert fitted.coefficients[0] == pytest.approx(effect[60:].mean())


def test_a_transition_belongs_to_neither_side():
    time = np.arange(60)
    series = np.where(time >= 34, 5.0, 0.0)
    series[30:34] = 99.0
    fitted = interrupted(series, Shape(start=30, transition=4, harmonics=0))
    assert fitted.coefficients[0] == pytest.approx(5.0)


def test_a_control_in_proportion_is_brought_to_the_treated_level():
    control = np.array([1.0, 2.0, 3.0, 6.0])
    treated = 10.0 * control
    assert less_control(treated, control, start=2, proportional=True) == pytest.approx(np.zeros(4))


def test_naive_change_takes_a_season_for_an_effect():
    values = np.tile(np.arange(10.0), (2, 1))
    panel, rollout = Panel(("a", "b"), 0, 7, values), Rollout(np.array([5, NEVER]), 10)
    assert naive_change(panel, rollout) == pytest.approx(5.0)
    assert (two_way(rollout.start[None], 10, 0)[0] * values).sum() == pytest.approx(0.0)


def test_trends_that_part_before_the_change_are_seen_and_even_ones_are_not(draw_panel):
    panel = draw_panel(rng_of(10), ONE_DATE)
    assert trends_before(panel, ONE_DATE, two_way, rng_of(0)).p_value > 0.05
    slope = np.where(ONE_DATE.treated, 0.5, 0.0)[:, None] * np.arange(40)
    parted = Panel(panel.units, 0, 7, panel.values + slope)
    told = trends_before(parted, ONE_DATE, two_way, rng_of(0))
    assert told.p_value <= 0.05
    assert told.gap == pytest.approx(0.5, abs=0.15)
    assert told.if_continued == pytest.approx(20 * told.gap)


def test_too_few_points_before_show_no_trend(draw_panel):
    rollout = Rollout(np.array([4, NEVER]), 20)
    assert trends_before(draw_panel(rng_of(0), rollout), rollout, two_way, rng_of(0)) is None


def test_power_is_the_false_alarm_rate_without_an_effect_and_rises_with_it(draw_panel):
    flat = Rollout(np.full(8, NEVER), 200)
    noise = noise_of(draw_panel(rng_of(11), flat))
    assert noise.sd == pytest.approx(1.0, abs=0.1)
    assert noise.autocorrelation == pytest.approx(0.5, abs=0.06)
    told = trials(noise, WEDGE, two_way, rng_of(0), size=300)
    assert told.power(0.0) <= 0.09
    smallest = told.smallest()
    assert told.power(smallest) >= 0.8
    assert told.power(smallest * 0.8) < 0.8


def test_a_roll_out_with_too_few_orders_has_no_power():
    rollout = Rollout(np.array([10, 20, 30]), 40)
    assert trials(Noise(sd=1.0, autocorrelation=0.0), rollout, two_way, rng_of(0)) is None
