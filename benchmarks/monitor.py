"""SIMULATED outcomes: how often the monitor's charts alarm without a change, how soon after one.

Usage: python -m benchmarks.monitor [--quick]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.report import Report, options
from training.monitor.chart import charts

PERIOD = 3000
CHANGE_AT = 1500


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    chosen = options(__doc__).parse_args(arguments)
    seeds = 60 if chosen.quick else 1000
    report = Report("monitor", quick=chosen.quick)
    rows = []
    for odds_ratio in (1.0, 1.3, 1.6, 2.0, 0.77, 0.62, 0.5):
        found = [_first_alarm(seed, odds_ratio) for seed in range(seeds)]
        early = np.mean([one is not None and one < CHANGE_AT for one in found])
        delays = [one - CHANGE_AT for one in found if one is not None and one >= CHANGE_AT]
        median = f"{np.median(delays):.0f}" if delays else ""
        late = len(delays) / seeds
        rows.append([f"{odds_ratio:.2f}", f"{early:.3f}", f"{late:.3f}", median])
    head = ["odds ratio after", "alarm before", "alarm after", "median delay, spells"]
    report.add(f"Calibration charts, {PERIOD:,} spells, change at {CHANGE_AT:,}", head, rows)
    report.close(chosen.out)
    return 0


def _first_alarm(seed: int, odds_ratio: float) -> int | None:
    rng = np.random.default_rng(seed)
    chance = np.clip(rng.beta(1.2, 3.6, PERIOD), 0.01, 0.97)
    odds = odds_ratio * chance / (1 - chance)
    truth = np.where(np.arange(PERIOD) < CHANGE_AT, chance, odds / (1 + odds))
    outcome = (rng.random(PERIOD) < truth).astype(np.float64)
    pair = charts(outcome, chance, among=1, rng=rng, simulations=400)
    return min((one.alarm_at for one in pair if one.alarm_at is not None), default=None)


if __name__ == "__main__":
    sys.exit(main())
