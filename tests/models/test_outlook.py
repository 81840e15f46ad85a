"""One pass of the kernel says, to the last bit, what NumPy says step by step."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from feature_store.errors import BadInput
from models.calibration import Calibration, expit
from models.outlook import QUANTILES, Oracle
from models.survival import Prediction, staying_from


def reference(model, matrix, days):
    """Return raw survival, chance of death and effects, row by row, as the model is described."""
    boundaries = len(model.grid.boundaries)
    varying = (model.encoding.width, model.encoding.width + 1)
    staying, died = np.ones((len(days), boundaries)), np.full(len(days), np.nan)
    totals = np.zeros((len(days), model.encoding.width + 3))
    for row, day in enumerate(days.tolist()):
        ahead = model.grid.ahead(day)
        if not len(ahead):
            continue
        encoded = model.encoding.apply(matrix[[row]]).astype(np.float32)
        columns = np.hstack([encoded, np.zeros((1, 2))]).astype(np.float64)
        hazards = expit(model.exit_trees.predict_raw_grid(columns, varying, ahead))
        staying[row] = staying_from(hazards, boundaries)
        if model.death_trees is not None:
            dies = expit(model.death_trees.predict_raw_grid(columns, varying, ahead))
            before = staying[[row], boundaries - len(ahead) - 1 : -1]
            died[row] = (before * hazards * dies).sum(axis=1)[0]
        nights = np.where(ahead[:, 0] < model.grid.next_horizon(day), ahead[:, 1], 0.0)
        weights = -nights[None, :] / max(nights.sum(), 1.0)
        totals[row] = model.exit_trees.contributions_grid(columns, varying, ahead, weights)[0]
    effects = model.encoding.gather(totals[:, :-3])
    base = totals[:, -3:].sum(axis=1)
    return Prediction(model.grid, days, staying, died), effects, base, base + effects.sum(axis=1)


def anybody(site, *, seed, count):
    """Return features as they come, some gone or odd, on any day, also beyond the grid."""
    rng = np.random.default_rng(seed)
    matrix = site.matrix[rng.integers(0, len(site.matrix), count)].copy()
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    odd = rng.random(matrix.shape) < 0.05
    matrix[odd] = rng.choice([-1.0, 0.0, 0.5, 99.0, 1e6], odd.sum())
    return matrix, rng.choice([0, 1, 2, 6, 7, 13, 20, 21, 27, 60, 120, 400], count)


@pytest.mark.parametrize("count", [0, 1, 2, 9, 150])
@pytest.mark.parametrize("kind", ["whole", "without deaths", "not calibrated", "one horizon"])
def test_one_pass_says_what_the_steps_say(model, site, kind, count):
    model = {
        "whole": model,
        "without deaths": replace(model, death_trees=None),
        "not calibrated": replace(model, calibration=Calibration.none()),
        "one horizon": replace(model, grid=replace(model.grid, horizons=(7,))),
    }[kind]
    matrix, days = anybody(site, seed=count, count=count)
    raw, effects, base, log_odds = reference(model, matrix, days)
    calibrated = model.calibration.apply(raw)
    said = model.outlook(matrix, days)
    for name, ours, theirs in (
        ("raw", said.raw, raw.staying),
        ("raw death", said.raw_died, raw.died),
        ("staying", said.staying, calibrated.staying),
        ("death", said.died, calibrated.died),
        ("leaving", said.leaving.T, [calibrated.quantile(share) for share in QUANTILES]),
        ("effects", said.effects, effects),
        ("base", said.base, base),
        ("log-odds", said.log_odds, log_odds),
    ):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_a_model_travels_with_what_it_was_made_of(model, site):
    matrix, days = anybody(site, seed=1, count=5)
    before = model.outlook(matrix, days)
    after = copy.deepcopy(model).outlook(matrix, days)
    np.testing.assert_array_equal(before.staying, after.staying)


def test_days_below_zero_are_refused(model, site):
    with pytest.raises(BadInput, match="0 or more expected"):
        model.outlook(site.matrix[:1], np.array([-1]))


def test_a_horizon_that_is_no_boundary_is_refused(model):
    grid = replace(model.grid, horizons=(8,))
    with pytest.raises(BadInput, match="boundary"):
        Oracle(model.encoding, grid, model.exit_trees, None, Calibration.none())


def test_threads_that_look_ahead_at_once_share_what_the_kernel_reads(model):
    """Each hands its addresses to the kernel: what they point to must outlive the others."""
    oracle = copy.deepcopy(model)._oracle
    plain, together = oracle._look_ahead, threading.Barrier(4)

    def look_ahead(day):
        together.wait(timeout=30)
        return plain(day)

    oracle._look_ahead = look_ahead
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: oracle._ahead_of(3), range(4)))
    assert all(one is found[0] for one in found)
    assert oracle._ahead_of(3) is found[0]


def test_threads_say_from_the_first_use_on_what_one_says(model, site):
    matrix, days = anybody(site, seed=2, count=24)
    alone = model.outlook(matrix, days)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            fresh, together = copy.deepcopy(model)._oracle, threading.Barrier(8)

            def outlook(_, fresh=fresh, together=together):
                together.wait(timeout=30)
                return fresh.forecast(matrix, days, explain=True)

            for said in threads.map(outlook, range(8)):
                np.testing.assert_array_equal(said.effects, alone.effects)
                np.testing.assert_array_equal(said.staying, alone.staying)
