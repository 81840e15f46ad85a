"""Golden scores: made-up rows whose scores every copy of a model must reproduce.

The rows are drawn from the range of each feature by itself. No row is a patient's: each value is
chosen without regard to the others, between the 5th and the 95th centile, rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.definitions import Read
from models.stay import StayModel

Float64 = NDArray[np.float64]

ROWS: Final = 25
TOLERANCE: Final = 1e-9

_DAYS: Final = (0, 0, 1, 2, 5, 8, 15)
_CENTILES: Final = (5.0, 95.0)
_MISSING: Final = 0.2


def make_golden(model: StayModel, matrix: Float64, *, seed: int) -> dict[str, Any]:
    """Rows and their scores, as plain JSON data.

    Parameters
    ----------
    model : StayModel
    matrix : ndarray of float64, shape (n, n_features)
        Training features, for their ranges.
    seed : int
    """
    generator = np.random.default_rng(seed)
    rows = np.column_stack(
        [
            _draw(column, categories=len(feature.categories), generator=generator)
            for column, feature in zip(matrix.T, model.feature_set.features, strict=True)
        ]
    )
    days = np.array([_DAYS[row % len(_DAYS)] for row in range(ROWS)], np.int64)
    for column, feature in enumerate(model.feature_set.features):
        if feature.read is Read.DAYS_SO_FAR:  # one clock: a row cannot be of two days
            rows[:, column] = days
    return {
        "rows": [[None if np.isnan(value) else float(value) for value in row] for row in rows],
        "days_so_far": days.tolist(),
        "scores": _scores(model, rows, days),
    }


def _draw(column: Float64, *, categories: int, generator: np.random.Generator) -> Float64:
    known = column[~np.isnan(column)]
    if categories:
        values = generator.integers(0, categories, ROWS).astype(np.float64)
    elif known.size:
        low, high = np.percentile(known, _CENTILES)
        values = np.array([float(f"{value:.2g}") for value in generator.uniform(low, high, ROWS)])
    else:
        values = np.full(ROWS, np.nan)
    values[generator.random(ROWS) < _MISSING] = np.nan
    return values


def _scores(
    model: StayModel, rows: Float64, days: np.ndarray[Any, Any]
) -> dict[str, list[float | None]]:
    prediction, explanation = model.predict(rows, days), model.explain(rows, days)
    columns = {f"p_{horizon}": prediction.at_least(horizon) for horizon in model.grid.horizons}
    columns |= {"p_death": prediction.died, "log_odds": explanation.log_odds}
    return {
        name: [None if np.isnan(value) else float(value) for value in column]
        for name, column in columns.items()
    }


def golden_gap(model: StayModel, golden: Mapping[str, Any]) -> float:
    """Largest difference of the scores kept from those computed now; infinite if they do not fit.

    Parameters
    ----------
    model : StayModel
    golden : mapping
        From :func:`make_golden`.
    """
    try:
        rows = np.array(golden["rows"], dtype=np.float64)
        days = np.array(golden["days_so_far"], dtype=np.int64)
        kept = {name: np.array(column, np.float64) for name, column in golden["scores"].items()}
        now = _scores(model, rows, days)
        if now.keys() != kept.keys():
            return float("inf")
        return max(_gap(np.array(now[name], np.float64), kept[name]) for name in kept)
    except (KeyError, TypeError, ValueError, AttributeError):
        return float("inf")


def _gap(first: Float64, second: Float64) -> float:
    gap = np.nan_to_num(np.abs(first - second), nan=np.inf)
    return float(np.where(np.isnan(first) & np.isnan(second), 0.0, gap).max(initial=0.0))
