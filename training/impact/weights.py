"""Linear estimators of the effect: for each roll-out, the weight of every cell of the panel.

An estimate is the sum of weight times value. Written so, the same estimator can be asked of every
way the roll-out could have been ordered, which is what :mod:`training.impact.randomisation` does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.impact.panel import Float64, Int64

Weigh = Callable[[Int64, int, int], Float64]
"""Starts (n_orders, n_units), points, transition -> weights (n_orders, n_units, n_points)."""


def two_way(start: Int64, points: int, transition: int) -> Float64:
    """Least squares with an effect of each unit and of each point, and one of the change.

    The effect is assumed to be at its full size at once and to stay there: right for a
    stepped-wedge under that assumption and for difference-in-differences with one date; biased
    under several dates when the effect grows (use :func:`imputation`).
    """
    exposed, changing = _exposure(start, points, transition)
    column = _demeaned(exposed.astype(np.float64))
    if transition:
        nuisance = _demeaned(changing.astype(np.float64))
        share = _ratio((column * nuisance).sum((1, 2)), (nuisance**2).sum((1, 2)))
        column -= share[:, None, None] * nuisance
    size = (column**2).sum((1, 2))
    return np.asarray(column / np.where(size > 0, size, np.nan)[:, None, None])


def imputation(start: Int64, points: int, transition: int) -> Float64:
    """Mean over treated cells of what was seen minus what the untreated cells foretell.

    Unit and point effects are learnt on cells not yet treated only; each treated cell counts once,
    so an effect that grows or differs between units is averaged and not distorted (Borusyak,
    Jaravel and Spiess, Review of Economic Studies 2024). Treated cells at points where nobody is
    left untreated cannot be foretold and are left out.
    """
    exposed, changing = _exposure(start, points, transition)
    plain = (~exposed & ~changing).astype(np.float64)
    by_point, by_unit = plain.sum(1), plain.sum(2)
    told = (exposed & (by_point > 0)[:, None, :] & (by_unit > 0)[:, :, None]).astype(np.float64)
    count = told.sum((1, 2))
    told /= np.where(count > 0, count, np.nan)[:, None, None]
    unit, point = _solve(plain, told.sum(2), told.sum(1))
    return np.asarray(told - plain * (unit[:, :, None] + point[:, None, :]))


def _solve(plain: Float64, unit_side: Float64, point_side: Float64) -> tuple[Float64, Float64]:
    """Solve the normal equations of unit and point effects, points eliminated."""
    by_point, by_unit = plain.sum(1), plain.sum(2)
    inverse = np.where(by_point > 0, 1.0 / np.maximum(by_point, 1.0), 0.0)
    units = plain.shape[1]
    left = by_unit[:, :, None] * np.eye(units) - (plain * inverse[:, None, :]) @ plain.transpose(
        0, 2, 1
    )
    # Level is free between units and points: pin the sum of the unit effects to nothing.
    left += np.ones((units, units))
    left += (by_unit == 0)[:, :, None] * np.eye(units)
    right = unit_side - ((plain * inverse[:, None, :]) @ point_side[:, :, None])[:, :, 0]
    unit = np.linalg.solve(left, right[:, :, None])[:, :, 0]
    point = inverse * (point_side - (plain * unit[:, :, None]).sum(1))
    return unit, point


def _exposure(
    start: Int64, points: int, transition: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    time = np.arange(points)
    exposed = time >= (start + transition)[:, :, None]
    return exposed, (time >= start[:, :, None]) & ~exposed


def _demeaned(cells: Float64) -> Float64:
    whole = cells.mean((1, 2), keepdims=True)
    return np.asarray(cells - cells.mean(1, keepdims=True) - cells.mean(2, keepdims=True) + whole)


def _ratio(top: Float64, bottom: Float64) -> Float64:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
