"""Logistic regression on one-hot categories and scaled numbers, with missing indicators."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from benchmarks.cases import Cases, Float64
from benchmarks.peers.peer import Predict, Terms

STRENGTHS: Final = (0.01, 0.03, 0.1, 0.3)
"""Inverse ridge penalties to choose from (scikit-learn's C)."""


def fit_regression(cases: Cases, target: Float64, strength: float, terms: Terms) -> Predict:
    """Fit; numbers come as they are and as their signed logarithm, for counts are skewed."""
    del terms  # the solver uses one
    design = _Design(cases)
    model = LogisticRegression(C=strength, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # far enough for ranks to 1e-4
        model.fit(design.learn(cases.matrix), target)
    return lambda asked, _: np.asarray(model.predict_proba(design.apply(asked.matrix))[:, 1])


class _Design:
    """Features to columns of a regression."""

    def __init__(self, cases: Cases) -> None:
        every = range(len(cases.feature_set))
        categories = list(cases.feature_set.categorical)
        numbers = [column for column in every if column not in categories]
        self.parts: list[tuple[list[int], Pipeline]] = []
        if categories:
            told = FunctionTransformer(_missing_as_a_category)
            one_hot = make_pipeline(told, OneHotEncoder(handle_unknown="ignore"))
            self.parts.append((categories, one_hot))
        if numbers:
            imputer = SimpleImputer(strategy="median", add_indicator=True)
            logarithms = FunctionTransformer(_with_logarithms)
            self.parts.append((numbers, make_pipeline(logarithms, imputer, StandardScaler())))

    def learn(self, matrix: Float64) -> sparse.csr_matrix:
        return sparse.hstack(
            [steps.fit_transform(matrix[:, columns]) for columns, steps in self.parts]
        ).tocsr()

    def apply(self, matrix: Float64) -> sparse.csr_matrix:
        return sparse.hstack(
            [steps.transform(matrix[:, columns]) for columns, steps in self.parts]
        ).tocsr()


def _missing_as_a_category(columns: Float64) -> Float64:
    return np.nan_to_num(columns, nan=-1.0)


def _with_logarithms(numbers: Float64) -> Float64:
    return np.hstack([numbers, np.sign(numbers) * np.log1p(np.abs(numbers))])
