"""Baselines learn what they can, and say nothing stranger than a rate."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.scope import ScopeRules
from training.baselines import Regression, Rule
from training.config import Features, SplitSettings
from training.material import choose_features, gather
from training.split import Part, split_spells
from training.survey import survey


@pytest.fixture(scope="module")
def ready(tmp_path_factory, make_events, write_events):
    dataset = write_events(tmp_path_factory.mktemp("data") / "trust", make_events(1500, seed=1))
    found = survey(dataset, ScopeRules())
    split = split_spells(
        found.spells,
        SplitSettings(),
        clock=dataset.manifest.clock,
        until=found.until,
        site=found.site,
    )
    feature_set = choose_features(found, split, Features.BOTH)
    return found, feature_set, gather(found, split, feature_set)


def area(material, chance, days):
    target = material.target(days)
    known = ~np.isnan(target)
    return roc_auc_score(target[known], chance[known])


def test_regression_finds_what_was_put_in(ready):
    _, feature_set, materials = ready
    fitted = Regression.fit(
        materials[Part.TRAIN],
        materials[Part.CALIBRATION],
        (7, 14),
        feature_set=feature_set,
        most_rows=50_000,
        seed=1,
    )
    chances = fitted.predict(materials[Part.TEST])
    assert set(chances) == {7, 14}
    assert area(materials[Part.TEST], chances[7], 7) > 0.65
    assert ((chances[7] >= 0) & (chances[7] <= 1)).all()


def test_regression_takes_whole_spells_when_there_are_too_many(ready):
    _, feature_set, materials = ready
    fitted = Regression.fit(
        materials[Part.TRAIN],
        materials[Part.CALIBRATION],
        (7,),
        feature_set=feature_set,
        most_rows=1000,
        seed=1,
    )
    assert area(materials[Part.TEST], fitted.predict(materials[Part.TEST])[7], 7) > 0.6


def test_rule_gives_the_rate_of_age_band_method_and_day(ready):
    found, _, materials = ready
    rule = Rule.fit(materials[Part.TRAIN], 7, told=found.told)
    chance = rule.predict(materials[Part.TRAIN], 7, told=found.told)
    target = materials[Part.TRAIN].target(7)
    known = ~np.isnan(target)
    assert chance[known].mean() == pytest.approx(target[known].mean(), abs=0.02)
    old = materials[Part.TRAIN].facts[:, 0] >= 85
    young = materials[Part.TRAIN].facts[:, 0] < 40
    start = materials[Part.TRAIN].days_so_far == 0
    assert chance[old & start].mean() > chance[young & start].mean()
    assert (
        area(materials[Part.TEST], rule.predict(materials[Part.TEST], 7, told=found.told), 7) > 0.6
    )


def test_rule_without_a_case_of_the_outcome_still_gives_rates(ready):
    found, _, materials = ready
    rule = Rule.fit(materials[Part.TRAIN], 200, told=found.told)
    chance = rule.predict(materials[Part.TEST], 200, told=found.told)
    assert np.isfinite(chance).all()
