"""What a hospital could do without this model: a rule on a wall, and a plain regression.

Both learn from the same training snapshots, and are judged on the same held-out ones. A model that
cannot beat them is not promoted.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from feature_store.definitions import FeatureSet
from feature_store.events import Int64
from models.judging.estimate import Float64
from models.judging.groups import bands
from training.facts import AGE_BANDS, AGE_EDGES, UNKNOWN, ages, methods
from training.material import Material

NAMES: Final[Mapping[str, str]] = {
    "lr": "logistic regression",
    "rule": "age-and-method rule",
    "hfrs": "hospital frailty risk score",
    "champion": "last model",
}

_PRIOR_ROWS: Final = 50.0
"""Snapshots at which a cell of the rule counts half for itself, half for its day of stay."""

_LEAST_CATEGORY: Final = 30
_ITERATIONS: Final = 300
_TOLERANCE: Final = 1e-3
_STRENGTHS: Final = (0.001, 0.01, 0.1, 1.0)
"""Inverse penalties to choose from: what suits thousands of spells ruins hundreds. Each fit begins
where the one before ended, hence from the strongest penalty, whose answer is nearest to none."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Share of long stays by age band, admission method and days so far, as a table on a wall.

    Parameters
    ----------
    rates : ndarray of float64, shape (n_days, n_ages, n_methods)
    """

    rates: Float64

    @classmethod
    def fit(cls, material: Material, horizon: int, *, told: FeatureSet) -> Rule:
        """Count; cells with few snapshots lean towards the rate of their day."""
        target = material.target(horizon)
        known = ~np.isnan(target)
        cell, shape = _cells(material, horizon, told)
        size = np.prod(shape)
        rows = np.bincount(cell[known], minlength=size).reshape(shape)
        long = np.bincount(cell[known], target[known], minlength=size).reshape(shape)
        overall = float(target[known].mean()) if known.any() else 0.0
        by_day = (long.sum(axis=(1, 2)) + _PRIOR_ROWS * overall) / (
            rows.sum(axis=(1, 2)) + _PRIOR_ROWS
        )
        return cls((long + _PRIOR_ROWS * by_day[:, None, None]) / (rows + _PRIOR_ROWS))

    def predict(self, material: Material, horizon: int, *, told: FeatureSet) -> Float64:
        """Rate of each snapshot's cell, shape (n,)."""
        cell, _ = _cells(material, horizon, told)
        return np.asarray(self.rates.ravel()[cell])


def _cells(
    material: Material, horizon: int, told: FeatureSet
) -> tuple[Int64, tuple[int, int, int]]:
    labels = (*AGE_BANDS, UNKNOWN)
    day = np.minimum(material.days_so_far, horizon)
    age = bands(ages(material.facts), AGE_EDGES, labels)
    method = methods(material.facts, told)
    shape = (horizon + 1, len(labels), len(told.features[1].categories) + 2)
    return np.ravel_multi_index((day, age, method), shape), shape


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """Logistic regressions, one a horizon, on the features of the model and the days so far.

    Parameters
    ----------
    prepare : ColumnTransformer
        Impute and flag what is missing, scale, one column a common category.
    fitted : mapping of int to LogisticRegression
    """

    prepare: ColumnTransformer
    fitted: Mapping[int, LogisticRegression]

    @classmethod
    def fit(
        cls,
        material: Material,
        later: Material,
        horizons: tuple[int, ...],
        *,
        feature_set: FeatureSet,
        most_rows: int,
        seed: int,
    ) -> Regression:
        """Fit on at most ``most_rows`` snapshots, of whole spells taken by chance.

        The penalty of each horizon is the one that predicts the ``later`` spells best.
        """
        rows = _whole_spells(material.snapshots.spell_id, most_rows, seed)
        prepare = _preparation(feature_set)
        design = prepare.fit_transform(_design(material)[rows])
        judged = prepare.transform(_design(later))
        fitted = {
            horizon: _fit_best(
                design, material.target(horizon)[rows], judged, later.target(horizon)
            )
            for horizon in horizons
        }
        return cls(prepare, fitted)

    def predict(self, material: Material) -> dict[int, Float64]:
        """P(length of stay >= horizon) of each snapshot, by horizon."""
        design = self.prepare.transform(_design(material))
        return {
            horizon: np.asarray(regression.predict_proba(design)[:, 1])
            for horizon, regression in self.fitted.items()
        }


def _fit_best(design: Any, target: Float64, judged: Any, later: Float64) -> LogisticRegression:
    known, asked = ~np.isnan(target), ~np.isnan(later)
    tried = []
    regression = LogisticRegression(max_iter=_ITERATIONS, tol=_TOLERANCE, warm_start=True)
    for strength in _STRENGTHS:
        regression.set_params(C=strength)
        with warnings.catch_warnings():
            # Stopped early it is still a baseline; that it stopped is no news to the user.
            warnings.simplefilter("ignore", ConvergenceWarning)
            regression.fit(design[known], target[known])
        loss = 0.0
        if asked.any():
            chance = regression.predict_proba(judged[asked])[:, 1]
            loss = float(log_loss(later[asked], chance, labels=[0.0, 1.0]))
        tried.append((loss, deepcopy(regression)))
    return min(tried, key=lambda one: one[0])[1]


def _design(material: Material) -> Float64:
    return np.column_stack([material.matrix, material.days_so_far])


def _whole_spells(spell_id: Int64, most_rows: int, seed: int) -> NDArray[np.bool_]:
    spells, row = np.unique(spell_id, return_inverse=True)
    if spell_id.size <= most_rows:
        return np.ones(spell_id.size, bool)
    chance = np.random.default_rng(seed).random(spells.size)
    return np.asarray(chance[row.ravel()] < most_rows / spell_id.size)


def _preparation(feature_set: FeatureSet) -> ColumnTransformer:
    categorical = list(feature_set.categorical)
    numbers = [column for column in range(len(feature_set) + 1) if column not in set(categorical)]
    steps: list[tuple[str, Pipeline | OneHotEncoder, list[int]]] = [
        (
            "numbers",
            make_pipeline(
                SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
                StandardScaler(),
            ),
            numbers,
        ),
        (
            "categories",
            OneHotEncoder(min_frequency=_LEAST_CATEGORY, handle_unknown="infrequent_if_exist"),
            categorical,
        ),
    ]
    return ColumnTransformer([step for step in steps if step[2]], sparse_threshold=0.3)
