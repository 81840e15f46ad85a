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


def fit_ar1(values: Float64, design: Float64, *, degrees: int | None = None) -> Fitted:
    """Fit by generalised least squares at the autocorrelation of greatest restricted likelihood.

    Parameters
    ----------
    values : ndarray of float64, shape (n_units, n_points)
        Units are independent of each other given the design.
    design : ndarray of float64, shape (n_units, n_points, k)
        Of full column rank.
    degrees : int, optional
        Degrees of freedom of the t distribution; :func:`_effective` if left out.
    """
    centre, reach = (_LEAST + _MOST) / 2.0, (_MOST - _LEAST) / 2.0
    while reach > _FINE:
        grid = np.clip(centre + reach * np.linspace(-1.0, 1.0, 9), _LEAST, _MOST)
        likelihood = [_restricted(values, design, float(rho)) for rho in grid]
        centre, reach = float(grid[int(np.argmax(likelihood))]), reach / 4.0
    chosen = _effective(design, centre) if degrees is None else degrees
    return fit_at(values, design, centre, degrees=chosen)


def _effective(design: Float64, autocorrelation: float) -> int:
    """Degrees of freedom left by neighbours that tell the same: the fewer, the more they remember.

    The usual count of independent points, n (1 - rho) / (1 + rho), less the coefficients.
    """
    points = design.shape[0] * design.shape[1]
    kept = 1.0 if autocorrelation <= 0 else (1.0 - autocorrelation) / (1.0 + autocorrelation)
    return max(_LEAST_DEGREES, int(points * kept) - int(design.shape[2]))


def fit_at(
    values: Float64, design: Float64, autocorrelation: float, *, degrees: int | None = None
) -> Fitted:
    """Fit by generalised least squares at a given autocorrelation."""
    left, right = _whiten(design, autocorrelation), _whiten(values, autocorrelation)
    fitted = OLS(right.ravel(), left.reshape(-1, design.shape[-1])).fit()
    if degrees is not None:
        fitted.df_resid_inference = degrees
    return Fitted(
        coefficients=np.asarray(fitted.params),
        standard_errors=np.asarray(fitted.bse),
        autocorrelation=autocorrelation,
        residual_sd=float(np.sqrt(fitted.scale)),
        interval=np.asarray(fitted.conf_int()),
        p_value=np.asarray(fitted.pvalues),
        whitened=np.asarray(fitted.resid).reshape(values.shape),
    )


def _whiten(table: Any, rho: float) -> Float64:
    """Take the autocorrelation out along the points; the first keeps its full variance."""
    out = np.array(table, dtype=np.float64)
    out[:, 1:] = (out[:, 1:] - rho * table[:, :-1]) / np.sqrt(1.0 - rho**2)
    return out


def _restricted(values: Float64, design: Float64, rho: float) -> float:
    left = _whiten(design, rho).reshape(-1, design.shape[-1])
    right = _whiten(values, rho).ravel()
    upper = np.linalg.qr(left, mode="r")
    solution, _, _, _ = np.linalg.lstsq(left, right, rcond=None)
    residuals = right - left @ solution
    degrees = left.shape[0] - left.shape[1]
    scatter = max(float(residuals @ residuals), _FEW)
    determinant = values.shape[0] * (values.shape[1] - 1) * np.log1p(-(rho**2))
    size = 2.0 * np.log(np.maximum(np.abs(np.diag(upper)), _FEW)).sum()
    return float(-0.5 * (degrees * np.log(scatter) + determinant + size))
