"""Survival over the day grid: coherent from day to day, whatever the hazards."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.grid import Grid
from models.survival import Prediction, staying_from

GRID = Grid((0, 1, 2, 3, 5, 7, 10, 14, 21, 28), (7, 14, 21))

HAZARDS = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-12, 1 - 1e-12]))
SHARES = st.floats(0.01, 0.99)


def predicted(days, hazards):
    """Return the prediction of one spell from the hazards of the intervals ahead."""
    hazards = np.array([hazards[: len(GRID.ahead(days))]])
    staying = staying_from(hazards, len(GRID.boundaries))
    return Prediction(GRID, np.array([days]), staying, np.zeros(1))


PREDICTIONS = st.builds(predicted, st.integers(0, 27), st.lists(HAZARDS, min_size=9, max_size=9))


@given(PREDICTIONS)
def test_chances_never_rise_and_are_one_for_days_passed(prediction):
    days = int(prediction.days_so_far[0])
    chances = [float(prediction.at_least(day)[0]) for day in range(GRID.last + 1)]
    assert chances[: days + 1] == [1.0] * (days + 1)
    assert all(0.0 <= after <= before for before, after in pairwise(chances))


@given(PREDICTIONS)
def test_at_a_boundary_the_chance_is_the_product_of_staying(prediction):
    for column, boundary in enumerate(GRID.boundaries):
        assert prediction.at_least(boundary)[0] == prediction.staying[0, column]


@given(st.lists(PREDICTIONS, min_size=1, max_size=5), st.integers(0, 6))
def test_leaving_within_some_nights_is_not_staying_past_them(several, nights):
    together = Prediction(
        GRID,
        *(
            np.concatenate([getattr(one, name) for one in several])
            for name in ("days_so_far", "staying", "died")
        ),
    )
    for chance, one in zip(together.leaving_within(nights), several, strict=True):
        expected = 1.0 - one.at_least(int(one.days_so_far[0]) + nights)[0]
        assert chance == expected or np.isnan([chance, expected]).all()


@given(PREDICTIONS, SHARES)
def test_a_quantile_is_the_first_day_by_whose_end_enough_have_left(prediction, share):
    days, level = int(prediction.days_so_far[0]), 1.0 - share
    day = prediction.quantile(share)[0]
    if np.isnan(day):
        assert prediction.at_least(GRID.last)[0] > level
        return
    assert day == int(day)
    assert days <= day < GRID.last
    assert prediction.at_least(int(day) + 1)[0] <= level + 1e-7
    assert day == days or prediction.at_least(int(day))[0] > level - 1e-7


@given(PREDICTIONS, st.tuples(SHARES, SHARES).map(sorted))
def test_quantiles_rise_with_the_share(prediction, shares):
    low, high = (float(prediction.quantile(share)[0]) for share in shares)
    assert np.isnan(high) or low <= high


@given(st.floats(0.01, 0.6), st.integers(0, 20))
def test_a_constant_daily_hazard_gives_the_geometric_distribution(hazard, days):
    ahead = GRID.ahead(days)
    prediction = predicted(days, 1 - (1 - hazard) ** ahead[:, 1])
    for day in range(days, GRID.last + 1):
        assert prediction.at_least(day)[0] == pytest.approx((1 - hazard) ** (day - days))
    for share in (0.1, 0.5, 0.9):
        expected = days + np.ceil(np.log(1 - share) / np.log(1 - hazard) - 1e-9) - 1
        got = prediction.quantile(share)[0]
        assert np.isnan(got) if expected + 1 > GRID.last else got == expected


def test_beyond_the_grid_nothing_is_said_but_what_has_happened():
    late = Prediction(GRID, np.array([3, 30]), np.ones((2, 10)), np.zeros(2))
    np.testing.assert_array_equal(late.at_least(30), [np.nan, 1.0])
    np.testing.assert_array_equal(late.quantile(0.5), [np.nan, np.nan])


def test_rows_do_not_depend_on_their_company():
    rng = np.random.default_rng(0)
    staying = staying_from(rng.random((5, 9)), 10)
    together = Prediction(GRID, np.zeros(5, np.int64), staying, np.zeros(5))
    for row in range(5):
        alone = Prediction(GRID, np.zeros(1, np.int64), staying[[row]], np.zeros(1))
        for day in range(29):
            assert together.at_least(day)[row] == alone.at_least(day)[0]
        assert together.quantile(0.5)[row] == alone.quantile(0.5)[0]
