"""Reasons against their definition: every coalition of features, written out."""

import re
from itertools import combinations
from math import comb

import lightgbm as lgb
import numpy as np
import pytest

from models.reason_layout import MOST_POINTS
from models.trees import EXAMPLE, Trees, UnsupportedModel

FEATURES = 5


def worth(forest, row, known):
    """Mean score of a row of which only some features are known: training rows fill in."""

    def mean(node):
        if node < 0:
            return forest.leaf_value[~node]
        left, right = forest.children[node]
        feature = forest.feature[node]
        if feature in known:
            return mean(left if row[feature] <= forest.threshold[node] else right)
        counts = [
            forest.node_count[child] if child >= 0 else forest.leaf_count[~child]
            for child in (left, right)
        ]
        return (counts[0] * mean(left) + counts[1] * mean(right)) / forest.node_count[node]

    return sum(mean(root) for root in forest.node_start[:-1])


def shapley_values(forest, row):
    """Lundberg et al. 2020, equation of the Shapley value, with nothing clever."""
    values = np.zeros(FEATURES)
    for feature in range(FEATURES):
        others = [other for other in range(FEATURES) if other != feature]
        for size in range(FEATURES):
            for known in combinations(others, size):
                gain = worth(forest, row, {*known, feature}) - worth(forest, row, set(known))
                values[feature] += gain / (FEATURES * comb(FEATURES - 1, size))
    return values


def text_of(seed, leaves):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(400, FEATURES))
    label = (matrix[:, 0] * matrix[:, 1] + matrix[:, 2] + rng.normal(size=400) > 0).astype(float)
    settings = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 2, "verbosity": -1}
    booster = lgb.train(settings | {"num_threads": 1}, lgb.Dataset(matrix, label), 3)
    return booster.model_to_string(), rng.normal(size=(6, FEATURES))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("leaves", [2, 5, 25])
def test_reasons_are_shapley_values(seed, leaves):
    text, matrix = text_of(seed, leaves)
    trees = Trees.from_text(text)
    expected = [shapley_values(trees.forest, row) for row in matrix]
    np.testing.assert_allclose(trees.contributions(matrix)[:, :-1], expected, rtol=0, atol=1e-12)
    mean = worth(trees.forest, matrix[0], set())
    np.testing.assert_allclose(trees.expected_value, mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_leaf_that_no_training_row_reached_is_explained(seed):
    # LightGBM itself divides 0 by 0 here. Counts of fewer rows still add up on every other path.
    text, matrix = text_of(seed, 25)
    text = re.sub(r"leaf_count=\d+ \d+ \d+", "leaf_count=0 0 7", text)
    trees = Trees.from_text(text)
    reasons = trees.contributions(matrix)
    expected = [shapley_values(trees.forest, row) for row in matrix]
    np.testing.assert_allclose(reasons[:, :-1], expected, rtol=0, atol=1e-12)


def staircase(features):
    """One tree that asks for one feature after the other, until one is below its threshold."""
    nodes = range(features)
    counts = [features + 1 - node for node in nodes]
    children = [node + 1 for node in nodes[:-1]]
    lines = {
        "num_leaves": [features + 1],
        "num_cat": [0],
        "split_feature": nodes,
        "threshold": [0.5] * features,
        "decision_type": [2] * features,
        "left_child": [-node - 1 for node in nodes],
        "right_child": [*children, -features - 1],
        "leaf_value": [(-1) ** node * node for node in range(features + 1)],
        "leaf_count": [1] * (features + 1),
        "internal_count": counts,
    }
    header = EXAMPLE.partition("Tree=0")[0].replace("idx=0", f"idx={features - 1}")
    header = header.replace("age_years", " ".join(f"f{node}" for node in nodes))
    header = header.replace("[0:1]", " ".join(["[0:1]"] * features))
    body = "\n".join(f"{key}={' '.join(map(str, values))}" for key, values in lines.items())
    return f"{header}Tree=0\n{body}\n\nend of trees\n"


def integrals(forest, row):
    """Contributions to a staircase: each leaf's product over all features but one, nothing divided.

    With so many points that they are exact whatever the path.
    """
    at, weight = np.polynomial.legendre.leggauss(100)
    at, weight = (at + 1) / 2, weight / 2
    features = len(row)
    values = np.zeros(features)
    stays = forest.node_count / np.append(features + 1, forest.node_count[:-1])
    stays = np.append(stays[1:], forest.leaf_count[-1] / forest.node_count[-1])
    for leaf in range(features + 1):
        path = np.arange(min(leaf + 1, features))
        ends = path == leaf
        known = (row[path] <= 0.5) == ends
        share = np.where(ends, 1 - stays[path], stays[path])
        factors = np.outer(known, at) + np.outer(share, 1 - at)
        ones = np.ones((1, at.size))
        before = np.cumprod(np.vstack([ones, factors[:-1]]), axis=0)
        after = np.cumprod(np.vstack([ones, factors[:0:-1]]), axis=0)[::-1]
        values[path] += forest.leaf_value[leaf] * (known - share) * ((before * after) @ weight)
    return values


@pytest.mark.parametrize("features", [1, 8, 9, 16, 17, 33, 64, 2 * MOST_POINTS])
def test_paths_of_any_length_are_exact(features):
    text = staircase(features)
    trees = Trees.from_text(text)
    matrix = np.random.default_rng(features).random((10, features)) ** (1 / features)
    reasons = trees.contributions(matrix)
    expected = [integrals(trees.forest, row) for row in matrix]
    np.testing.assert_allclose(reasons[:, :-1], expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(reasons.sum(axis=1), trees.predict_raw(matrix), rtol=0, atol=1e-10)
    if features <= 20:  # LightGBM itself loses a digit every two features beyond
        booster = lgb.Booster(model_str=text)
        expected = booster.predict(matrix, pred_contrib=True, num_threads=1)
        np.testing.assert_allclose(reasons, expected, rtol=0, atol=1e-10)


def test_a_longer_path_than_the_rules_are_good_for_is_refused():
    trees = Trees.from_text(staircase(2 * MOST_POINTS + 1))
    with pytest.raises(UnsupportedModel, match="at most 192 different features"):
        trees.contributions(np.zeros((1, 2 * MOST_POINTS + 1)))
