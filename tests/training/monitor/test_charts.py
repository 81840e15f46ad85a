"""Charts alarm as seldom as stated without a change, and soon after one."""

import numpy as np
import pytest

from training.monitor.chart import ALARMS_A_PERIOD, charts, cusum, weights


def foreseen(rng, size):
    """Chances like those of a long stay: one patient in four."""
    return np.clip(rng.beta(1.2, 3.6, size), 0.01, 0.97)


def alarms(seeds, *, size=1500, change_at=None, odds_ratio=1.0):
    """First alarm of either direction for each seed, None where there is none."""
    told = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chance = foreseen(rng, size)
        truth = chance.copy()
        if change_at is not None:
            odds = odds_ratio * truth / (1 - truth)
            truth[change_at:] = (odds / (1 + odds))[change_at:]
        outcome = (rng.random(size) < truth).astype(float)
        pair = charts(outcome, chance, among=1, rng=rng, simulations=400)
        at = [one.alarm_at for one in pair if one.alarm_at is not None]
        told.append(min(at) if at else None)
    return told


def test_a_quiet_year_is_quiet():
    found = alarms(120)
    share = np.mean([one is not None for one in found])
    assert share <= ALARMS_A_PERIOD + 3 * np.sqrt(ALARMS_A_PERIOD / 120)


@pytest.mark.parametrize("odds_ratio", [2.0, 0.5])
def test_a_change_is_found_within_300_patients(odds_ratio):
    found = alarms(30, change_at=600, odds_ratio=odds_ratio)
    delays = [one - 600 for one in found if one is not None and one >= 600]
    assert len(delays) >= 27
    assert np.median(delays) < 300


def test_the_weight_is_the_logarithm_of_a_likelihood_ratio():
    chance, ratio = np.array([0.2, 0.7]), 1.6
    changed = ratio * chance / (1 - chance + ratio * chance)
    assert weights(np.ones(2), chance, ratio) == pytest.approx(np.log(changed / chance))
    assert weights(np.zeros(2), chance, ratio) == pytest.approx(
        np.log((1 - changed) / (1 - chance))
    )


def test_sums_are_those_of_the_recursion():
    evidence = np.random.default_rng(1).normal(size=200)
    total, slow = 0.0, []
    for one in evidence:
        total = max(0.0, total + one)
        slow.append(total)
    assert cusum(evidence) == pytest.approx(np.array(slow))
