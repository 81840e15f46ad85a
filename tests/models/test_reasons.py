"""Reasons in ward language: exact, grouped, and silent about who somebody is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.definitions import Feature, FeatureSet, Kind, Read, Scope
from feature_store.nhs import NHS
from models.forecast import Direction
from models.reasons import NOT_SHOWN, missing_in, reasons_for
from models.stay import Explanation

NEWS2 = {"codes": ("NEWS2",), "concept": "NEWS2 score", "unit": "points"}
FEATURES = FeatureSet(
    (
        Feature(name="news2_latest", label="NEWS2 score", read=Read.LATEST, **NEWS2),
        Feature(name="news2_change", label="NEWS2 score, change", read=Read.CHANGE, **NEWS2),
        Feature(
            name="mobility",
            label="Needs help to walk",
            read=Read.CATEGORY,
            codes=("MOBILITY",),
            categories=("N", "Y"),
            kind=Kind.FUNCTION,
            actionable=True,
            action="Ask therapy",
            missing="not asked",
        ),
        Feature(
            name="sex",
            label="Sex",
            read=Read.CATEGORY,
            codes=("SEX",),
            categories=("1", "2"),
            protected=True,
        ),
        Feature(name="days_so_far", label="Nights so far", read=Read.DAYS_SO_FAR),
        Feature(
            name="admissions",
            label="Admissions",
            read=Read.LATEST,
            codes=("AGE",),
            scope=Scope.HISTORY,
        ),
    )
)
VALUES = np.array([[6.0, 2.0, 1.0, 0.0, 3.0, np.nan]])

EFFECTS = st.lists(
    st.one_of(st.floats(-3, 3), st.just(0.0)), min_size=len(FEATURES), max_size=len(FEATURES)
)


def told(effects, *, most=None, values=VALUES):
    effects = np.array([effects])
    explanation = Explanation(np.array([-1.3]), effects, -1.3 + effects.sum(axis=1))
    return reasons_for(explanation, values, FEATURES, most=most)[0]


@given(EFFECTS)
def test_all_reasons_add_up_to_all_effects(effects):
    assert sum(reason.effect for reason in told(effects)) == pytest.approx(sum(effects), abs=1e-12)


@given(EFFECTS, st.integers(0, 8))
def test_the_largest_come_first_and_no_more_than_wanted(effects, most):
    few = told(effects, most=most)
    sizes = [abs(reason.effect) for reason in few]
    assert sizes == sorted(sizes, reverse=True)
    assert len(few) <= most
    assert all(sizes)
    everything = [reason for reason in told(effects) if reason.feature != "not_shown"]
    assert list(few) == [reason for reason in everything if reason.effect][:most]


@given(EFFECTS, st.sampled_from([None, 0, 3, 10]))
def test_a_protected_attribute_is_never_a_reason(effects, most):
    for reason in told(effects, most=most):
        assert reason.feature != "sex"
        assert "sex" not in (reason.label + reason.value).lower()


def test_what_is_not_shown_counts_in_the_sum_under_no_name():
    shown = {reason.feature: reason for reason in told([0.1, 0.0, 0.0, 0.9, 0.0, 0.0])}
    assert shown["not_shown"].effect == pytest.approx(0.9)
    assert shown["not_shown"].label == NOT_SHOWN
    assert not shown["not_shown"].actionable


def test_features_of_one_concept_are_one_reason_and_the_strongest_speaks():
    (reason, *_) = told([0.2, 0.5, 0.0, 0.0, 0.0, 0.0])
    assert (reason.feature, reason.label, reason.value) == (
        "news2_change",
        "NEWS2 score, change",
        "2 points",
    )
    assert reason.effect == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("effect", "direction", "action"),
    [(0.4, Direction.LONGER, "Ask therapy"), (-0.4, Direction.SHORTER, None)],
)
def test_an_action_is_offered_where_it_could_shorten_the_stay(effect, direction, action):
    (reason,) = told([0.0, 0.0, effect, 0.0, 0.0, 0.0], most=3)
    assert (reason.direction, reason.action) == (direction, action)
    assert reason.actionable
    assert reason.kind == "frailty and function"


def test_a_missing_value_says_what_missing_means():
    nothing = np.full_like(VALUES, np.nan)
    (reason,) = told([0.0, 0.0, 0.4, 0.0, 0.0, 0.0], most=1, values=nothing)
    assert reason.value == "not asked"


def test_no_label_of_the_nhs_set_gives_a_protected_attribute_away():
    size = len(NHS)
    explanation = Explanation(np.zeros(1), np.ones((1, size)), np.full(1, float(size)))
    shown = reasons_for(explanation, np.zeros((1, size)), NHS, most=None)[0]
    protected = {feature.name for feature in NHS.features if feature.protected}
    assert protected
    assert not protected & {reason.feature for reason in shown}


# ---- what was missing ----------------------------------------------------------------------------

GAIN = (5.0, 1.0, 10.0, 4.0, 50.0, 30.0)


def gaps(*absent, gain=GAIN):
    row = VALUES.copy()
    row[0, 5] = 1.0
    for name in absent:
        row[0, FEATURES.names.index(name)] = np.nan
    names, completeness = missing_in(row, FEATURES, gain)
    return names[0], completeness[0]


def test_nothing_missing_is_complete():
    assert gaps() == ((), pytest.approx(1.0))


def test_the_most_useful_gap_comes_first_by_family():
    names, completeness = gaps("news2_latest", "news2_change", "mobility")
    assert names == ("MOBILITY", "NEWS2")
    assert completeness == pytest.approx(0.0)  # the rest is protected, or was never missing


def test_an_absent_history_is_a_fact_not_a_gap():
    assert gaps("admissions") == ((), pytest.approx(1.0))


def test_what_would_hardly_inform_is_not_asked_for():
    names, completeness = gaps("news2_latest", gain=(0.01, 5.0, 10.0, 4.0, 0.0, 0.0))
    assert names == ()
    assert completeness < 1.0


def test_a_change_needs_two_readings_and_is_no_gap():
    assert gaps("news2_change") == ((), pytest.approx(1.0))


def test_a_change_that_needs_two_readings_is_no_gap_of_its_own():
    assert gaps("news2_change") == ((), pytest.approx(1.0))


def test_a_model_that_uses_nothing_misses_nothing():
    assert gaps("mobility", gain=(0.0,) * 6) == ((), pytest.approx(1.0))


@given(st.lists(st.booleans(), min_size=6, max_size=6), st.integers(0, 5))
def test_knowing_more_is_never_less_complete(absent, learnt):
    row = np.where(np.array([absent]), np.nan, 1.0)
    more = row.copy()
    more[0, learnt] = 1.0
    before, after = (missing_in(one, FEATURES, GAIN)[1][0] for one in (row, more))
    assert before >= -1e-12
    assert before <= after + 1e-12
    assert after <= 1.0 + 1e-12
