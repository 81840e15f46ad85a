"""Whether those with a chance of 30 % stay long 30 times in 100."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from models.judging.estimate import Float64
from models.judging.sample import Cells, Sample

BINS: Final = 10
KNOTS: Final = (0.05, 0.35, 0.65, 0.95)
"""Quantiles of the log-odds at which the smooth curve may bend (Harrell 2015, table 2.3)."""

_STEPS: Final = 40
_HALVINGS: Final = 8
_TOLERANCE: Final = 1e-10
_LAST_STEP: Final = 1e-6
"""A step so small is the last: what is then still wrong is about its square."""

_RIDGE: Final = 1e-9
_LARGEST: Final = 50.0
_LEAST_SPREAD: Final = 1e-9


def calibration_slope(sample: Sample) -> Float64:
    """Slope of the outcome's log-odds on the predicted ones: 1 is right, below 1 too extreme.

    Returns
    -------
    ndarray of float64, shape (n_replicates,)
        NaN with one class only or a single probability.

    References
    ----------
    Van Calster et al. 2019, BMC Medicine 17:230.
    """
    cells = sample.cells
    if not cells.log_odds.size or float(np.ptp(cells.log_odds)) < _LEAST_SPREAD:
        return np.full(sample.weights.shape[0], np.nan)
    design = np.column_stack([np.ones_like(cells.log_odds), cells.log_odds])
    slope = _fit(design, cells)[:, 1]
    slope[np.abs(slope) > _LARGEST] = np.nan  # classes apart: no finite slope
    return slope


def calibration_intercept(sample: Sample) -> Float64:
    """Calibration in the large: intercept at slope 1; 0 is right, below 0 too high."""
    cells = sample.cells
    design = np.ones((cells.log_odds.size, 1))
    return _fit(design, cells, offset=cells.log_odds)[:, 0]


def ece(sample: Sample) -> Float64:
    """Expected calibration error: mean gap of chance and share, over ten bins of equal size."""
    cells = sample.cells
    edges = np.quantile(sample.ranking.probability, np.linspace(0, 1, BINS + 1)[1:-1])
    place = np.searchsorted(edges, cells.probability, side="right")
    member = (place[:, None] == np.arange(BINS)).astype(np.float64)
    expected = (cells.weights * cells.probability) @ member
    return np.asarray(
        np.abs(expected - cells.events @ member).sum(axis=1) / np.maximum(sample.total, 1e-12)
    )


def e_average(sample: Sample) -> Float64:
    """Mean gap of chance and smooth observed share (E-avg, the integrated calibration index).

    References
    ----------
    Austin & Steyerberg 2019, Stat Med 38:4051 (ICI, E90); the smooth curve is logistic on a
    restricted cubic spline of the log-odds.
    """
    gap, weights = _gaps(sample)
    return np.asarray((gap * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12))


def e_90(sample: Sample) -> Float64:
    """Gap that nine rows in ten do not pass (E-90)."""
    gap, weights = _gaps(sample)
    order = np.argsort(gap, axis=1)
    mass = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    if not mass.size:
        return np.full(mass.shape[0], np.nan)
    position = np.argmax(mass >= 0.9 * mass[:, [-1]], axis=1)
    return np.take_along_axis(np.take_along_axis(gap, order, axis=1), position[:, None], axis=1)[
        :, 0
    ]


def curve(sample: Sample) -> list[dict[str, Any]]:
    """Points of a reliability plot: mean chance, observed share and rows of each of ten bins."""
    cells = sample.cells
    edges = np.quantile(sample.ranking.probability, np.linspace(0, 1, BINS + 1)[1:-1])
    place = np.searchsorted(edges, cells.probability, side="right")
    size = np.bincount(place, cells.weights[0], minlength=BINS)
    chance = np.bincount(place, cells.weights[0] * cells.probability, minlength=BINS)
    events = np.bincount(place, cells.events[0], minlength=BINS)
    return [
        {
            "chance": chance[bin_] / size[bin_],
            "share": events[bin_] / size[bin_],
            "rows": int(size[bin_]),
        }
        for bin_ in np.flatnonzero(size)
    ]


@lru_cache(maxsize=1)  # E-avg and E-90 read the same curve, one after the other
def _gaps(sample: Sample) -> tuple[Float64, Float64]:
    """Distance of chance and smooth share in each cell, and the weight of the cell."""
    cells = sample.cells
    weights = cells.weights
    if not cells.log_odds.size or float(np.ptp(cells.log_odds)) < _LEAST_SPREAD:
        share = cells.events.sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
        return np.abs(cells.probability - share[:, None]), weights
    design = _spline(cells.log_odds)
    return np.abs(_expit(_fit(design, cells) @ design.T) - cells.probability), weights


def _spline(log_odds: Float64) -> Float64:
    """Restricted cubic spline basis: constant, linear, and two bends that are straight outside."""
    knots = np.quantile(log_odds, KNOTS)
    plain = np.column_stack([np.ones_like(log_odds), log_odds])
    if float(np.diff(knots).min()) < _LEAST_SPREAD:
        return plain
    cubes = np.maximum(log_odds[:, None] - knots, 0.0) ** 3
    last, before = knots[-1], knots[-2]
    bends = [
        cubes[:, at]
        - cubes[:, -2] * (last - knots[at]) / (last - before)
        + cubes[:, -1] * (before - knots[at]) / (last - before)
        for at in range(len(knots) - 2)
    ]
    return np.column_stack([plain, *(bend / (last - knots[0]) ** 2 for bend in bends)])


def _fit(design: Float64, cells: Cells, *, offset: Float64 | None = None) -> Float64:
    """Logistic regression by Newton's method with halved steps, all replicates at once.

    Returns
    -------
    ndarray of float64, shape (n_replicates, n_columns)
        NaN for a replicate with one class only.
    """
    shift = np.zeros(design.shape[0]) if offset is None else offset
    basis, triangle = np.linalg.qr(design)  # orthogonal columns: Newton's steps are well scaled
    start = np.zeros((1, basis.shape[1]))
    if cells.weights.shape[0] > 1:  # replicates lie about their mean: begin there
        start = _newton(start, basis, _mean_of(cells), shift)
    beta = _newton(np.repeat(start, cells.weights.shape[0], axis=0), basis, cells, shift)
    events, total = cells.events.sum(axis=1), cells.weights.sum(axis=1)
    answer = np.linalg.solve(triangle, beta.T).T
    answer[(events <= 0) | (events >= total)] = np.nan
    return np.asarray(answer)


def _mean_of(cells: Cells) -> Cells:
    """All replicates together as one."""
    weights, events = (
        np.mean(column, axis=0, keepdims=True) for column in (cells.weights, cells.events)
    )
    return Cells(cells.log_odds, cells.probability, weights, events)


def _newton(beta: Float64, basis: Float64, cells: Cells, shift: Float64) -> Float64:
    """Coefficients of every replicate, from these on."""
    pairs = (basis[:, :, None] * basis[:, None, :]).reshape(basis.shape[0], -1)
    ridge = _RIDGE * np.eye(basis.shape[1])
    loss = _loss(beta, basis, cells, shift)
    for _ in range(_STEPS):
        chance = _expit(beta @ basis.T + shift)
        gradient = (cells.events - cells.weights * chance) @ basis - _RIDGE * beta
        information = (cells.weights * chance * (1.0 - chance)) @ pairs
        solved = np.linalg.solve(information.reshape(*beta.shape, -1) + ridge, gradient[:, :, None])
        step: Float64 = np.asarray(solved[:, :, 0], np.float64)
        step, loss = _halved(beta, step, loss, basis=basis, cells=cells, shift=shift)
        beta = beta + step
        if float(np.abs(step).max(initial=0.0)) < _LAST_STEP * max(
            1.0, float(np.abs(beta).max(initial=0.0))
        ):
            break
    return beta


def _halved(
    beta: Float64, step: Float64, loss: Float64, *, basis: Float64, cells: Cells, shift: Float64
) -> tuple[Float64, Float64]:
    """Halve the steps of those replicates that a full step would make worse."""
    tried = _loss(beta + step, basis, cells, shift)
    for _ in range(_HALVINGS):
        worse = tried > loss + _TOLERANCE * np.maximum(loss, 1.0)
        if not worse.any():
            break
        step = np.where(worse[:, None], step / 2.0, step)
        tried = _loss(beta + step, basis, cells, shift)
    return step, tried


def _loss(beta: Float64, basis: Float64, cells: Cells, shift: Float64) -> Float64:
    """Minus the log-likelihood of each replicate, with a trace of ridge."""
    margin = beta @ basis.T + shift
    fit = (cells.weights * np.logaddexp(0.0, margin) - cells.events * margin).sum(axis=1)
    return np.asarray(fit + 0.5 * _RIDGE * (beta**2).sum(axis=1))


def _expit(margin: Float64) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(margin, -_LARGEST, _LARGEST))))
