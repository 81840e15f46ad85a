"""Events in, forecasts out: the flow that a request, a worklist and a batch share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from feature_store.compute import compute_features
from feature_store.definitions import Feature, FeatureSet, Read
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import LEAVING_WITHIN, LONG_STAY_DAYS
from models.bundle import Bundle
from models.forecast import Band, DischargeRange, Forecast, Reason, Refusal
from models.grid import Grid, Int64
from models.reasons import missing_in, reasons_for
from models.scope import FACTS
from models.stay import Explanation, StayModel
from models.survival import Float64

HIGH: Final = 0.5
MEDIUM: Final = 0.25
"""Chance of passing the next horizon from which a patient is called high or medium risk."""

TOP_REASONS: Final = 5

_HIGH, _MEDIUM, _LOW = Band.HIGH, Band.MEDIUM, Band.LOW


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
    own = len(bundle.model.feature_set)
    facts = compute_features(events, snapshots, _with_scope(bundle.model.feature_set))
    refusals = bundle.scope.judge(facts[:, own:-1])
    if any(refusals):
        facts = facts[[refusal is None for refusal in refusals]]
    matrix, days_so_far = np.ascontiguousarray(facts[:, :own]), facts[:, -1].astype(np.int64)
    forecasts = iter(forecast(bundle.model, matrix, days_so_far, reasons=reasons))
    return [refusal or next(forecasts) for refusal in refusals]


@lru_cache(maxsize=16)
def _with_scope(feature_set: FeatureSet) -> FeatureSet:
    """A model's features, what its scope is judged by, days so far: in one pass over the events."""
    days = Feature(name="days", label="Days so far", read=Read.DAYS_SO_FAR)
    return feature_set.beside(FeatureSet((*FACTS.features, days)), "scope")


def forecast(
    model: StayModel, matrix: Float64, days_so_far: Int64, *, reasons: int | None = TOP_REASONS
) -> list[Forecast]:
    """Forecasts from features already computed, one a row."""
    if not len(days_so_far):
        return []
    said = model.outlook(matrix, days_so_far)
    explanation = Explanation(said.base, said.effects, said.log_odds)
    missing, completeness = missing_in(matrix, model.feature_set, model.importance)
    exact = matrix.astype("<f8", copy=False)
    chances = (_chance(said.staying, model.grid, days_so_far, days) for days in LONG_STAY_DAYS)
    rows = zip(
        days_so_far.tolist(),
        zip(*chances, strict=True),
        said.leaving.tolist(),
        said.died.tolist(),
        reasons_for(explanation, matrix, model.feature_set, most=reasons),
        said.base.tolist(),
        said.log_odds.tolist(),
        missing,
        completeness.tolist(),
        (exact[row].tobytes() for row in range(len(exact))),
        strict=True,
    )
    return [_forecast(*row) for row in rows]


def leaving_soon(model: StayModel, forecasts: Sequence[Forecast]) -> list[dict[str, float | None]]:
    """Chances that spells already forecast end within 24, 48 and 72 hours and 5 days.

    Read from the same curve as all else, counted in midnights: before the 1st, 2nd, 3rd and 5th
    midnight from now. Apart from :func:`forecast`, as most who ask want to know who stays.

    Parameters
    ----------
    model : StayModel
        That made the forecasts.
    forecasts : sequence of Forecast

    Returns
    -------
    list of dict of str to float or None
        By ``24h``, ``48h``, ``72h`` and ``5d``, never falling; None beyond what the model has seen.
    """
    if not forecasts:
        return []
    matrix = np.frombuffer(b"".join(one.features for one in forecasts), "<f8")
    days = np.array([one.days_so_far for one in forecasts], np.int64)
    prediction = model.predict(matrix.reshape(len(forecasts), -1), days)
    columns = [prediction.leaving_within(nights).tolist() for nights in LEAVING_WITHIN.values()]
    return [
        {name: _known(chance) for name, chance in zip(LEAVING_WITHIN, row, strict=True)}
        for row in zip(*columns, strict=True)
    ]


def _chance(staying: Float64, grid: Grid, days_so_far: Int64, days: int) -> list[float]:
    """P(length of stay >= days); NaN for a horizon the training data could not show."""
    if days in grid.horizons:
        chances: list[float] = staying[:, grid.boundaries.index(days)].tolist()
        return chances
    return [1.0 if so_far >= days else math.nan for so_far in days_so_far.tolist()]


def _forecast(  # noqa: PLR0913, PLR0917 - private: one row of many columns
    days_so_far: int,
    chances: tuple[float, ...],
    leaving: list[float],
    died: float,
    reasons: tuple[Reason, ...],
    base_value: float,
    log_odds: float,
    missing: tuple[str, ...],
    completeness: float,
    features: bytes,
) -> Forecast:
    probability = {
        days: _known(chance) for days, chance in zip(LONG_STAY_DAYS, chances, strict=True)
    }
    p10, p50, p90 = (None if math.isnan(day) else int(day) for day in leaving)
    return Forecast(
        days_so_far=days_so_far,
        probability=probability,
        band=band_of(probability, days_so_far),
        discharge_day=DischargeRange(p10=p10, p50=p50, p90=p90),
        probability_of_death_in_hospital=_known(died),
        reasons=reasons,
        base_value=base_value,
        log_odds=log_odds,
        missing=missing,
        completeness=completeness,
        features=features,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def band_of(probability: dict[int, float | None], days_so_far: int) -> Band:
    """Risk in a word: the chance of passing the next horizon; high once none is left.

    >>> band_of({7: 0.71, 14: 0.38, 21: None}, 2).value
    'high'
    >>> band_of({7: 1.0, 14: 0.2, 21: None}, 8).value
    'low'
    """
    for days, chance in sorted(probability.items()):
        if days > days_so_far and chance is not None:
            return _HIGH if chance >= HIGH else _MEDIUM if chance >= MEDIUM else _LOW
    return _HIGH
