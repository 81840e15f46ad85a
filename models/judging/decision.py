"""What acting on a chance is worth: net benefit over thresholds, the decision curve.

A hub that acts at a chance of 20 % says that four needless actions are the price of one that was
needed. At threshold t the net benefit is

    true positives / n  -  false positives / n * t / (1 - t)

in units of "long stays found early, for each snapshot asked". Acting on nobody is 0; a model is of
use where it is above that *and* above acting on everybody.

References
----------
Vickers & Elkin 2006, Med Decis Making 26:565; Vickers, van Calster & Steyerberg 2016, BMJ 352:i6.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.judging.estimate import Estimate, Float64, Int64
from models.judging.metrics import Bootstrap

THRESHOLDS: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


def judge_decision(
    outcome: Float64,
    probability: Float64,
    subject_id: Int64,
    *,
    thresholds: tuple[float, ...] = THRESHOLDS,
    bootstrap: Bootstrap | None = None,
) -> list[Estimate]:
    """Net benefit at each threshold, with its bootstrap by patient.

    Parameters
    ----------
    outcome : ndarray of float64, shape (n,)
        1, 0, or NaN where not known: left out.
    probability : ndarray of float64, shape (n,)
        All 1 stands for acting on everybody.
    subject_id : ndarray of int64, shape (n,)
    thresholds : tuple of float
        Between 0 and 1, both outside.
    bootstrap : Bootstrap, optional

    Returns
    -------
    list of Estimate
        One a threshold; paired with those of another probability of the same rows.

    Examples
    --------
    >>> outcome, chance = np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.9, 0.6, 0.1, 0.2])
    >>> [one.value for one in judge_decision(outcome, chance, np.arange(4), thresholds=(0.5,))]
    [0.0]
    """
    chosen = bootstrap or Bootstrap()
    known = ~np.isnan(outcome)
    long, chance = outcome[known] == 1.0, probability[known]
    drawn = chosen.resamples(subject_id[known])
    odds = np.array(thresholds) / (1.0 - np.array(thresholds))
    acted = np.column_stack([np.ones(long.size), *(chance >= at for at in thresholds)])
    worth = np.where(long[:, None], acted, -acted * np.array([1.0, *odds]))
    worth[:, 0] = 1.0
    return drawn.ratios(worth[:, 1:], worth[:, 0])
