"""An AutoML peer: FLAML chooses learner and settings by itself within a number of trials."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.cases import Cases, Float64
from benchmarks.peers.peer import Predict, Terms

SEED: Final = 1


def fit_automl(cases: Cases, target: Float64, trials: float, terms: Terms) -> Predict:
    """FLAML over LightGBM, XGBoost, CatBoost, random forest and extra trees, by log-loss."""
    import flaml  # noqa: PLC0415 - only where the bench lock is installed

    logging.getLogger("flaml").setLevel(logging.ERROR)
    search = flaml.AutoML()
    search.fit(
        _frame(cases),
        target.astype(np.int64),
        task="classification",
        metric="log_loss",
        time_budget=-1,  # a budget of seconds would depend on who else uses the machine
        max_iter=int(trials),
        estimator_list=["lgbm", "xgboost", "xgb_limitdepth", "catboost", "rf", "extra_tree"],
        n_jobs=terms.threads,
        seed=SEED,
        verbose=0,
    )
    return lambda asked, _: np.asarray(search.predict_proba(_frame(asked))[:, 1])


def _frame(cases: Cases) -> pd.DataFrame:
    names = list(cases.feature_set.names)
    frame = pd.DataFrame(cases.matrix, columns=names)
    for column in cases.feature_set.categorical:
        size = len(cases.feature_set.features[column].categories) + 1
        codes = np.nan_to_num(cases.matrix[:, column], nan=size).astype(np.int64)
        frame[names[column]] = pd.Categorical(codes, categories=range(size + 1))
    return frame
