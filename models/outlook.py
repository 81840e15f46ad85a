"""A stay model made ready to forecast: one pass of the kernel for chances, days and effects.

The kernel stops where NumPy takes over: exponentials, logarithms and powers of all rows at once.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import BadInput
from feature_store.kernel import address
from models.calibration import ELAPSED, Calibration, Step
from models.encoding import Encoding
from models.grid import Grid, Int64
from models.kernel import Forecaster, Forecasting, Outlook, library
from models.kernel_model import Laid
from models.survival import Float64
from models.trees import Trees

QUANTILES: Final = (0.1, 0.5, 0.9)
"""Shares of spells that have ended by the days of the range."""


def _log_both(values: Float64) -> None:
    half = values.size // 2
    np.log(values[:half], out=values[:half])
    np.log1p(values[half:], out=values[half:])


def _raise(values: Float64) -> None:
    half = values.size // 2
    np.power(values[:half], values[half:], out=values[:half])


def _exp(values: Float64) -> None:
    np.exp(values, out=values)


def _log(values: Float64) -> None:
    np.log(values, out=values)


_BETWEEN: Final = (_exp, _log_both, _exp, _log, _raise, _log)
"""What is done to the values that each stage of the kernel leaves, before the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Forecasts of rows, as arrays.

    Parameters
    ----------
    raw, staying : ndarray of float64, shape (n, n_boundaries)
        P(length of stay >= boundary) before and after calibration.
    raw_died, died : ndarray of float64, shape (n,)
        Chance of death before and after calibration.
    leaving : ndarray of float64, shape (n, 3)
        Days of ``QUANTILES``; NaN beyond the grid.
    effects : ndarray of float64, shape (n, n_features)
    base, log_odds : ndarray of float64, shape (n,)
    """

    raw: Float64
    staying: Float64
    raw_died: Float64
    died: Float64
    leaving: Float64
    effects: Float64
    base: Float64
    log_odds: Float64


class Oracle:
    """A model laid out for the kernel; threads may share it.

    Parameters
    ----------
    encoding : Encoding
    grid : Grid
    exit_trees : Trees
    death_trees : Trees or None
    calibration : Calibration

    Raises
    ------
    BadInput
        A horizon of the grid is not one of its boundaries.
    """

    def __init__(
        self,
        encoding: Encoding,
        grid: Grid,
        exit_trees: Trees,
        death_trees: Trees | None,
        calibration: Calibration,
    ) -> None:
        if not set(grid.horizons) <= set(grid.boundaries):
            msg = "grid: every horizon expected to be a boundary"
            raise BadInput(msg)
        self._made_of = encoding, grid, exit_trees, death_trees, calibration
        self._grid = grid
        self._trees = exit_trees, death_trees
        self._varying = (encoding.width, encoding.width + 1)
        self._sizes = encoding.features, len(grid.boundaries), len(grid.horizons) + 1
        self._laid = self._lay_out(encoding, calibration)
        self._ahead: dict[int, Laid | None] = {}

    def __reduce__(self) -> tuple[type[Oracle], tuple[Any, ...]]:
        """Travel to another process as what it was made of: addresses stay at home."""
        return Oracle, self._made_of

    def forecast(self, matrix: Float64, days_so_far: Int64, *, explain: bool) -> Outcome:
        """Forecast rows.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, n_features)
        days_so_far : ndarray of int64, shape (n,)
        explain : bool
            Whether effects, base and log-odds are wanted; they are left undefined otherwise.
        """
        order = _order(days_so_far)
        if order is not None:
            sorted_rows = self._run(matrix[order], days_so_far[order], explain=explain)
            back = np.empty_like(order)
            back[order] = np.arange(order.size)
            return Outcome(*(getattr(sorted_rows, name)[back] for name in Outcome.__slots__))
        return self._run(np.ascontiguousarray(matrix), days_so_far, explain=explain)

    def _run(self, matrix: Float64, days_so_far: Int64, *, explain: bool) -> Outcome:
        n, (features, boundaries, segments) = len(days_so_far), self._sizes
        features *= explain  # nobody asked: no room, nothing to put back in order
        ahead = self._all_ahead(days_so_far)
        widths = (
            2 * max(boundaries, segments + 1, len(QUANTILES)),  # x
            *(boundaries, boundaries, 1, 1, segments, len(QUANTILES)),
            *(features, 1, 1),
        )
        room = np.empty(n * sum(widths))
        begins = [0]
        for width in widths:
            begins.append(begins[-1] + n * width)
        start = address(room)
        days = days_so_far.astype(np.float64)
        now = Forecasting(
            n,
            explain,
            *(address(matrix), address(days), ahead.ctypes.data),
            *(start + 8 * begin for begin in begins[:-1]),
        )
        _stages(ctypes.addressof(self._laid.structure), ctypes.addressof(now), room)
        parts = [room[begin:end] for begin, end in pairwise(begins[1:])]
        raw, staying, raw_died, died, _, leaving, effects, base, log_odds = parts
        return Outcome(
            raw.reshape(n, boundaries),
            staying.reshape(n, boundaries),
            raw_died,
            died,
            leaving.reshape(n, len(QUANTILES)),
            effects.reshape(n, features),
            base,
            log_odds,
        )

    def _all_ahead(self, days: Int64) -> NDArray[np.uint64]:
        """Where the intervals ahead of each row lie; looked up once a day."""
        if days.size == 1:  # one patient: sorting would cost more than it saves
            each, place = days, np.zeros(1, np.intp)
        else:
            each, place = np.unique(days, return_inverse=True)
        held = [self._ahead_of(day) for day in each.tolist()]
        return np.array([one.address if one else 0 for one in held], np.uint64)[place.ravel()]

    def _ahead_of(self, day: int) -> Laid | None:
        """Intervals ahead of a spell of so many days; None beyond the grid."""
        known = self._ahead.get(day)
        if known is None and 0 <= day < self._grid.last:
            # Of threads that look at once the first is kept: another may be using its addresses.
            known = self._ahead.setdefault(day, self._look_ahead(day))
        if day < 0:
            msg = "days so far: 0 or more expected, got less"
            raise BadInput(msg)
        return known

    def _look_ahead(self, day: int) -> Laid:
        grid = self._grid.ahead(day)
        nights = np.where(grid[:, 0] < self._grid.next_horizon(day), grid[:, 1], 0.0)
        weights = -nights / max(nights.sum(), 1.0)
        exits, deaths = self._trees
        plans = {"exits": exits.plan(self._varying, grid)}
        if deaths is not None:
            plans["deaths"] = deaths.plan(self._varying, grid)
        addresses = {name: plan.address for name, plan in plans.items()}
        laid = Laid.out(Outlook(), {"weights": weights}, intervals=len(grid), **addresses)
        return laid.holding(*plans.values())

    def _lay_out(self, encoding: Encoding, calibration: Calibration) -> Laid:
        exits, deaths = self._trees
        models = {"exits": exits.laid_out(self._varying)}
        if deaths is not None:
            models["deaths"] = deaths.laid_out(self._varying)
        laid = Laid.out(
            Forecaster(),
            _tables(encoding, self._grid, calibration),
            features=encoding.features,
            ratios=len(encoding.ratios),
            boundaries=len(self._grid.boundaries),
            segments=len(self._grid.horizons) + 1,
            **{name: model.address for name, model in models.items()},
        )
        return laid.holding(*models.values())


def _stages(forecaster: int, forecasting: int, x: Float64) -> None:
    kernel = library().homeward_forecast
    for stage, between in enumerate(_BETWEEN):
        count = kernel(forecaster, forecasting, stage)
        if count < 0:
            raise MemoryError
        between(x[:count])
    kernel(forecaster, forecasting, len(_BETWEEN))


def _order(days: Int64) -> NDArray[np.intp] | None:
    """Order by days, so that rows of a day share its plan; None if they are in order."""
    if days.size < 2 or bool((days[1:] >= days[:-1]).all()):  # noqa: PLR2004 - two to compare
        return None
    return np.argsort(days, kind="stable")


def _tables(encoding: Encoding, grid: Grid, calibration: Calibration) -> dict[str, NDArray[Any]]:
    edges = np.array(grid.boundaries, np.float64)
    begins, ends = (0, *grid.horizons), (*grid.horizons, None)
    parts, steps = [], []
    for begin, end in zip(begins, ends, strict=True):
        first = int(np.searchsorted(edges, begin, side="right"))
        last = len(edges) if end is None else int(np.searchsorted(edges, end, side="right"))
        parts.append((int(np.searchsorted(edges, begin)), first, max(first, last), end is None))
        learnt = (calibration.first, calibration.onward)
        steps += [_step(None if end is None else by_end.get(end)) for by_end in learnt]
    steps.append(_step(calibration.death))
    sizes = [len(ratio.table) for ratio in encoding.ratios]
    levels = [1.0 - share for share in QUANTILES]
    return {
        "ratio_feature": np.array([ratio.feature for ratio in encoding.ratios], np.int32),
        "ratio_start": np.cumsum([0, *sizes], dtype=np.int64),
        "ratio_table": np.array([value for ratio in encoding.ratios for value in ratio.table]),
        "edges": edges,
        "parts": np.array(parts, np.int32),
        "steps": np.array(steps, np.float64),
        "elapsed": np.array(ELAPSED, np.float64),
        "levels": np.array(levels),
        "log_levels": np.array([np.log(level) for level in levels]),
    }


def _step(step: Step | None) -> tuple[float, ...]:
    if step is None:
        return (0.0,) * (4 + len(ELAPSED))
    shifts = step.shifts or (0.0,) * len(ELAPSED)
    return (1.0, step.intercept, step.slope, float(bool(step.shifts)), *shifts)
