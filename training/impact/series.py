"""Least squares with errors that remember: AR(1) within each unit, by restricted likelihood.

Plain AR(1) regressions (Cochrane-Orcutt, GLSAR) find too little autocorrelation in short series and
so promise too much; the restricted likelihood corrects for the coefficients that were fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from statsmodels.regression.linear_model import OLS

from training.impact.panel import Float64

_LEAST: Final = -0.5
_MOST: Final = 0.98
_FINE: Final = 0.005
_LEAST_DEGREES: Final = 4
_FEW: Final = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A regression with AR(1) errors.

    Parameters
    ----------
    coefficients, standard_errors : ndarray of float64, shape (k,)
    autocorrelation : float
        From one point to the next.
    residual_sd : float
        Of one point, about the fitted line.
    interval : ndarray of float64, shape (k, 2)
        95 %, by Student's t.
    p_value : ndarray of float64, shape (k,)
        Two-sided, of no effect.
    whitened : ndarray of float64, shape (n_units, n_points)
        Residuals with the autocorrelation taken out.
    """

    coefficients: Float64
    standard_errors: Float64
    autocorrelation: float
    residual_sd: float
    interval: Float64
    p_value: Float64
    whitened: Float64


def fit_ar1(
    values: Float64, design: Float64, *, levels: bool = False, degrees: int | None = None
) -> Fitted:
    """Fit by generalised least squares at the autocorrelation of greatest restricted likelihood.

    Parameters
    ----------
    values : ndarray of float64, shape (n_units, n_points)
        Units are independent of each other given the design.
    design : ndarray of float64, shape (n_units, n_points, k)
        Of full column rank.
    levels : bool
        Whether each unit has a level of its own besides.
    degrees : int, optional
        Degrees of freedom of the t distribution; :func:`_effective` if left out.
    """
    rho = _likeliest(values, design, levels=levels)
    chosen = _effective(design, rho) if degrees is None else degrees
    return fit_at(values, design, rho, levels=levels, degrees=chosen)


def spread_of(values: Float64) -> tuple[float, float]:
    """Autocorrelation, and standard deviation of one point, about a level of each unit."""
    nothing = np.zeros((*values.shape, 0))
    rho = _likeliest(values, nothing, levels=True)
    _, right, free = _prepared(values, nothing, rho, levels=True)
    return rho, float(np.sqrt(right @ right / free))


def _likeliest(values: Float64, design: Float64, *, levels: bool) -> float:
    centre, reach = (_LEAST + _MOST) / 2.0, (_MOST - _LEAST) / 2.0
    while reach > _FINE:
        grid = np.clip(centre + reach * np.linspace(-1.0, 1.0, 9), _LEAST, _MOST)
        likelihood = [_restricted(values, design, float(rho), levels=levels) for rho in grid]
        centre, reach = float(grid[int(np.argmax(likelihood))]), reach / 4.0
    return centre


def _effective(design: Float64, autocorrelation: float) -> int:
    """Degrees of freedom left by neighbours that tell the same: the fewer, the more they remember.

    The usual count of independent points, n (1 - rho) / (1 + rho), less the coefficients.
    """
    points = design.shape[0] * design.shape[1]
    kept = 1.0 if autocorrelation <= 0 else (1.0 - autocorrelation) / (1.0 + autocorrelation)
    return max(_LEAST_DEGREES, int(points * kept) - int(design.shape[2]))


def fit_at(
    values: Float64,
    design: Float64,
    autocorrelation: float,
    *,
    levels: bool = False,
    degrees: int | None = None,
) -> Fitted:
    """Fit by generalised least squares at a given autocorrelation."""
    left, right, free = _prepared(values, design, autocorrelation, levels=levels)
    plain = OLS(right, left)
    residuals = plain.fit().resid
    scale = float(residuals @ residuals) / free
    fitted = plain.fit(cov_type="fixed scale", cov_kwds={"scale": scale}, use_t=True)
    fitted.df_resid_inference = free if degrees is None else degrees
    return Fitted(
        coefficients=np.asarray(fitted.params),
        standard_errors=np.asarray(fitted.bse),
        autocorrelation=autocorrelation,
        residual_sd=float(np.sqrt(scale)),
        interval=np.asarray(fitted.conf_int()),
        p_value=np.asarray(fitted.pvalues),
        whitened=np.asarray(residuals).reshape(values.shape),
    )


def _prepared(
    values: Float64, design: Float64, rho: float, *, levels: bool
) -> tuple[Float64, Float64, int]:
    """Whitened design and values, levels taken out, and the degrees of freedom left."""
    left, right = _whiten(design, rho), _whiten(values, rho)
    used = design.shape[2]
    if levels:
        one = _whiten(np.ones((1, values.shape[1])), rho)[0]
        right = right - np.outer(right @ one, one) / (one @ one)
        inside = np.einsum("upk,p->uk", left, one) / (one @ one)
        left = left - one[None, :, None] * inside[:, None, :]
        used += values.shape[0]
    return left.reshape(values.size, design.shape[2]), right.ravel(), values.size - used


def _whiten(table: Any, rho: float) -> Float64:
    """Take the autocorrelation out along the points; the first keeps its full variance."""
    out = np.array(table, dtype=np.float64)
    out[:, 1:] = (out[:, 1:] - rho * table[:, :-1]) / np.sqrt(1.0 - rho**2)
    return out


def _restricted(values: Float64, design: Float64, rho: float, *, levels: bool) -> float:
    left, right, free = _prepared(values, design, rho, levels=levels)
    cross = left.T @ left
    residuals = right - left @ (np.linalg.pinv(cross) @ (left.T @ right))
    scatter = max(float(residuals @ residuals), _FEW)
    units, points = values.shape
    determinant = units * (points - 1) * np.log1p(-(rho**2))
    size = float(np.linalg.slogdet(cross)[1])
    if levels:
        one = _whiten(np.ones((1, points)), rho)[0]
        size += units * float(np.log(one @ one))
    return float(-0.5 * (free * np.log(scatter) + determinant + size))
