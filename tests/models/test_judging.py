"""Metrics agree with scikit-learn and statsmodels, and intervals with what they promise."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from feature_store.errors import BadInput
from feature_store.outcome import Outcomes
from models.judging import Lists, Sample, difference, judge, judge_coverage, judge_lists
from models.judging.accuracy import brier_parts, brier_scaled
from models.judging.discrimination import auprc, auroc
from models.judging.estimate import Resamples
from models.judging.groups import Grouping, judge_groups
from models.judging.metrics import METRICS, Bootstrap
from models.judging.reliability import (
    calibration_intercept,
    calibration_slope,
    curve,
    e_90,
    e_average,
    ece,
)
from models.judging.sample import Ranking


def drawn(seed, size=600, *, distort=1.0, digits=None):
    generator = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(-generator.normal(-1, 1.2, size)))
    outcome = (generator.random(size) < truth).astype(float)
    probability = truth**distort / (truth**distort + (1 - truth) ** distort)
    return outcome, probability if digits is None else np.round(probability, digits)


def weighted(outcome, probability, weights):
    ranking = Ranking.of(outcome, probability)
    return Sample(ranking, np.atleast_2d(weights)[:, ranking.order].astype(float))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [None, 1])  # with and without ties
def test_discrimination_agrees_with_scikit_learn(seed, digits):
    outcome, probability = drawn(seed, digits=digits)
    weights = np.random.default_rng(seed).integers(0, 4, outcome.size)
    plain, loaded = Sample.itself(outcome, probability), weighted(outcome, probability, weights)
    assert auroc(plain)[0] == pytest.approx(roc_auc_score(outcome, probability))
    assert auroc(loaded)[0] == pytest.approx(
        roc_auc_score(outcome, probability, sample_weight=weights)
    )
    assert auprc(plain)[0] == pytest.approx(average_precision_score(outcome, probability))
    assert auprc(loaded)[0] == pytest.approx(
        average_precision_score(outcome, probability, sample_weight=weights)
    )


@pytest.mark.parametrize("seed", range(3))
def test_brier_agrees_with_scikit_learn_and_its_parts_add_up(seed):
    outcome, probability = drawn(seed)
    score = METRICS["brier"].measure(Sample.itself(outcome, probability))[0]
    assert score == pytest.approx(brier_score_loss(outcome, probability))
    parts = brier_parts(outcome, probability)
    assert parts["miscalibration"] - parts["discrimination"] + parts[
        "uncertainty"
    ] == pytest.approx(score)
    assert min(parts.values()) >= 0
    assert brier_scaled(Sample.itself(outcome, probability))[0] == pytest.approx(
        1 - score / parts["uncertainty"]
    )


@pytest.mark.parametrize("seed", range(3))
def test_slope_and_intercept_agree_with_statsmodels(seed):
    outcome, probability = drawn(seed, distort=1.7)
    log_odds = np.log(probability / (1 - probability))
    weights = np.random.default_rng(seed).integers(0, 3, outcome.size)
    both = sm.GLM(
        outcome, sm.add_constant(log_odds), sm.families.Binomial(), freq_weights=weights
    ).fit()
    alone = sm.GLM(
        outcome,
        np.ones(outcome.size),
        sm.families.Binomial(),
        offset=log_odds,
        freq_weights=weights,
    ).fit()
    sample = weighted(outcome, probability, weights)
    assert calibration_slope(sample)[0] == pytest.approx(both.params[1], abs=1e-6)
    assert calibration_intercept(sample)[0] == pytest.approx(alone.params[0], abs=1e-6)


def test_cells_change_the_replicates_by_next_to_nothing():
    outcome, probability = drawn(1, 20_000, distort=1.4)
    weights = np.random.default_rng(0).integers(0, 3, (2, outcome.size))
    exact = [weighted(outcome, probability, row) for row in weights]
    grouped = weighted(outcome, probability, weights)
    for measure in (calibration_slope, calibration_intercept, ece, e_average, e_90):
        rows = [measure(sample)[0] for sample in exact]
        assert measure(grouped) == pytest.approx(rows, abs=2e-3)


def test_calibration_errors_are_small_only_when_calibrated():
    outcome, good = drawn(4, 20_000)
    _, extreme = drawn(4, 20_000, distort=3.0)
    for measure in (ece, e_average, e_90):
        assert measure(Sample.itself(outcome, good))[0] < 0.02
        assert measure(Sample.itself(outcome, extreme))[0] > 0.05
    assert calibration_slope(Sample.itself(outcome, extreme))[0] == pytest.approx(1 / 3, abs=0.03)


def test_smooth_gap_finds_what_slope_and_intercept_cannot():
    generator = np.random.default_rng(2)
    chance = generator.uniform(0.05, 0.95, 40_000)
    wave = np.clip(chance + 0.1 * np.sin(2 * np.pi * chance), 0.01, 0.99)
    outcome = (generator.random(chance.size) < wave).astype(float)
    assert e_average(Sample.itself(outcome, chance))[0] == pytest.approx(0.064, abs=0.02)


def test_reliability_curve_counts_every_row():
    outcome, probability = drawn(3, 1000)
    points = curve(Sample.itself(outcome, probability))
    assert sum(point["rows"] for point in points) == 1000
    assert [point["chance"] for point in points] == sorted(point["chance"] for point in points)


@pytest.mark.parametrize("outcome", [np.zeros(50), np.ones(50)])
def test_one_class_only_is_unknown_not_an_error(outcome):
    judged = judge(outcome, np.linspace(0.1, 0.9, 50), np.arange(50))
    assert np.isnan(judged["auroc"].value)
    assert np.isnan(judged["calibration_slope"].value)
    assert judged["auroc"].to_json() == {"value": None, "low": None, "high": None}


def test_one_probability_for_all_has_no_slope():
    outcome, _ = drawn(0, 200)
    judged = judge(outcome, np.full(200, 0.3), np.arange(200))
    assert judged["auroc"].value == 0.5
    assert np.isnan(judged["calibration_slope"].value)
    assert judged["e_average"].value == pytest.approx(abs(outcome.mean() - 0.3))


def test_nothing_to_judge_gives_unknown_figures():
    judged = judge(np.full(3, np.nan), np.full(3, 0.5), np.arange(3))
    assert all(np.isnan(estimate.value) for estimate in judged.values())


def test_unknown_outcomes_are_left_out():
    outcome, probability = drawn(0, 300)
    more = np.concatenate([outcome, np.full(40, np.nan)])
    judged = judge(more, np.concatenate([probability, np.full(40, np.nan)]), np.arange(340))
    assert judged["auroc"].value == pytest.approx(roc_auc_score(outcome, probability))


def test_probability_outside_its_range_is_refused():
    with pytest.raises(BadInput, match="from 0 to 1"):
        judge(np.array([0.0, 1.0]), np.array([0.2, 1.2]), np.arange(2))


def test_rows_of_one_patient_are_drawn_together():
    drawn_ = Resamples.draw(np.array([7, 7, 9, 7]), replicates=50, seed=1)
    weights = drawn_.group_sums(np.arange(4))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] == weights[:, 3]).all()
    assert (drawn_.counts.sum(axis=1) == 2).all()


def test_interval_widens_when_rows_repeat_a_patient():
    outcome, probability = drawn(5, 400)
    once = judge(outcome, probability, np.arange(400), metrics=("auroc",))["auroc"]
    many = judge(
        np.tile(outcome, 4), np.tile(probability, 4), np.tile(np.arange(400), 4), metrics=("auroc",)
    )["auroc"]
    assert many.value == pytest.approx(once.value)
    assert np.diff(many.interval) == pytest.approx(np.diff(once.interval), rel=1e-6)


def test_interval_has_the_width_of_the_hanley_mcneil_formula():
    outcome, probability = drawn(6, 2000)
    estimate = judge(outcome, probability, np.arange(2000), metrics=("auroc",))["auroc"]
    area, events = estimate.value, outcome.sum()
    others = 2000 - events
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    error = np.sqrt(
        (area * (1 - area) + (events - 1) * (first - area**2) + (others - 1) * (second - area**2))
        / (events * others)
    )
    low, high = estimate.interval
    assert low < area < high
    assert (high - low) == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_paired_difference_is_narrower_than_unpaired():
    outcome, probability = drawn(7, 800)
    noise = np.clip(probability + np.random.default_rng(1).normal(0, 0.02, 800), 0.001, 0.999)
    first = judge(outcome, probability, np.arange(800))["auroc"]
    second = judge(outcome, noise, np.arange(800))["auroc"]
    gap = difference(first, second)
    low, high = gap.interval
    assert gap.value == pytest.approx(first.value - second.value)
    assert high - low < 0.5 * np.diff(first.interval)[0]


def test_same_seed_same_interval():
    outcome, probability = drawn(8, 500)
    chosen = Bootstrap(replicates=40, seed=3)
    first, second = (
        judge(outcome, probability, np.arange(500), bootstrap=chosen) for _ in range(2)
    )
    for name in METRICS:
        assert first[name].interval == second[name].interval


def test_many_rows_are_ranked_by_neighbours_in_replicates_and_lose_next_to_nothing():
    outcome, probability = drawn(10, 30_000)
    subject = np.random.default_rng(2).integers(0, 9_000, outcome.size)
    judged = judge(outcome, probability, subject, bootstrap=Bootstrap(replicates=6, seed=4))
    draws = Resamples.draw(subject, replicates=6, seed=4)
    for replicate, counts in enumerate(draws.counts):
        weights = counts[draws.patient]
        for name, near in (("auroc", 1e-5), ("auprc", 2e-4), ("brier", 5e-6)):
            exact = METRICS[name].measure(weighted(outcome, probability, weights))[0]
            assert judged[name].replicates[replicate] == pytest.approx(exact, abs=near)


def test_parts_of_a_population_share_its_draws():
    outcome, probability = drawn(11, 900)
    subject = np.random.default_rng(3).integers(0, 400, outcome.size)
    chosen = Bootstrap(replicates=50, seed=1).over(subject)
    whole = judge(outcome, probability, subject, bootstrap=chosen)["brier"]
    alone = judge(outcome, probability, subject, bootstrap=Bootstrap(replicates=50, seed=1))[
        "brier"
    ]
    np.testing.assert_allclose(whole.replicates, alone.replicates)
    half = subject % 2 == 0
    parts = [
        judge(outcome[rows], probability[rows], subject[rows], bootstrap=chosen)["brier"].replicates
        for rows in (half, ~half)
    ]
    drawn_ = chosen.resamples(subject)
    sizes = drawn_.sums(np.column_stack([half, ~half]).astype(float))
    together = (np.column_stack(parts) * sizes).sum(axis=1) / sizes.sum(axis=1)
    np.testing.assert_allclose(together, whole.replicates)
    with pytest.raises(KeyError, match="patients of the population expected"):
        judge(outcome, probability, subject + 1000, bootstrap=chosen)


def test_coverage_counts_only_what_could_be_followed():
    low, high = np.array([1.0, 1.0, 1.0, 3.0, 2.0]), np.array([5.0, 5.0, 5.0, np.nan, 4.0])
    outcomes = Outcomes(
        length_of_stay_days=np.array([3, 9, 2, -1, -1]),
        died=np.zeros(5, bool),
        follow_up_days=np.array([20, 20, 4, 6, 6]),  # the third could not be followed to day 5
    )
    judged = judge_coverage(low, high, outcomes, subject_id=np.arange(5))
    assert (judged.rows, judged.unknown) == (4, 1)
    assert judged.share.value == pytest.approx(
        2 / 4
    )  # 3 days; still here past day 3 of an open range


def test_lists_are_cut_at_capacity_for_each_site_and_day():
    site = np.array([0, 0, 0, 1, 1, 0])
    day = np.array([5, 5, 5, 5, 5, 6])
    lists = Lists(site, day, np.array([1, 2, 3, 4, 5, 3]), np.array([1, 2, 3, 4, 5, 3]), 1)
    probability = np.array([0.2, 0.8, 0.5, 0.1, 0.3, 0.4])
    assert lists.listed(probability).tolist() == [False, True, False, False, True, True]
    judged = judge_lists(np.array([1.0, 1.0, 1.0, 0.0, 0.0, 1.0]), lists.listed(probability), lists)
    assert judged["ppv_at_capacity"].value == pytest.approx(2 / 3)  # spells 2, 5 and, next day, 3
    assert judged["recall_at_capacity"].value == pytest.approx(2 / 3)  # spells 2 and 3 of 1, 2, 3


def test_nobody_listed_is_unknown():
    nobody = np.zeros(0, np.int64)
    judged = judge_lists(np.zeros(0), np.zeros(0, bool), Lists(nobody, nobody, nobody, nobody, 5))
    assert np.isnan(judged["ppv_at_capacity"].value)


def test_small_groups_are_named_and_not_judged():
    outcome, probability = drawn(9, 1000)
    member = np.where(np.arange(1000) < 30, 1, 0)
    judged = judge_groups(
        outcome, probability, np.arange(1000), grouping=Grouping("site", ("A", "B", "C"), member)
    )
    by_group = {row["group"]: row for row in judged}
    assert set(by_group) == {"A", "B"}
    assert by_group["B"]["too_few"]
    assert "metrics" not in by_group["B"]
    assert by_group["B"]["events"] is None or by_group["B"]["events"] % 5 == 0
    assert by_group["A"]["metrics"]["auroc"]["low"] < by_group["A"]["metrics"]["auroc"]["value"]
