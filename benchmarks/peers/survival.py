"""A survival peer: competing risks by gradient boosting (hazardous), death beside leaving alive."""

from __future__ import annotations

from typing import Final

import numpy as np
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from benchmarks.cases import Cases, Float64
from benchmarks.peers.peer import Predict, Terms

SEED: Final = 1
LONGEST: Final = 28.0
"""Days at which stays are cut off for the encoding of categories."""


def fit_survival(cases: Cases, target: Float64, trees: float, terms: Terms) -> Predict:
    """SurvivalBoost on days from the snapshot to the end of the stay; it sees death and censoring.

    It knows no categories, so they are told by scikit-learn's cross-fitted mean of the stay.
    """
    from hazardous import SurvivalBoost  # noqa: PLC0415 - only where the bench lock is installed

    del target  # learns from the whole stay
    stay, event = _followed(cases)
    encoder = _Categories(cases, np.minimum(stay, LONGEST))
    model = SurvivalBoost(
        n_iter=int(trees),
        max_leaf_nodes=15,
        min_samples_leaf=100,
        ipcw_strategy="kaplan-meier",
        show_progressbar=False,
        random_state=SEED,
    )
    model.fit(encoder.learnt, {"event": event, "duration": stay + 1.0})

    def predict(asked: Cases, _: float) -> Float64:
        ahead = terms.days - asked.days_so_far
        chance = np.ones(len(asked))
        for days in np.unique(ahead[ahead > 0]):
            rows = np.flatnonzero(ahead == days)
            beyond = model.predict_survival_function(
                encoder.apply(asked.matrix[rows]), times=np.array([days + 0.5])
            )
            chance[rows] = beyond[:, 0]
        return chance

    return predict


def _followed(cases: Cases) -> tuple[Float64, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Days from the snapshot to the end of the stay or of the data; 1 left, 2 died, 0 censored."""
    outcomes = cases.outcomes
    last = np.where(outcomes.censored, outcomes.follow_up_days, outcomes.length_of_stay_days)
    event = np.where(outcomes.censored, 0, np.where(outcomes.died, 2, 1))
    return np.maximum(last - cases.days_so_far, 0).astype(np.float64), event


class _Categories:
    """Categories told as the cross-fitted mean stay of those who share them."""

    def __init__(self, cases: Cases, stay: Float64) -> None:
        self._columns = list(cases.feature_set.categorical)
        self.learnt = cases.matrix.copy()
        if self._columns:
            self._encoder = TargetEncoder(
                target_type="continuous", cv=KFold(5, shuffle=True, random_state=SEED)
            )
            told = self._encoder.fit_transform(self._codes(cases.matrix), stay)
            self.learnt[:, self._columns] = told

    def _codes(self, matrix: Float64) -> Float64:
        return np.nan_to_num(matrix[:, self._columns], nan=-1.0)

    def apply(self, matrix: Float64) -> Float64:
        told = matrix.copy()
        if self._columns:
            told[:, self._columns] = self._encoder.transform(self._codes(matrix))
        return told
