"""SYNTHETIC panels: do intervals of impact hold what is there, and find nothing where it is not.

Weekly panels with levels of their own, a season and shocks in common, and errors that remember; an
effect or none is planted. Counted over many seeds: how often the 95 % interval holds the effect,
how often an effect is found that is not there (5 % is meant), how often one that is there is found.
Skewed errors are log-normal; sizes differ threefold between units. Last, how often the smallest
effect that ``homeward plan`` promises with 80 % power is found, and what an effect that grows does
to the two estimators of a roll-out.

Usage: python -m benchmarks.impact [--quick] [--seeds 1000]
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator, default_rng
from statsmodels.regression.mixed_linear_model import MixedLM

from benchmarks.report import Report, options
from training.impact.clusters import modelled
from training.impact.interrupted import Shape, interrupted
from training.impact.panel import NEVER, Float64, Panel, Rollout
from training.impact.power import Noise, trials
from training.impact.randomisation import Orders, orders_of
from training.impact.trends import trends_before
from training.impact.weights import Weigh, imputation, two_way

EFFECT: Final = 1.0
_WEEKS: Final = 52
_ORDERS: Final = 400
_HEAD: Final = ("design", "errors", "interval holds", "found, none there", "found, one there")

Draw = Callable[[Generator, int, int], Float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A roll-out and its estimator."""

    name: str
    rollout: Rollout
    weigh: Weigh


def cases() -> tuple[Case, ...]:
    """Roll-outs of the kinds that hospitals can make."""
    wedge = np.linspace(12, 40, 6).astype(np.int64)
    pairs = np.repeat(np.linspace(12, 40, 8).astype(np.int64), 3)
    half = np.where(np.arange(10) < 5, 26, NEVER)
    return (
        Case("stepped-wedge, 6 sites", Rollout(wedge, _WEEKS, 2), two_way),
        Case("stepped-wedge, 24 wards", Rollout(pairs, _WEEKS, 2), two_way),
        Case("staggered, 6 sites", Rollout(wedge, _WEEKS, 2), imputation),
        Case("difference, 5 of 10 sites", Rollout(half, _WEEKS, 2), two_way),
    )


def errors(autocorrelation: float, *, skewed: bool) -> Draw:
    """Errors of a panel, variance 1 on the mean over units."""

    def draw(rng: Generator, units: int, points: int) -> Float64:
        noise = Noise(sd=1.0, autocorrelation=autocorrelation).draw(rng, 1, units, points)[0]
        if not skewed:
            return noise
        size = rng.permutation(np.linspace(0.5, 1.5, units))[:, None]
        lifted = np.exp(0.8 * noise)
        return np.asarray(size * (lifted - lifted.mean()) / lifted.std())

    return draw


def panel(rng: Generator, rollout: Rollout, draw: Draw) -> Panel:
    """One panel without an effect."""
    units, points = rollout.start.size, rollout.points
    shared = 2.0 * np.sin(2.0 * np.pi * np.arange(points) / 52.0) + rng.normal(size=points)
    level = 10.0 + 3.0 * rng.normal(size=(units, 1))
    values = level + shared + draw(rng, units, points)
    return Panel(tuple(f"U{unit}" for unit in range(units)), 0, 7, values)


@dataclass(slots=True)
class Tally:
    """Counts of one case."""

    seeds: int
    held: int = 0
    false: int = 0
    found: int = 0

    def add(self, *told: bool) -> None:
        """Count one panel: whether held, found falsely, found rightly."""
        held, false, found = map(int, told)
        self.held, self.false, self.found = self.held + held, self.false + false, self.found + found

    def row(self, name: str, kind: str) -> tuple[str, ...]:
        """As a line of the table."""
        shares = (count / self.seeds for count in (self.held, self.false, self.found))
        return (name, kind, *(f"{share:.1%}" for share in shares))


def lots(case: Case) -> tuple[Float64, Float64, bool]:
    """Weights of every order considered, drawn once a case; what each makes of an effect of 1."""
    starts, exact = orders_of(case.rollout.start, default_rng(0), most=_ORDERS)
    weights = case.weigh(starts, case.rollout.points, case.rollout.transition)
    flat = weights.reshape(len(starts), -1)
    return flat, flat @ case.rollout.exposed.astype(np.float64).ravel(), exact


def by_randomisation(case: Case, draw: Draw, seeds: int) -> tuple[Tally, Tally, float]:
    """Tallies of randomisation and of the model; share of false alarms about trends.

    Both estimators are linear in the outcome, so an effect that is planted moves the estimate of
    each order, and the interval of the model, by what the order makes of it: one fit serves both.
    """
    lot, model, trend = Tally(seeds), Tally(seeds), 0
    flat, of_effect, exact = lots(case)
    for seed in range(seeds):
        made = panel(default_rng(seed), case.rollout, draw)
        of_noise = flat @ made.values.ravel()
        none = Orders(of_noise, of_effect, exact)
        some = Orders(of_noise + EFFECT * of_effect, of_effect, exact)
        low, high = some.interval()
        lot.add(low <= EFFECT <= high, none.p_value() <= 0.05, some.p_value() <= 0.05)
        low, high = modelled(made, case.rollout).interval[0]
        model.add(low <= 0 <= high, not low <= 0 <= high, not low <= -EFFECT <= high)
        told = trends_before(made, case.rollout, case.weigh, default_rng(seed))
        trend += int(told is not None and told.p_value <= 0.05)
    return lot, model, trend / seeds


def by_mixed_model(case: Case, draw: Draw, seeds: int) -> Tally:
    """Tally of a mixed model: points fixed, units random, errors that do not remember."""
    tally, rollout = Tally(seeds), case.rollout
    units, points = rollout.start.size, rollout.points
    unit, point = (place.ravel() for place in np.indices((units, points)))
    columns = [rollout.exposed.ravel()[:, None], point[:, None] == np.arange(points)]
    columns += [rollout.changing.ravel()[:, None]] if rollout.changing.any() else []
    design = np.column_stack(columns).astype(np.float64)
    for seed in range(seeds):
        made = panel(default_rng(seed), rollout, draw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a variance at its edge: that is part of the answer
            fitted = MixedLM(made.values.ravel(), design, groups=unit).fit()
        low, high = fitted.conf_int()[0]
        tally.add(low <= 0 <= high, not low <= 0 <= high, not low <= -EFFECT <= high)
    return tally


def by_series(autocorrelation: float, points: int, seeds: int) -> Tally:
    """Tally of controlled interrupted series, the change at three fifths."""
    tally, start = Tally(seeds), points * 3 // 5
    shape, noise = Shape(start=start, transition=2), Noise(sd=1.0, autocorrelation=autocorrelation)
    effect = 2.0 * EFFECT
    for seed in range(seeds):
        series = noise.draw(default_rng(seed), 1, 1, points)[0, 0]
        low, high = interrupted(series, shape).interval[0]
        tally.add(low <= 0 <= high, not low <= 0 <= high, not low <= -effect <= high)
    return tally


def promised(case: Case, seeds: int) -> tuple[float, float]:
    """Smallest effect that a plan promises to find in 80 %, and the share in which it is found."""
    noise = Noise(sd=1.0, autocorrelation=0.5)
    power = trials(noise, case.rollout, case.weigh, default_rng(1))
    smallest = float("nan") if power is None else power.smallest()
    flat, of_effect, exact = lots(case)
    draw, found = errors(0.5, skewed=False), 0
    for seed in range(seeds):
        made = panel(default_rng(100_000 + seed), case.rollout, draw)
        told = Orders(flat @ made.values.ravel() + smallest * of_effect, of_effect, exact)
        found += int(told.p_value() <= 0.05)
    return smallest, found / seeds


def growing() -> tuple[float, float, float]:
    """An effect that grows by a tenth a week: its mean, and what each estimator makes of it."""
    rollout = Rollout(np.array([12, 18, 24, 30, 36, NEVER]), _WEEKS)
    since = 0.1 * np.maximum(np.arange(_WEEKS) - rollout.start[:, None], 0)
    told = [
        float((weigh(rollout.start[None], _WEEKS, 0)[0] * since).sum())
        for weigh in (two_way, imputation)
    ]
    return float(since[rollout.exposed].mean()), told[0], told[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    chosen = parser.parse_args(arguments)
    seeds = 20 if chosen.quick else chosen.seeds
    report = Report("impact", quick=chosen.quick)
    print(f"\n## Impact (synthetic)\n\n{(__doc__ or '').splitlines()[0]}")
    lots, models, trends = [], [], []
    kinds = {
        "autocorrelation 0.2": errors(0.2, skewed=False),
        "autocorrelation 0.7": errors(0.7, skewed=False),
        "0.7, skewed, unequal": errors(0.7, skewed=True),
    }
    for case in cases():
        for kind, draw in kinds.items():
            lot, model, trend = by_randomisation(case, draw, seeds)
            lots.append(lot.row(case.name, kind))
            models.append(model.row(case.name, kind))
            trends.append((case.name, kind, f"{trend:.1%}"))
    report.add(f"By randomisation, effect of {EFFECT:g} error SD, {seeds} seeds", _HEAD, lots)
    report.add("By the model beside it", _HEAD, models)
    report.add("Alarms about trends that were alike (5 % meant)", ("design", "errors", ""), trends)
    mixed = [
        by_mixed_model(case, draw, seeds // 5).row(case.name, kind)
        for case in cases()[:1]
        for kind, draw in kinds.items()
    ]
    report.add(f"By a mixed model, {seeds // 5} seeds: why it is not used", _HEAD, mixed)
    rows = [
        by_series(rho, points, seeds).row(f"{points} weeks", f"autocorrelation {rho:g}")
        for points in (60, 104)
        for rho in (0.2, 0.5, 0.8)
    ]
    report.add(f"Controlled interrupted series, effect of {2 * EFFECT:g} error SD", _HEAD, rows)
    plans = [(case.name, *_promise(case, seeds)) for case in cases()]
    report.add("What a plan promises to find in 80 %", ("design", "effect", "found"), plans)
    truth, plain, imputed = growing()
    report.add(
        "An effect that grows, without noise",
        ("true mean", "two-way", "imputation"),
        [(f"{truth:.2f}", f"{plain:.2f}", f"{imputed:.2f}")],
    )
    report.close(chosen.out)
    return 0


def _promise(case: Case, seeds: int) -> tuple[str, str]:
    smallest, found = promised(case, seeds)
    return f"{smallest:.2f}", f"{found:.1%}"


if __name__ == "__main__":
    sys.exit(main())
