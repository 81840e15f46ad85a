"""Ratio columns of many-valued categories: shrunk, cross-fitted, never about oneself."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_store.definitions import Feature, FeatureSet, Read
from feature_store.outcome import Outcomes
from models.encoding import MANY_VALUES, Encoding, Ratio, learn_encoding
from models.grid import Grid, risks_of

WARDS = tuple("ABCDEFGHIJKL")
FEW = tuple("ABC")
FEATURES = FeatureSet(
    (
        Feature(name="news2", label="NEWS2", read=Read.LATEST, codes=("NEWS2",)),
        Feature(name="ward", label="Ward", read=Read.CATEGORY, codes=("WARD",), categories=WARDS),
        Feature(name="site", label="Site", read=Read.CATEGORY, codes=("SITE",), categories=FEW),
    )
)
GRID = Grid((0, 1, 3, 7, 14, 28), (7, 14))
OTHER, MISSING = len(WARDS), len(WARDS) + 1


def sample(seed, size=800, *, patients=300):
    """Return features, subjects and outcomes in which ward A keeps its patients."""
    rng = np.random.default_rng(seed)
    ward = rng.integers(0, len(WARDS) + 1, size).astype(float)
    ward[rng.random(size) < 0.05] = np.nan
    stay = rng.geometric(np.where(ward == 0, 0.05, 0.2)) - 1
    matrix = np.column_stack([rng.normal(size=size), ward, rng.integers(0, 3, size)])
    return matrix, rng.integers(0, patients, size), stay


def learn(matrix, subject, stay, weight=None):
    outcomes = Outcomes(stay, np.zeros(stay.size, bool), np.full(stay.size, 100))
    risks = risks_of(GRID, np.zeros(stay.size, np.int64), outcomes)
    weight = np.ones(stay.size) if weight is None else weight
    return learn_encoding(matrix, FEATURES, risks, weight, subject)


def test_a_patient_is_not_described_by_their_own_stay():
    matrix, subject, stay = sample(0)
    _, columns = learn(matrix, subject, stay)
    for patient in np.unique(subject)[:40]:
        own = subject == patient
        changed = np.where(own, np.where(stay < 7, 27, 0), stay)
        _, again = learn(matrix, subject, changed)
        np.testing.assert_array_equal(columns[own], again[own])
        assert (columns[~own] != again[~own]).any()


def test_for_later_patients_everybody_speaks():
    matrix, subject, stay = sample(1)
    encoding, columns = learn(matrix, subject, stay)
    applied = encoding.apply(matrix)
    assert applied.shape == columns.shape == (len(stay), encoding.width)
    np.testing.assert_array_equal(applied[:, :3], matrix)
    np.testing.assert_array_equal(columns[:, :3], matrix)
    assert 0 < np.abs(applied[:, 3] - columns[:, 3]).max() < 0.5  # cross-fitted, yet much the same


def test_a_ward_that_keeps_its_patients_has_a_negative_ratio():
    table = learn(*sample(2, 4000))[0].ratios[0].table
    assert table[0] == min(table)
    assert table[0] < -0.5
    assert max(map(abs, table[1:])) < 0.3


def test_the_ratio_is_that_of_observed_and_expected_ends_shrunk():
    matrix, subject, stay = sample(3)
    weight = np.random.default_rng(3).random(stay.size)
    table = learn(matrix, subject, stay, weight)[0].ratios[0].table
    observed, expected = np.zeros(MISSING + 1), np.zeros(MISSING + 1)
    slot = np.where(np.isnan(matrix[:, 1]), MISSING, matrix[:, 1]).astype(int)
    for lower, upper in zip(GRID.boundaries, GRID.boundaries[1:], strict=False):
        there, leaves = stay >= lower, (stay >= lower) & (stay < upper)
        hazard = weight[leaves].sum() / weight[there].sum()
        np.add.at(observed, slot[leaves], weight[leaves])
        np.add.at(expected, slot[there], hazard * weight[there])
    np.testing.assert_allclose(table, np.log((observed + 20) / (expected + 20)), rtol=1e-9)


@pytest.mark.parametrize(
    ("value", "slot"),
    [(0.0, 0), (float(OTHER), OTHER), (math.nan, MISSING)],
    ids=["known", "never seen before", "missing"],
)
def test_every_value_has_its_slot(value, slot):
    ratio = learn(*sample(4))[0].ratios[0]
    assert len(ratio.table) == len(WARDS) + 2
    assert ratio.apply(np.array([value])).tolist() == [ratio.table[slot]]


def test_a_value_without_any_training_spell_is_average():
    matrix, subject, stay = sample(5)
    matrix[matrix[:, 1] == OTHER, 1] = 0.0
    table = learn(matrix, subject, stay)[0].ratios[0].table
    assert table[OTHER] == 0.0


def test_few_values_need_no_ratio():
    assert len(FEW) < MANY_VALUES <= len(WARDS)
    assert [ratio.feature for ratio in learn(*sample(6))[0].ratios] == [1]


@given(st.integers(0, 2**32))
def test_contributions_of_a_ratio_belong_to_its_feature(seed):
    rng = np.random.default_rng(seed)
    encoding = Encoding(3, (Ratio(1, (0.0,)), Ratio(0, (0.0,)), Ratio(1, (0.0,))))
    contributions = rng.normal(size=(4, 6))
    gathered = encoding.gather(contributions)
    assert gathered.shape == (4, 3)
    np.testing.assert_allclose(gathered.sum(axis=1), contributions.sum(axis=1))
    np.testing.assert_allclose(gathered[:, 1], contributions[:, [1, 3, 5]].sum(axis=1))
    np.testing.assert_array_equal(gathered[:, 2], contributions[:, 2])


def test_an_encoding_survives_json():
    encoding = learn(*sample(7))[0]
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding


def test_patients_spread_over_the_folds_whatever_their_numbers():
    """Consecutive numbers, steps of any size, and hashed ones."""
    for subject in (
        np.arange(500),
        np.arange(500) * 5,
        np.arange(500) * 2**20,
        np.arange(500) - 2**62,
    ):
        matrix, _, stay = sample(8, 500)
        matrix[:, 1] = 0.0
        columns = learn(matrix, subject, stay)[1]
        values, count = np.unique(columns[:, 3], return_counts=True)
        assert values.size == 5
        assert count.min() > 50
