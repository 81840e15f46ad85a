"""LightGBM is the oracle: scores to the bit, reasons to rounding, whatever the trees are like."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache

import lightgbm as lgb
import numpy as np
import pytest

from models import kernel
from models.trees import EXAMPLE, Trees, kernel_available

SEEDS = range(4)
CODES = 150  # categories of the first column of a categorical kind
TINY = float(np.float32(1e-35))  # LightGBM's zero ends here


@dataclass(frozen=True)
class Kind:
    """A kind of model: how it is fitted, and to what."""

    settings: dict = field(default_factory=dict)
    trees: int = 15
    features: int = 9
    categorical: tuple = ()
    missing: float = 0.2
    zeros: float = 0.1
    target: str = "mixture"


KINDS = {
    "numeric": Kind(),
    "nothing missing": Kind(missing=0.0),
    "missing as zero": Kind({"zero_as_missing": True}, zeros=0.4),
    "missing not looked at": Kind({"use_missing": False}),
    "categorical": Kind(
        {"min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}, categorical=(0, 3, 8)
    ),
    "monotone": Kind({"monotone_constraints": [1, -1, 0, 0, 1, 0, 0, 0, -1]}),
    "stumps": Kind({"num_leaves": 2}, trees=40),
    "no split": Kind({"min_data_in_leaf": 5000}),
    "one feature again and again": Kind({"num_leaves": 63}, features=2),
    "bagged, dropped": Kind({"boosting": "dart", "bagging_fraction": 0.5, "bagging_freq": 1}),
    "regression": Kind({"objective": "regression"}),
    "long paths": Kind({"num_leaves": 40}, trees=3, features=40, missing=0.0, target="first fault"),
    "as served": Kind({"num_leaves": 63}, trees=300, features=30, categorical=(0, 3)),
}


def rows_of(kind, n, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, kind.features))
    matrix[rng.random(matrix.shape) < kind.zeros] = 0.0
    for column in kind.categorical:
        matrix[:, column] = rng.integers(0, CODES // (column + 1), n)
    matrix[rng.random(matrix.shape) < kind.missing] = np.nan
    return matrix


def labels_of(kind, matrix, seed):
    rng = np.random.default_rng(seed + 1)
    known = np.nan_to_num(matrix)
    if kind.target == "first fault":  # each feature matters only if all before it are fine
        return np.argmax(np.column_stack([known > -1.2, np.ones(len(known))]) < 1, axis=1) % 2
    score = known[:, :2].sum(axis=1) * known[:, -1] + np.isnan(matrix[:, 0])
    for column in kind.categorical:
        score += rng.normal(size=CODES)[known[:, column].astype(int)]
    return (score + rng.normal(size=len(known)) > 0.5).astype(float)


def wild(kind, matrix, seed):
    """Rows with what nobody asked for: edges of zero, infinities, codes that are none."""
    rng = np.random.default_rng(seed)
    edges = [0.0, -0.0, TINY, -TINY, 1e-36, 2 * TINY, np.inf, -np.inf, np.nan, 1e300, -1e-30]
    codes = [-1.0, -0.5, 2.7, 148.999, 151.0, 1e5, 1e10, 2.0**31, -(2.0**33), np.inf, np.nan]
    strange = matrix.copy()
    for column in range(matrix.shape[1]):
        values = codes if column in kind.categorical else edges
        hit = rng.random(len(matrix)) < 0.3
        strange[hit, column] = rng.choice(values, int(hit.sum()))
    return strange


@cache
def fitted(name, seed):
    kind = KINDS[name]
    matrix = rows_of(kind, 3000, seed)
    settings = {"objective": "binary", "num_leaves": 20, "min_data_in_leaf": 5, "verbosity": -1}
    settings |= {"num_threads": 1, "seed": seed, "learning_rate": 0.1} | kind.settings
    data = lgb.Dataset(matrix, labels_of(kind, matrix, seed), categorical_feature=kind.categorical)
    booster = lgb.train(settings, data, kind.trees)
    asked = rows_of(kind, 60, seed + 100)
    return (
        booster,
        Trees.from_text(booster.model_to_string()),
        np.vstack([asked, wild(kind, asked, seed)]),
    )


def cases():
    return [(name, seed) for name in KINDS for seed in (SEEDS if name != "as served" else (0,))]


@pytest.mark.parametrize(("name", "seed"), cases())
def test_scores_are_lightgbms_to_the_bit(name, seed):
    booster, trees, matrix = fitted(name, seed)
    expected = booster.predict(matrix, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(trees.predict_raw(matrix), expected)


@pytest.mark.parametrize(("name", "seed"), cases())
def test_reasons_are_lightgbms_to_rounding(name, seed):
    booster, trees, matrix = fitted(name, seed)
    expected = booster.predict(matrix, pred_contrib=True, num_threads=1)
    reasons = trees.contributions(matrix)
    np.testing.assert_allclose(reasons, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(reasons.sum(axis=1), trees.predict_raw(matrix), rtol=0, atol=1e-10)
    np.testing.assert_allclose(reasons[:, -1], trees.expected_value, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "seed"), cases())
def test_a_grid_gives_what_its_points_give_one_by_one(name, seed):
    booster, trees, matrix = fitted(name, seed)
    rng, rows = np.random.default_rng(seed), matrix[::7].copy()
    varying = tuple(int(column) for column in rng.permutation(matrix.shape[1])[: 1 + seed % 3])
    grid = np.ascontiguousarray(matrix[rng.integers(0, len(matrix), 7)][:, varying])
    stacked = np.repeat(rows, len(grid), axis=0)
    stacked[:, varying] = np.tile(grid, (len(rows), 1))
    scores = booster.predict(stacked, raw_score=True, num_threads=1).reshape(len(rows), -1)
    weights = rng.normal(size=scores.shape) * (rng.random(scores.shape) < 0.7)
    single = booster.predict(stacked, pred_contrib=True, num_threads=1)
    expected = np.einsum("np,npf->nf", weights, single.reshape(*scores.shape, -1))

    rows[:, varying] = np.nan  # what stands there is not looked at
    np.testing.assert_array_equal(trees.predict_raw_grid(rows, varying, grid), scores)
    reasons = trees.contributions_grid(rows, varying, grid, weights)
    np.testing.assert_allclose(reasons, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["categorical", "long paths", "as served"])
def test_a_row_alone_is_its_row_of_a_batch_to_the_bit(name):
    _, trees, matrix = fitted(name, 0)
    grid, weights = np.array([[0.5], [1.5], [np.nan]]), np.array([[0.2, 0.3, 0.5]])
    both = trees.contributions_grid(matrix, (1,), grid, weights.repeat(len(matrix), axis=0))
    alone = [
        (
            trees.predict_raw(row),
            trees.contributions(row),
            trees.predict_raw_grid(row, (1,), grid),
            trees.contributions_grid(row, (1,), grid, weights),
        )
        for row in matrix[:, None]
    ]
    scores, reasons, on_grid, over_grid = (
        np.concatenate(answers) for answers in zip(*alone, strict=True)
    )
    np.testing.assert_array_equal(scores, trees.predict_raw(matrix))
    np.testing.assert_array_equal(reasons, trees.contributions(matrix))
    np.testing.assert_array_equal(on_grid, trees.predict_raw_grid(matrix, (1,), grid))
    np.testing.assert_array_equal(over_grid, both)


@pytest.mark.parametrize("name", ["categorical", "long paths", "as served"])
def test_every_width_of_register_gives_the_same_bits(name):
    booster, trees, matrix = fitted(name, 0)
    grid, weights = np.array([[0.5], [1.5]]), np.ones((len(matrix), 2))
    for lanes in (2, 4, 8):
        if lanes > kernel.library().homeward_lanes():
            continue
        narrow = Trees.from_text(booster.model_to_string())
        for varying in ((), (1,)):
            narrow._models(varying).structure.lanes = lanes
        np.testing.assert_array_equal(narrow.contributions(matrix), trees.contributions(matrix))
        np.testing.assert_array_equal(
            narrow.contributions_grid(matrix, (1,), grid, weights),
            trees.contributions_grid(matrix, (1,), grid, weights),
        )


def test_a_grid_of_one_point_is_no_grid():
    _, trees, matrix = fitted("categorical", 1)
    rows = matrix[3:4]
    point = np.ascontiguousarray(rows[:, [0, 5]])
    reasons = trees.contributions_grid(rows, (0, 5), point, np.ones((1, 1)))
    np.testing.assert_allclose(reasons, trees.contributions(rows), rtol=0, atol=1e-12)
    nothing = trees.contributions_grid(rows, (0, 5), point, np.zeros((1, 1)))
    np.testing.assert_array_equal(nothing, np.zeros_like(nothing))


def test_long_paths_are_long():
    _, trees, _ = fitted("long paths", 0)
    assert trees._models(()).arrays["reason_bundles"]["points"].max() >= 16


def test_threads_may_share_a_model():
    booster, _, matrix = fitted("as served", 0)
    trees = Trees.from_text(booster.model_to_string())
    expected = booster.predict(matrix, pred_contrib=True, num_threads=1)
    with ThreadPoolExecutor(4) as threads:
        for reasons in threads.map(lambda _: trees.contributions(matrix), range(12)):
            np.testing.assert_allclose(reasons, expected, rtol=0, atol=1e-10)


def test_a_used_model_travels_as_text():
    _, trees, matrix = fitted("categorical", 0)
    trees.contributions(matrix)
    np.testing.assert_array_equal(deepcopy(trees).predict_raw(matrix), trees.predict_raw(matrix))


def test_no_rows_have_no_answers():
    trees, none = Trees.from_text(EXAMPLE), np.zeros((0, 1))
    grid = np.zeros((3, 1))
    assert trees.predict_raw(none).shape == (0,)
    assert trees.contributions(none).shape == (0, 2)
    assert trees.predict_raw_grid(none, (0,), grid).shape == (0, 3)
    assert trees.contributions_grid(none, (0,), grid, np.zeros((0, 3))).shape == (0, 2)


def test_read_only_rows_are_read():
    trees, rows = Trees.from_text(EXAMPLE), np.array([[0.4], [0.6]])
    rows.flags.writeable = False
    assert trees.predict_raw(rows).tolist() == [-1.0, 3.0]


ROW, GRID, WEIGHTS = np.zeros((2, 1)), np.zeros((3, 1)), np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda trees: trees.predict_raw([[0.0]]), "ndarray of float64 expected, got list"),
        (lambda trees: trees.predict_raw(ROW.astype(np.float32)), "got float32"),
        (lambda trees: trees.predict_raw(np.zeros(1)), r"shape \(n, 1\) expected, got \(1,\)"),
        (lambda trees: trees.contributions(np.zeros((1, 2))), r"got \(1, 2\)"),
        (lambda trees: trees.contributions(np.zeros((4, 1))[::2]), "C-contiguous"),
        (lambda trees: trees.predict_raw_grid(ROW, (1,), GRID), "varying"),
        (lambda trees: trees.predict_raw_grid(ROW, (0, 0), np.zeros((3, 2))), "varying"),
        (lambda trees: trees.predict_raw_grid(ROW, (), np.zeros((3, 0))), "varying"),
        (lambda trees: trees.predict_raw_grid(ROW, (0,), GRID[:0]), "one or more points"),
        (lambda trees: trees.predict_raw_grid(ROW, (0,), np.zeros((3, 2))), "grid: shape"),
        (lambda trees: trees.contributions_grid(ROW, (0,), GRID, WEIGHTS[:1]), "one line a row"),
        (lambda trees: trees.contributions_grid(ROW, (0,), GRID, WEIGHTS[:, :2]), "weights: shape"),
        (lambda trees: trees.contributions_grid(ROW, (0,), GRID, WEIGHTS * np.nan), "finite"),
        (lambda trees: trees.contributions_grid(ROW, (0,), GRID, WEIGHTS / 0.0), "finite"),
    ],
)
def test_what_the_kernel_cannot_read_is_refused(call, message):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=message):
        call(Trees.from_text(EXAMPLE))


def test_a_kernel_that_is_not_there_is_missed_clearly(monkeypatch, tmp_path):
    try:
        for content in (None, b"not a library"):
            library = tmp_path / "_kernel.so"
            if content:
                library.write_bytes(content)
            kernel.library.cache_clear()
            monkeypatch.setattr(kernel, "LIBRARY", library)
            assert not kernel_available()
            with pytest.raises(kernel.KernelMissing, match="install Homeward again"):
                Trees.from_text(EXAMPLE).predict_raw(ROW)
        monkeypatch.undo()
        monkeypatch.setattr(kernel, "VERSION", -1)
        kernel.library.cache_clear()
        with pytest.raises(kernel.KernelMissing, match="version -1 expected"):
            kernel.library()
    finally:
        monkeypatch.undo()
        kernel.library.cache_clear()
    assert kernel_available()
