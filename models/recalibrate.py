"""Learn a calibration from later, unseen spells."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from feature_store.outcome import Outcomes
from models.calibration import ELAPSED, Calibration, Step, elapsed_group, expit, logit
from models.grid import Int64
from models.survival import Float64, Prediction

LEAST_EVENTS: Final = 10
"""Below this many events (or non-events) a segment is left as it is."""

_PULL_SLOPE: Final = 1.0
_PULL_SHIFT: Final = 5.0
"""Ridge towards 'no change', in units of information: little against hundreds of snapshots, much
against ten."""

_CLOSE: Final = 1e-9
"""Step of the coefficients at which the search has ended."""

_LEAST_FOLLOW_UP: Final = 28
"""Midnights a spell must have been followed for its death, or not, to count."""


def learn_calibration(raw: Prediction, outcomes: Outcomes) -> Calibration:
    """Calibration of an uncalibrated prediction.

    The spells must be later than, and disjoint by patient from, those the trees were fitted on; the
    caller sees to that (:mod:`training.split`).

    Parameters
    ----------
    raw : Prediction
        Uncalibrated, shape (n,) snapshots.
    outcomes : Outcomes
        Of the same snapshots.
    """
    learnt = Calibration({}, {}, None, {})
    before = 0
    for horizon in raw.grid.horizons:
        reached = outcomes.long_stay(horizon)
        known = ~np.isnan(reached) & (raw.days_so_far < horizon)
        if known.any():
            learnt.prevalence[horizon] = float(reached[known].mean())
        first, onward = known & (raw.days_so_far >= before), known & (raw.days_so_far < before)
        learnt.first[horizon] = _learn_step(
            _segment(raw, before, horizon)[first],
            reached[first],
            raw.days_so_far[first],
            by_elapsed=True,
        )
        if onward.any():
            reach_before = learnt.apply(raw).at_least(before)[onward]
            learnt.onward[horizon] = _learn_step(
                _segment(raw, before, horizon)[onward],
                reached[onward],
                raw.days_so_far[onward],
                reach=reach_before,
            )
        before = horizon
    return replace(learnt, death=_learn_death(raw, outcomes))


def _segment(raw: Prediction, begin: int, end: int) -> Float64:
    """Raw chance to get from ``begin`` (or now, if later) to ``end``."""
    return raw.at_least(end) / np.maximum(raw.at_least(begin), 1e-12)


def _learn_death(raw: Prediction, outcomes: Outcomes) -> Step | None:
    known = ~np.isnan(raw.died) & (outcomes.follow_up_days >= min(_LEAST_FOLLOW_UP, raw.grid.last))
    if not known.any():
        return None
    died = outcomes.died[known].astype(np.float64)
    return _learn_step(raw.died[known], died, raw.days_so_far[known], by_elapsed=True)


def _learn_step(
    chance: Float64,
    reached: Float64,
    days_so_far: Int64,
    *,
    reach: Float64 | None = None,
    by_elapsed: bool = False,
) -> Step:
    """Fisher scoring for P = reach * expit(a + b logit(chance) + c[elapsed]), by log-loss of P.

    With ``reach`` 1 it is a logistic regression. With s = expit(.), the score in the linear
    predictor is (P - y)(1 - s) / (1 - P) and the information P (1 - s)^2 / (1 - P).
    """
    untouched = Step(snapshots=int(reached.size), events=int(reached.sum()))
    if min(untouched.events, untouched.snapshots - untouched.events) < LEAST_EVENTS:
        return untouched
    groups = len(ELAPSED) if by_elapsed else 0
    design = np.zeros((reached.size, 2 + groups))
    design[:, 0], design[:, 1] = 1.0, logit(chance)
    if groups:
        design[np.arange(reached.size), 2 + elapsed_group(days_so_far)] = 1.0
    pull = np.array([1e-6, _PULL_SLOPE, *[_PULL_SHIFT] * groups])
    target = np.array([0.0, 1.0, *[0.0] * groups])
    weights = target.copy()
    arrive = np.ones(reached.size) if reach is None else reach
    for _ in range(50):
        passes = expit(design @ weights)
        total = np.clip(arrive * passes, 1e-9, 1 - 1e-9)
        gradient = design.T @ ((total - reached) * (1 - passes) / (1 - total)) + pull * (
            weights - target
        )
        information = design.T @ (
            design * (total * (1 - passes) ** 2 / (1 - total))[:, None]
        ) + np.diag(pull)
        step = np.linalg.solve(information, gradient)
        weights -= np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < _CLOSE:
            break
    return replace(
        untouched,
        intercept=float(weights[0]),
        slope=float(weights[1]),
        shifts=tuple(map(float, weights[2:])),
    )
