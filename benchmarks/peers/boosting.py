"""Gradient boosting, four libraries, each told about categories in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.cases import Cases, Float64, Int64
from benchmarks.peers.peer import Fit, Predict, Terms

SEED: Final = 1
_MOST_CATEGORIES: Final = 254
"""Values scikit-learn takes natively; the rarest are told as one."""

ORDINARY: Final = {"learning_rate": 0.05, "min_data_in_leaf": 50}

REGULARISED: Final = {
    "learning_rate": 0.05,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "lambda_l2": 30.0,
    "cat_smooth": 100.0,
    "cat_l2": 100.0,
    "min_data_per_group": 50,
}
"""The strong smoothing that Homeward's own trees have."""


def fit_histogram(cases: Cases, target: Float64, trees: float, terms: Terms) -> Predict:
    """scikit-learn's HistGradientBoosting."""
    del terms  # OMP_NUM_THREADS decides
    categorical = list(cases.feature_set.categorical)
    tables = {
        column: _commonest(
            cases.matrix[:, column], len(cases.feature_set.features[column].categories) + 1
        )
        for column in categorical
    }
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=int(trees),
        max_leaf_nodes=15,
        min_samples_leaf=100,
        l2_regularization=30.0,
        max_features=0.5,
        categorical_features=categorical,
        early_stopping=False,
        random_state=SEED,
    )
    model.fit(_recoded(cases.matrix, tables), target)

    def predict(asked: Cases, size: float) -> Float64:
        stages = model.staged_predict_proba(_recoded(asked.matrix, tables))
        return np.asarray(next(islice(stages, int(size) - 1, None))[:, 1])

    return predict


def _commonest(column: Float64, size: int) -> Int64:
    """Category to the code it is told as: the commonest keep one of their own."""
    count = np.bincount(column[~np.isnan(column)].astype(np.int64), minlength=size)
    rank = np.empty(count.size, np.int64)
    rank[np.argsort(-count, kind="stable")] = np.arange(count.size)
    return np.minimum(rank, _MOST_CATEGORIES)


def _recoded(rows: Float64, tables: Mapping[int, Int64]) -> Float64:
    columns = rows.copy()
    for column, table in tables.items():
        known = ~np.isnan(rows[:, column])
        columns[known, column] = table[rows[known, column].astype(np.int64)]
    return columns


def fit_xgboost(cases: Cases, target: Float64, trees: float, terms: Terms) -> Predict:
    """XGBoost with its native categories."""
    import xgboost  # noqa: PLC0415 - only where the bench lock is installed

    kinds = ["c" if feature.categorical else "q" for feature in cases.feature_set.features]

    def told(rows: Float64, label: Float64 | None = None) -> xgboost.DMatrix:
        return xgboost.DMatrix(rows, label, feature_types=kinds, enable_categorical=True)

    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "eta": 0.05,
        "max_depth": 6,
        "min_child_weight": 10,
        "reg_lambda": 30,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
        "max_cat_to_onehot": 4,
        "nthread": terms.threads,
        "seed": SEED,
    }
    model = xgboost.train(settings, told(cases.matrix, target), int(trees))
    return lambda asked, size: np.asarray(
        model.predict(told(asked.matrix), iteration_range=(0, int(size))), dtype=np.float64
    )


def fit_catboost(cases: Cases, target: Float64, trees: float, terms: Terms) -> Predict:
    """CatBoost with its own ordered encoding of categories."""
    return catboost_on(_frame)(cases, target, trees, terms)


def catboost_on(frame: Callable[[Cases], tuple[Any, list[int]]]) -> Fit:
    """CatBoost on the columns of ``frame``: a pandas data frame, and which are categorical."""

    def fit(cases: Cases, target: Float64, trees: float, terms: Terms) -> Predict:
        import catboost  # noqa: PLC0415 - only where the bench lock is installed

        def told(asked: Cases, label: Float64 | None = None) -> catboost.Pool:
            columns, categorical = frame(asked)
            return catboost.Pool(columns, label, cat_features=categorical)

        model = catboost.CatBoostClassifier(
            iterations=int(trees),
            learning_rate=0.08,
            depth=6,
            thread_count=terms.threads,
            random_seed=SEED,
            verbose=0,
            allow_writing_files=False,
        )
        model.fit(told(cases, target))
        return lambda asked, size: np.asarray(
            model.predict_proba(told(asked), ntree_end=int(size))[:, 1]
        )

    return fit


def _frame(cases: Cases) -> tuple[pd.DataFrame, list[int]]:
    """The matrix as a data frame: the only mixed form that CatBoost takes."""
    names, categorical = list(cases.feature_set.names), list(cases.feature_set.categorical)
    frame = pd.DataFrame(cases.matrix, columns=names)
    for column in categorical:
        frame[names[column]] = np.nan_to_num(cases.matrix[:, column], nan=-1).astype(np.int64)
    return frame, categorical


def lightgbm_with(settings: Mapping[str, Any]) -> Fit:
    """LightGBM with its native categories and these settings."""

    def fit(cases: Cases, target: Float64, trees: float, terms: Terms) -> Predict:
        chosen = {
            "objective": "binary",
            "seed": SEED,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            "num_threads": terms.threads,
            **settings,
        }
        data = lightgbm.Dataset(
            cases.matrix,
            target,
            categorical_feature=list(cases.feature_set.categorical),
            params=chosen,
        )
        model = lightgbm.train(chosen, data, int(trees))
        return lambda asked, size: np.asarray(
            model.predict(asked.matrix, num_iteration=int(size), num_threads=terms.threads)
        )

    return fit
