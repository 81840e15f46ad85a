"""Calibration: coherent, whatever it learnt."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import ELAPSED, Calibration, Step, elapsed_group, expit, logit
from models.grid import Grid
from models.survival import Prediction, staying_from

GRID = Grid((0, 1, 2, 3, 4, 5, 7, 10, 14, 21, 28), (7, 14, 21))
BOUNDARIES = len(GRID.boundaries)

STEPS = st.builds(
    Step,
    intercept=st.floats(-8, 8),
    slope=st.floats(-4, 4),
    shifts=st.one_of(
        st.just(()),
        st.lists(st.floats(-4, 4), min_size=len(ELAPSED), max_size=len(ELAPSED)).map(tuple),
    ),
)
BY_HORIZON = st.dictionaries(st.sampled_from(GRID.horizons), STEPS)
CALIBRATIONS = st.builds(
    Calibration,
    first=BY_HORIZON,
    onward=BY_HORIZON,
    death=st.one_of(st.none(), STEPS),
    prevalence=st.just({7: 0.2}),
)


def predicted(seed, *, extreme=False):
    """Return a prediction of spells of every age, from random hazards."""
    rng = np.random.default_rng(seed)
    days = np.arange(28)
    staying = np.ones((28, BOUNDARIES))
    for row in days:
        hazards = rng.random((1, len(GRID.ahead(row)))) ** 2
        if extreme:
            hazards = np.where(rng.random(hazards.shape) < 0.3, rng.integers(0, 2), hazards)
        staying[row] = staying_from(hazards, BOUNDARIES)
    return Prediction(GRID, days, staying, rng.random(28))


@given(st.integers(0, 2**32), CALIBRATIONS, st.booleans())
def test_whatever_was_learnt_the_chances_stay_coherent(seed, calibration, extreme):
    calibrated = calibration.apply(predicted(seed, extreme=extreme))
    chances = np.array([calibrated.at_least(day) for day in range(GRID.last + 1)])
    assert np.isfinite(chances).all()
    assert (chances >= 0).all()
    assert (np.diff(chances, axis=0) <= 0).all()
    for row, days in enumerate(calibrated.days_so_far):
        assert (chances[: days + 1, row] == 1.0).all()
    for share in (0.1, 0.5, 0.9):
        for row, day in enumerate(calibrated.quantile(share)):
            if np.isnan(day):
                assert chances[GRID.last, row] > 1 - share
            else:
                assert chances[int(day) + 1, row] <= 1 - share + 1e-7
    assert ((calibrated.died >= 0) & (calibrated.died <= 1)).all()


@given(st.integers(0, 2**32), CALIBRATIONS)
def test_the_chance_to_pass_a_segment_is_the_calibrated_one(seed, calibration):
    raw = predicted(seed)
    calibrated = calibration.apply(raw)
    for begin, end in pairwise((0, *GRID.horizons)):
        for row, days in enumerate(raw.days_so_far):
            step = (calibration.first if days >= begin else calibration.onward).get(end, Step())
            if days >= end:
                continue
            chance = raw.at_least(end)[[row]] / raw.at_least(begin)[[row]]
            got = calibrated.at_least(end)[row] / max(calibrated.at_least(begin)[row], 1e-300)
            wanted = step.apply(chance, raw.days_so_far[[row]])[0]
            if 1e-6 < chance[0] < 1 - 1e-6 and calibrated.at_least(begin)[row] > 1e-12:
                assert got == pytest.approx(max(wanted, 1e-9), rel=1e-6)


@given(st.integers(0, 2**32))
def test_no_calibration_changes_nothing(seed):
    raw = predicted(seed)
    np.testing.assert_allclose(Calibration.none().apply(raw).staying, raw.staying, rtol=1e-12)
    assert (Calibration.none().apply(raw).died == raw.died).all()


@given(CALIBRATIONS)
def test_a_calibration_survives_json(calibration):
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json(), allow_nan=False)))
    assert again == calibration


@pytest.mark.parametrize(
    ("days", "group"), [(0, 0), (1, 1), (3, 2), (4, 3), (6, 3), (7, 4), (21, 8), (27, 8)]
)
def test_groups_of_days_so_far(days, group):
    assert elapsed_group(np.array([days])).tolist() == [group]


def test_log_odds_and_back():
    chances = np.array([1e-6, 0.2, 0.5, 1 - 1e-6])
    np.testing.assert_allclose(expit(logit(chances)), chances, rtol=1e-9)
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
