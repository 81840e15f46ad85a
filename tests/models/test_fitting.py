"""Fitting: the truth is found, also where the data end in the middle of stays."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from feature_store.clock import DAY
from feature_store.definitions import Feature, FeatureSet, Read
from feature_store.errors import BadInput
from feature_store.outcome import Outcomes
from feature_store.snapshots import Snapshots
from models import fitting
from models.boosting import Sizes
from models.fitting import LEAST_DEATHS, fit, snapshot_weights
from models.grid import Risks
from models.recalibrate import learn_calibration

START = 20_000 * DAY
FRAIL = FeatureSet((Feature(name="frail", label="Frail", read=Read.LATEST, codes=("CFS",)),))
EVERYONE = np.array([[0.0], [1.0]])
AT_THE_DOOR = np.zeros(2, np.int64)

HAZARD = np.array([0.20, 0.08])
"""Daily chance to leave, for the fit and for the frail."""

DIES = np.array([0.05, 0.30])
"""Chance that who leaves, leaves by death."""


def entrants(size, follow_up, *, seed=0, hazard=HAZARD):
    """Return features, questions at the door and outcomes of patients with known daily hazards."""
    rng = np.random.default_rng(seed)
    frail = rng.integers(0, 2, size)
    stay = rng.geometric(hazard[frail]) - 1
    watched = rng.integers(*follow_up, size)
    ended = stay <= watched
    died = ended & (rng.random(size) < DIES[frail])
    number = np.arange(size)
    moment = np.full(size, START)
    asked = Snapshots(number, number, moment, moment)
    return frail[:, None].astype(float), asked, Outcomes(np.where(ended, stay, -1), died, watched)


@pytest.fixture
def thorough(small):
    """Return settings with trees enough to find a truth, rather than to be quick."""
    return replace(small, trees=300, patience=30)


def without_follow_up_rule(grid, _days_so_far, outcomes):
    """Count every interval in which something was seen: what one would do without thinking."""
    rows = []
    for lower, upper in pairwise(grid.boundaries):
        stay = np.where(outcomes.censored, outcomes.follow_up_days, outcomes.length_of_stay_days)
        seen = (stay >= upper) | (~outcomes.censored & (stay >= lower))
        at = np.flatnonzero(seen)
        left = stay[at] < upper
        full = np.full(at.size, 1.0)
        rows.append((at, lower * full, (upper - lower) * full, left, left & outcomes.died[at]))
    return Risks(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def test_known_hazards_are_found_though_the_data_end_in_the_middle_of_stays(thorough, monkeypatch):
    matrix, asked, outcomes = entrants(20_000, (0, 21))
    found = fit(matrix, asked, outcomes, feature_set=FRAIL, settings=thorough)
    prediction = found.predict(EVERYONE, AT_THE_DOOR)
    for horizon in (7, 14):
        truth = (1 - HAZARD) ** horizon
        np.testing.assert_allclose(prediction.at_least(horizon), truth, atol=0.03)
    monkeypatch.setattr(fitting, "risks_of", without_follow_up_rule)
    naive = fit(matrix, asked, outcomes, feature_set=FRAIL, settings=thorough)
    bias = naive.predict(EVERYONE, AT_THE_DOOR).at_least(14) - (1 - HAZARD) ** 14
    assert bias[1] < -0.05


def test_the_median_stay_is_found(thorough):
    model = fit(*entrants(20_000, (0, 60)), feature_set=FRAIL, settings=thorough)
    median = model.predict(EVERYONE, AT_THE_DOOR).quantile(0.5)
    truth = np.ceil(np.log(0.5) / np.log(1 - HAZARD)) - 1
    np.testing.assert_allclose(median, truth, atol=1)


def test_the_chance_of_death_is_found(thorough):
    """The trees alone pull towards the mean; calibration on other spells puts that right."""
    model = fit(*entrants(20_000, (0, 120)), feature_set=FRAIL, settings=thorough)
    np.testing.assert_allclose(model.predict(EVERYONE, AT_THE_DOOR).died, DIES, atol=0.04)
    matrix, asked, outcomes = entrants(20_000, (60, 120), seed=1)
    raw = model.predict_raw(matrix, asked.days_so_far)
    calibrated = replace(model, calibration=learn_calibration(raw, outcomes))
    prediction = calibrated.predict(EVERYONE, AT_THE_DOOR)
    np.testing.assert_allclose(prediction.died, DIES, atol=0.015)
    np.testing.assert_allclose(prediction.at_least(7), (1 - HAZARD) ** 7, atol=0.015)


def test_deaths_taken_for_unfinished_stays_make_long_stays_of_them(thorough):
    matrix, asked, outcomes = entrants(20_000, (40, 41))
    as_censored = Outcomes(
        np.where(outcomes.died, -1, outcomes.length_of_stay_days),
        np.zeros(outcomes.died.size, bool),
        np.where(outcomes.died, outcomes.length_of_stay_days, outcomes.follow_up_days),
    )
    truth = (1 - HAZARD) ** 7
    honest, naive = (
        fit(matrix, asked, told, feature_set=FRAIL, settings=thorough)
        .predict(EVERYONE, AT_THE_DOOR)
        .at_least(7)
        for told in (outcomes, as_censored)
    )
    np.testing.assert_allclose(honest, truth, atol=0.03)
    # As if whoever died would have stayed on and been discharged like the rest.
    expected = (1 - HAZARD * (1 - DIES) / (1 - HAZARD * DIES)) ** 7
    np.testing.assert_allclose(naive, expected, atol=0.04)
    assert naive[1] - truth[1] > 0.07


def test_days_already_stayed_are_given(thorough):
    """Without memory in the hazard, a week passed changes nothing about the next."""
    model = fit(*entrants(20_000, (0, 60)), feature_set=FRAIL, settings=thorough)
    later = model.predict(EVERYONE, AT_THE_DOOR + 7)
    np.testing.assert_allclose(later.at_least(14), (1 - HAZARD) ** 7, atol=0.03)


def test_the_same_data_and_seed_give_the_same_bytes(training, raw_model, small):
    given = (training.matrix, training.snapshots, training.outcomes)
    again = fit(*given, feature_set=training.feature_set, settings=small)
    assert again.exit_trees.text == raw_model.exit_trees.text
    assert again.death_trees.text == raw_model.death_trees.text
    assert again.encoding == raw_model.encoding
    assert again.importance == raw_model.importance
    other = fit(*given, feature_set=training.feature_set, settings=replace(small, seed=1))
    assert other.exit_trees.text != raw_model.exit_trees.text


@pytest.mark.parametrize("size", [0, 50])
def test_too_few_ends_are_refused_with_the_count(size, small):
    with pytest.raises(BadInput, match=r"at least 100 spells that ended expected, got \d+"):
        fit(*entrants(size, (100, 101)), feature_set=FRAIL, settings=small)


def test_many_questions_about_few_spells_are_few_spells(small):
    matrix, asked, outcomes = entrants(60, (100, 101))
    rows = np.repeat(np.arange(60), 10)
    with pytest.raises(BadInput, match="at least 100 spells"):
        fit(matrix[rows], asked.take(rows), outcomes.take(rows), feature_set=FRAIL, settings=small)


def test_without_long_stays_nothing_can_be_learnt(small):
    short = entrants(500, (100, 101), hazard=np.array([0.99, 0.99]))
    with pytest.raises(BadInput, match="both sides of 7 midnights"):
        fit(*short, feature_set=FRAIL, settings=small)


def test_little_data_give_a_modest_model_not_a_crash(small):
    model = fit(*entrants(150, (40, 41)), feature_set=FRAIL, settings=small)
    chance = model.predict(EVERYONE, AT_THE_DOOR).at_least(7)
    assert ((chance > 0.05) & (chance < 0.95)).all()
    assert np.isfinite(model.explain(EVERYONE, AT_THE_DOOR).effects).all()


@pytest.mark.parametrize(("deaths", "known"), [(LEAST_DEATHS - 1, False), (LEAST_DEATHS, True)])
def test_too_few_deaths_leave_the_chance_of_death_unknown(deaths, known, small):
    matrix, asked, outcomes = entrants(2000, (200, 201))
    died = np.zeros(2000, bool)
    died[np.flatnonzero(outcomes.length_of_stay_days < 5)[:deaths]] = True
    model = fit(matrix, asked, replace(outcomes, died=died), feature_set=FRAIL, settings=small)
    assert (model.death_trees is not None) == known
    assert (~np.isnan(model.predict(EVERYONE, AT_THE_DOOR).died)).all() == known


def test_progress_is_told_to_its_end(small):
    told = []
    fit(
        *entrants(2000, (40, 41)),
        feature_set=FRAIL,
        settings=small,
        progress=lambda done, total: told.append((done, total)),
    )
    done, total = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert len(set(total)) == 1
    assert 0.9 * total[0] <= done[-1] <= total[0]


@pytest.mark.parametrize("bound", [{"most_rows": 30_000}, {"rows_a_tree": 20_000}])
def test_thinning_bounds_the_rows_and_keeps_the_truth(small, bound):
    data = entrants(20_000, (40, 41))
    settings = replace(small, trees=150, **bound)
    thin = fit(*data, feature_set=FRAIL, settings=settings)
    if "rows_a_tree" in bound:  # which rows a tree sees is left to chance, and chance to the seed
        assert (
            thin.exit_trees.text == fit(*data, feature_set=FRAIL, settings=settings).exit_trees.text
        )
    chance = thin.predict(EVERYONE, AT_THE_DOOR).at_least(7)
    np.testing.assert_allclose(chance, (1 - HAZARD) ** 7, atol=0.04)


def test_of_trees_with_much_to_grow_on_only_the_largest_are_tried(small, monkeypatch):
    tried, real = set(), Sizes._try

    def noted(self, fit, judge, target, leaves, watch=None):
        nonlocal tried
        tried |= {leaves} if target == "left" else set()
        return real(self, fit, judge, target, leaves, watch)

    monkeypatch.setattr(Sizes, "_try", noted)
    matrix, asked, outcomes = entrants(3_000, (40, 41))
    moment = START + asked.spell_id * DAY  # one after another: there are later ones to judge by
    data = matrix, Snapshots(asked.subject_id, asked.spell_id, moment, moment), outcomes
    settings = replace(small, trees=10, leaves=(4, 8))
    fit(*data, feature_set=FRAIL, settings=settings)
    assert tried == {4, 8}
    tried.clear()
    monkeypatch.setattr("models.boosting.MOST_ROWS_FOR_CHOICE", 2_000)
    fit(*data, feature_set=FRAIL, settings=settings)
    assert tried == {8}


def test_what_a_question_weighs_depends_on_its_day_alone():
    """Not on how many more questions there turned out to be: that is the outcome."""
    days = np.array([0, 1, 3, 8])
    asked = Snapshots(days, days, np.full(4, START), START + days * DAY)
    weight = snapshot_weights(asked)
    assert weight.tolist() == [snapshot_weights(asked.take(np.array([row])))[0] for row in range(4)]
    assert (np.diff(weight) < 0).all()


def test_importance_is_told_for_every_feature(raw_model):
    assert len(raw_model.importance) == len(raw_model.feature_set)
    assert min(raw_model.importance) >= 0
    assert max(raw_model.importance) > 0


def test_a_bound_feature_never_shortens_the_stay(small):
    rng = np.random.default_rng(7)
    score = rng.integers(0, 12, 1500)
    # The hazard goes up and down with the score: what a small site's data may look like.
    wavy = np.where(score % 3 == 0, 0.25, 0.12) - 0.005 * score
    _, snapshots, outcomes = entrants(1500, (20, 40), hazard=np.array([0.15, 0.15]))
    stay = rng.geometric(wavy) - 1
    outcomes = replace(outcomes, length_of_stay_days=np.where(stay <= 20, stay, -1))
    grid = np.arange(12.0)[:, None]
    steps = {}
    for bound in ((), ("frail",)):
        model = fit(
            score[:, None].astype(float),
            snapshots,
            outcomes,
            feature_set=FRAIL,
            settings=replace(small, never_shorter=bound, least_spells_in_leaf=5, l2=1.0),
        )
        steps[bound] = np.diff(model.predict_raw(grid, np.zeros(12, np.int64)).staying, axis=0)
    assert steps[()].min() < -0.01
    assert steps[("frail",)].min() >= -1e-12


def test_only_numbers_can_be_bound(small):
    matrix, snapshots, outcomes = entrants(1500, (20, 40))
    with pytest.raises(BadInput, match=r"never_shorter.*no_such_feature"):
        fit(
            matrix,
            snapshots,
            outcomes,
            feature_set=FRAIL,
            settings=replace(small, never_shorter=("no_such_feature",)),
        )
