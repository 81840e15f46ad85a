"""What is no model, or none of ours, is refused in words."""

import lightgbm as lgb
import numpy as np
import pytest

from feature_store.errors import BadInput
from models.trees import EXAMPLE, Trees, UnsupportedModel

LONE_LEAF = """\
Tree=1
num_leaves=1
num_cat=0
split_feature=
leaf_value=0.25
leaf_count=0
is_linear=0

"""


def fitted(**settings):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(300, 3))
    label = np.digitize(matrix[:, 0], [-0.5, 0.5]) if "num_class" in settings else matrix[:, 0] > 0
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1} | settings
    return lgb.train(settings, lgb.Dataset(matrix, label.astype(float)), 2).model_to_string()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "multiclass", "num_class": 3}, "expected one output.*got 3 outputs"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "random forest"),
        ({"linear_tree": True}, "linear leaves"),
    ],
)
def test_other_kinds_of_model_are_refused(settings, message):
    with pytest.raises(UnsupportedModel, match=message) as refused:
        Trees.from_text(fitted(**settings))
    assert isinstance(refused.value, BadInput)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tree\n", "", "a LightGBM text model expected"),
        ("end of trees", "", "a LightGBM text model expected"),
        ("version=v4", "version=v5", "expected text format v3 or v4, got v5"),
        ("feature_names=age_years", "feature_names=age years", "one name a feature"),
        ("num_leaves=2", "num_leaves=0", "one leaf a tree"),
        ("num_leaves=2", "num_leaves=3", "expected 2 numbers in"),
        ("num_leaves=2", "num_leaves=two", "expected numbers in num_leaves"),
        ("threshold=0.5", "threshold=nan", "in their ranges"),
        ("split_feature=0", "split_feature=1", "in their ranges"),
        ("leaf_value=-1 3", "leaf_value=-1 inf", "in their ranges"),
        ("leaf_count=30 10", "leaf_count=-30 10", "in their ranges"),
        ("internal_count=40", "internal_count=0", "training rows in every inner node"),
        ("left_child=-1", "left_child=-2", "one parent for every node"),
        ("left_child=-1", "left_child=0", "one parent for every node"),
        ("decision_type=2", "decision_type=1", "category sets"),
    ],
)
def test_a_damaged_text_is_refused(old, new, message):
    assert EXAMPLE.count(old) == 1
    with pytest.raises(UnsupportedModel, match=message):
        Trees.from_text(EXAMPLE.replace(old, new))


SETS = (
    ("num_cat=0", "num_cat=1"),
    ("threshold=0.5", "threshold=0\ncat_boundaries=0 2\ncat_threshold=6 1"),
    ("decision_type=2", "decision_type=1"),
)


def with_sets(*changes):
    text = EXAMPLE
    for old, new in (*SETS, *changes):
        text = text.replace(old, new)
    return text


def test_categories_in_the_set_go_left():
    trees = Trees.from_text(with_sets())
    codes = np.array([[0.0], [1.0], [2.9], [32.0], [33.0], [64.0], [-1.0], [np.nan]])
    assert trees.predict_raw(codes).tolist() == [3, -1, -1, -1, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("threshold=0\n", "threshold=1\n", "category sets that splits can find"),
        ("cat_boundaries=0 2", "cat_boundaries=1 2", "category sets that splits can find"),
        ("cat_boundaries=0 2", "cat_boundaries=0 3", "expected 3 numbers in cat_threshold"),
        ("cat_boundaries=0 2", "cat_boundaries=0 -2", "numbers in cat_threshold"),
        ("cat_threshold=6 1", "cat_threshold=6 4294967296", "category sets that splits can find"),
    ],
)
def test_damaged_category_sets_are_refused(old, new, message):
    with pytest.raises(UnsupportedModel, match=message):
        Trees.from_text(with_sets((old, new)))


def test_trees_without_a_split_count_and_explain_nothing():
    trees = Trees.from_text(EXAMPLE.replace("end of trees", LONE_LEAF + "end of trees"))
    rows = np.array([[0.4]])
    assert trees.predict_raw(rows).tolist() == [-0.75]
    assert trees.contributions(rows).tolist() == [[-1.0, 0.25]]


def test_a_model_without_trees_scores_nothing():
    header = EXAMPLE.partition("Tree=0")[0]
    trees = Trees.from_text(header + "\nend of trees\n")
    rows = np.array([[0.4]])
    assert trees.predict_raw(rows).tolist() == [0.0]
    assert trees.contributions(rows).tolist() == [[0.0, 0.0]]
    assert trees.predict_raw_grid(rows, (0,), rows).tolist() == [[0.0]]


def test_line_ends_of_another_system_are_read():
    trees = Trees.from_text(EXAMPLE.replace("\n", "\r\n"))
    assert trees.predict_raw(np.array([[0.4]])).tolist() == [-1.0]
