"""One outcome, one design, one estimate: its interval, its doubts, the naive figure beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.random import default_rng
from statsmodels.stats.diagnostic import acorr_ljungbox

from feature_store.errors import Refused
from training.impact.clusters import modelled
from training.impact.interrupted import YEAR_DAYS, Shape, design_of, interrupted, less_control
from training.impact.panel import Float64, Panel, Rollout, naive_change
from training.impact.protocol import Design
from training.impact.randomisation import LEAST_ORDERS, count_orders, randomise
from training.impact.trends import Trends, trends_before
from training.impact.weights import Weigh, imputation, two_way

LEAST_BEFORE: Final = 8
LEAST_AFTER: Final = 4
LEAST_BEFORE_SERIES: Final = 24
LEAST_AFTER_SERIES: Final = 8
"""Points before and after, of a panel and of a series, below which nothing is estimated."""

_DOUBTFUL: Final = 0.05
_LAGS: Final = 8
_WEIGH: Final[dict[Design, Weigh]] = {
    Design.STEPPED_WEDGE: two_way,
    Design.DIFFERENCE: two_way,
    Design.STAGGERED: imputation,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What of the protocol an estimate depends on."""

    design: Design
    by_lot: bool
    harmonics: int
    trend: bool
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What a reader is to see: points, and the line they would have followed.

    Parameters
    ----------
    time : ndarray of float64, shape (n,)
        Points since the change; 0 is the first.
    seen, expected : ndarray of float64, shape (n,)
    """

    time: Float64
    seen: Float64
    expected: Float64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effect:
    """An estimate.

    Parameters
    ----------
    estimate, low, high : float
        ``low`` and ``high`` are infinite where the design cannot bound the effect.
    p_value : float
    inference : str
        Where interval and p-value come from.
    model : dict or None
        The same by a regression, as a check.
    naive, before : float
        Bare after minus before, and the mean before, of the units that changed.
    trends : Trends or None
    limits : tuple of str
        Doubts that belong to this estimate.
    series : Series
    """

    estimate: float
    low: float
    high: float
    p_value: float
    inference: str
    model: dict[str, float] | None
    naive: float
    before: float
    trends: Trends | None
    limits: tuple[str, ...]
    series: Series

    def to_json(self) -> dict[str, Any]:
        """Plain data; null for an interval without end."""
        trends = self.trends
        return {
            "estimate": _plain(self.estimate),
            "low": _plain(self.low),
            "high": _plain(self.high),
            "p_value": _plain(self.p_value),
            "inference": self.inference,
            "model": self.model,
            "naive_before_after": _plain(self.naive),
            "mean_before": _plain(self.before),
            "trends_before": None
            if trends is None
            else {
                "gap_a_point": _plain(trends.gap),
                "p_value": _plain(trends.p_value),
                "bias_if_continued": _plain(trends.if_continued),
            },
            "limits": list(self.limits),
            "series": {
                "points_since_change": self.series.time.tolist(),
                "seen": [_plain(value) for value in self.series.seen.tolist()],
                "expected": [_plain(value) for value in self.series.expected.tolist()],
            },
        }


def _plain(number: float) -> float | None:
    return round(float(number), 6) if np.isfinite(number) else None


def estimate_panel(panel: Panel, rollout: Rollout, rules: Rules) -> Effect:
    """Stepped-wedge, staggered roll-out or difference-in-differences.

    Raises
    ------
    Refused
        Too few points before or after the first change.
    """
    refuse_short(rollout, LEAST_BEFORE, LEAST_AFTER)
    weigh = _WEIGH[rules.design]
    rng = default_rng(rules.seed)
    orders = randomise(panel, rollout, weigh, rng)
    told = modelled(panel, rollout)
    low, high = orders.interval()
    trends = trends_before(panel, rollout, weigh, rng)
    which = "all" if orders.exact else "drawn by chance of all"
    return Effect(
        estimate=orders.estimate,
        low=low,
        high=high,
        p_value=orders.p_value(),
        inference=f"randomisation over {orders.of_values.size} orders of the units ({which})",
        model={
            "estimate": float(told.coefficients[0]),
            "low": float(told.interval[0, 0]),
            "high": float(told.interval[0, 1]),
            "p_value": float(told.p_value[0]),
            "autocorrelation": told.autocorrelation,
        },
        naive=naive_change(panel, rollout),
        before=_before(panel, rollout),
        trends=trends,
        limits=tuple(_panel_limits(rollout, rules, trends)),
        series=_event_time(panel, rollout),
    )


def _panel_limits(rollout: Rollout, rules: Rules, trends: Trends | None) -> list[str]:
    limits = []
    orders = count_orders(rollout.start)
    if orders < LEAST_ORDERS:
        limits.append(
            f"{rollout.start.size} units allow {orders} orders, so the smallest possible p is "
            f"{1 / orders:.2f} and no interval is bounded: by randomisation this design cannot "
            "show an effect of any size; the model's interval leans on normal, equal errors"
        )
    if not rules.by_lot:
        limits.append(
            "who changed, or in which order, was not drawn by lot: that the units could have "
            "changed places is an assumption"
        )
    if trends is None:
        limits.append("the trends before the change could not be compared")
    elif trends.p_value <= _DOUBTFUL:
        limits.append(
            "the units did not move alike before the change (p "
            f"{trends.p_value:.2f}): had that gone on, it alone would give "
            f"{trends.if_continued:+.2f}; do not read the estimate as an effect"
        )
    return limits


def refuse_short(rollout: Rollout, before: int, after: int) -> None:
    """Refuse where there are too few points on a side.

    Raises
    ------
    Refused
        Fewer than ``before`` points before, or ``after`` points after, that are due.
    """
    seen = int(rollout.exposed.any(axis=0).sum())
    if rollout.before < before or seen < after:
        reason = (
            f"at least {before} points before the first change and {after} after its "
            f"transition expected, got {rollout.before} and {seen} that are due"
        )
        raise Refused([reason])


def _before(panel: Panel, rollout: Rollout) -> float:
    return float(panel.values[rollout.treated][:, : rollout.before].mean())


def _event_time(panel: Panel, rollout: Rollout) -> Series:
    """Treated units by points since their change, less the effects of unit and point."""
    plain = ~(rollout.exposed | rollout.changing)
    unit, point = np.nonzero(plain)
    size = len(panel.units)
    design = np.zeros((unit.size, size + panel.points))
    design[np.arange(unit.size), unit] = 1.0
    design[np.arange(unit.size), size + point] = 1.0
    solved = np.linalg.lstsq(design, panel.values[plain], rcond=None)[0]
    left = panel.values - solved[:size, None] - solved[None, size:]
    left[:, ~plain.any(axis=0)] = np.nan
    since = np.arange(panel.points)[None, :] - rollout.start[:, None]
    told = rollout.treated[:, None] & ~np.isnan(left)
    times, units = np.unique(since[told], return_counts=True)
    times = times[units >= min(2, int(rollout.treated.sum()))]  # one unit of several is an anecdote
    means = np.array([left[told & (since == time)].mean() for time in times])
    return Series(times.astype(np.float64), means, np.zeros(times.size))


def estimate_series(
    treated: Float64, control: Float64, shape: Shape, rules: Rules, *, proportional: bool
) -> Effect:
    """Controlled interrupted time series.

    Raises
    ------
    Refused
        Too few points before or after.
    """
    rollout = Rollout(np.array([shape.start]), treated.size, shape.transition)
    refuse_short(rollout, LEAST_BEFORE_SERIES, LEAST_AFTER_SERIES)
    difference = less_control(treated, control, start=shape.start, proportional=proportional)
    fitted = interrupted(difference, shape)
    after = rollout.exposed[0]
    design = design_of(treated.size, shape)
    # The line continued: neither the new level nor the new trend.
    gone_on = design.copy()
    gone_on[:, [0, 3] if shape.trend else [0]] = 0.0
    return Effect(
        estimate=float(fitted.coefficients[0]),
        low=float(fitted.interval[0, 0]),
        high=float(fitted.interval[0, 1]),
        p_value=float(fitted.p_value[0]),
        inference=(
            "segmented regression of treated less control, AR(1) errors by restricted likelihood "
            f"(autocorrelation {fitted.autocorrelation:.2f})"
        ),
        model=None,
        naive=float(treated[after].mean() - treated[: shape.start].mean()),
        before=float(treated[: shape.start].mean()),
        trends=None,
        limits=tuple(_series_limits(fitted.whitened[0], shape, rules)),
        series=Series(
            np.arange(treated.size, dtype=np.float64) - shape.start,
            difference,
            gone_on @ fitted.coefficients,
        ),
    )


def _series_limits(whitened: Float64, shape: Shape, rules: Rules) -> list[str]:
    limits = []
    if shape.harmonics and shape.start * shape.days < YEAR_DAYS:
        limits.append(
            "less than a year before the change: season and trend cannot be told apart, "
            "except as far as the control shares the season"
        )
    left = acorr_ljungbox(whitened, lags=[min(_LAGS, whitened.size // 4)])["lb_pvalue"].iloc[0]
    if left <= _DOUBTFUL / 5:
        limits.append(
            "the errors remember in a way that AR(1) does not catch: trust the interval less"
        )
    if not rules.by_lot:
        limits.append(
            "who changed was not drawn by lot: that the control shows what would have happened "
            "is an assumption"
        )
    return limits
