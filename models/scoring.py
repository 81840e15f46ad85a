"""Events in, forecasts out: the flow that a request, a worklist and a batch share."""

from __future__ import annotations

from typing import Final

import numpy as np

from feature_store.compute import compute_features
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import LONG_STAY_DAYS
from models.bundle import Bundle
from models.forecast import Band, DischargeRange, Forecast, Reason, Refusal
from models.grid import Int64
from models.reasons import missing_in, reasons_for
from models.stay import Explanation, StayModel
from models.survival import Float64, Prediction

HIGH: Final = 0.5
MEDIUM: Final = 0.25
"""Chance of passing the next horizon from which a patient is called high or medium risk."""

TOP_REASONS: Final = 5


def score(
    bundle: Bundle, events: Events, snapshots: Snapshots, *, reasons: int | None = TOP_REASONS
) -> list[Forecast | Refusal]:
    """Score spells as they were known at their prediction times.

    Parameters
    ----------
    bundle : Bundle
    events : Events
        Of the subjects asked about, with their history.
    snapshots : Snapshots
    reasons : int or None
        How many reasons; None for all.

    Returns
    -------
    list of Forecast or Refusal
        One for each snapshot, in order.
    """
    refusals = bundle.scope.out_of_scope(events, snapshots)
    asked = np.array(
        [row for row, refusal in enumerate(refusals) if refusal is None], dtype=np.intp
    )
    kept = snapshots.take(asked)
    matrix = compute_features(events, kept, bundle.model.feature_set)
    forecasts = iter(forecast(bundle.model, matrix, kept.days_so_far, reasons=reasons))
    return [next(forecasts) if refusal is None else refusal for refusal in refusals]


def forecast(
    model: StayModel, matrix: Float64, days_so_far: Int64, *, reasons: int | None = TOP_REASONS
) -> list[Forecast]:
    """Forecasts from features already computed, one a row."""
    if not len(days_so_far):
        return []
    prediction = model.predict(matrix, days_so_far)
    explanation = model.explain(matrix, days_so_far)
    told = reasons_for(explanation, matrix, model.feature_set, most=reasons)
    missing, completeness = missing_in(matrix, model.feature_set, model.importance)
    chances = {days: _chance(prediction, days) for days in LONG_STAY_DAYS}
    quantiles = [prediction.quantile(share) for share in (0.1, 0.5, 0.9)]
    return [
        _forecast(
            row,
            prediction,
            explanation,
            chances,
            quantiles,
            told[row],
            missing[row],
            float(completeness[row]),
            matrix[row].astype("<f8", copy=False).tobytes(),
        )
        for row in range(len(days_so_far))
    ]


def _chance(prediction: Prediction, days: int) -> Float64:
    """P(length of stay >= days); NaN for a horizon the training data could not show."""
    if days in prediction.grid.horizons:
        return prediction.at_least(days)
    return np.where(prediction.days_so_far >= days, 1.0, np.nan)


def _forecast(  # noqa: PLR0913, PLR0917 - private: one row of many columns
    row: int,
    prediction: Prediction,
    explanation: Explanation,
    chances: dict[int, Float64],
    quantiles: list[Float64],
    reasons: tuple[Reason, ...],
    missing: tuple[str, ...],
    completeness: float,
    features: bytes,
) -> Forecast:
    probability = {days: _known(chance[row]) for days, chance in chances.items()}
    p10, p50, p90 = (None if np.isnan(column[row]) else int(column[row]) for column in quantiles)
    return Forecast(
        days_so_far=int(prediction.days_so_far[row]),
        probability=probability,
        band=band_of(probability, int(prediction.days_so_far[row])),
        discharge_day=DischargeRange(p10=p10, p50=p50, p90=p90),
        probability_of_death_in_hospital=_known(prediction.died[row]),
        reasons=reasons,
        base_value=float(explanation.base_value[row]),
        log_odds=float(explanation.log_odds[row]),
        missing=missing,
        completeness=completeness,
        features=features,
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def band_of(probability: dict[int, float | None], days_so_far: int) -> Band:
    """Risk in a word: the chance of passing the next horizon; high once none is left.

    >>> band_of({7: 0.71, 14: 0.38, 21: None}, 2).value
    'high'
    >>> band_of({7: 1.0, 14: 0.2, 21: None}, 8).value
    'low'
    """
    ahead = [
        chance
        for days, chance in sorted(probability.items())
        if days > days_so_far and chance is not None
    ]
    if not ahead or ahead[0] >= HIGH:
        return Band.HIGH
    return Band.MEDIUM if ahead[0] >= MEDIUM else Band.LOW
