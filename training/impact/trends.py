"""Did the units move alike before anybody changed? A check that can warn and cannot reassure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from training.impact.panel import Float64, Panel, Rollout
from training.impact.randomisation import orders_of
from training.impact.weights import Weigh

LEAST_BEFORE: Final = 8
"""Points before the first change below which a trend cannot be seen."""

_DUST: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """How the trends before the change go with who changed, or how soon.

    Parameters
    ----------
    gap : float
        Slope of units that changed (soon) minus that of the others, a point in time.
    p_value : float
        Share of orders of the units with a gap at least as large.
    if_continued : float
        What the estimator would make of these slopes if they had gone on and nothing else had
        happened.
    """

    gap: float
    p_value: float
    if_continued: float


def trends_before(panel: Panel, rollout: Rollout, weigh: Weigh, rng: Generator) -> Trends | None:
    """Compare slopes before the first change; None where there are too few points or units."""
    before = rollout.before
    start = np.minimum(rollout.start, rollout.points)
    if before < LEAST_BEFORE or np.ptp(start) == 0:
        return None
    slopes = _slopes(panel.values[:, :before])
    orders, _ = orders_of(start, rng)
    # Against being late: a unit that changes early counts as more treated.
    sooner = -(orders - orders.mean(axis=1, keepdims=True)).astype(np.float64)
    gaps = (sooner @ slopes) / (sooner**2).sum(axis=1)
    weights = weigh(rollout.start[None, :], rollout.points, rollout.transition)[0]
    continued = slopes[:, None] * np.arange(panel.points)
    return Trends(
        gap=float(gaps[0] * np.ptp(start)),
        p_value=float((np.abs(gaps) >= abs(gaps[0]) - _DUST).mean()),
        if_continued=float((weights * continued).sum()),
    )


def _slopes(values: Float64) -> Float64:
    time = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2.0
    return np.asarray(values @ time / (time @ time))
