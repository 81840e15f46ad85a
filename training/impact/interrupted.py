"""Controlled interrupted time series: one treated series less its control, before and after.

The regression has a level, a trend, the season and, after the change, a new level and a new trend,
with errors that remember from point to point. The trend after the change is centred, so that the
effect is the mean distance from the continued line over the whole time after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from training.impact.panel import Float64
from training.impact.series import Fitted, fit_ar1

YEAR_DAYS: Final = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the regression of a series holds.

    Parameters
    ----------
    start : int
        First point of the change.
    transition : int
        Points from the start that belong to neither side.
    days : int
        Length of a point.
    harmonics : int
        Pairs of sine and cosine of the year.
    trend : bool
        Whether the series may have a trend of its own before the change, and another after.
    """

    start: int
    transition: int = 0
    days: int = 7
    harmonics: int = 1
    trend: bool = True


def design_of(points: int, shape: Shape) -> Float64:
    """Columns of the regression, the effect first; shape (n_points, k)."""
    time = np.arange(points, dtype=np.float64)
    after = time >= shape.start + shape.transition
    columns = [after.astype(np.float64), np.ones(points)]
    if shape.trend:
        columns += [(time - time.mean()) / points]
        columns += [after * (time - time[after].mean()) / points]
    angle = 2.0 * np.pi * time * shape.days / YEAR_DAYS
    for harmonic in range(1, shape.harmonics + 1):
        columns += [np.sin(harmonic * angle), np.cos(harmonic * angle)]
    # A column for each point of the transition takes it out of both sides and keeps the spacing.
    columns += [
        (time == point).astype(np.float64)
        for point in range(shape.start, min(shape.start + shape.transition, points))
    ]
    return np.column_stack(columns)


def less_control(treated: Float64, control: Float64, *, start: int, proportional: bool) -> Float64:
    """Treated series less the control, the control brought to the treated level before the change.

    Parameters
    ----------
    treated, control : ndarray of float64, shape (n_points,)
    start : int
        First point of the change.
    proportional : bool
        Whether the two are expected to move in proportion (counts) or by the same amount (means).
    """
    if not proportional:
        return treated - control
    return np.asarray(treated - control * (treated[:start].mean() / control[:start].mean()))


def interrupted(difference: Float64, shape: Shape) -> Fitted:
    """Fit the regression; the effect is the first coefficient.

    Parameters
    ----------
    difference : ndarray of float64, shape (n_points,)
        From :func:`less_control`.
    """
    return fit_ar1(difference[None, :], design_of(difference.size, shape)[None, :, :])
