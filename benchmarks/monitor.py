"""SIMULATED: how often the monitor alarms in a quiet year, how soon after something has happened.

Control charts of calibration looked at every four weeks; one site of four that turns; features and
scores that move; feeds that fall silent, looked at every day; and whole looks at simulated trusts
whose scores are true.

Usage: python -m benchmarks.monitor [--quick] [--seeds 200]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.random import Generator, default_rng

from benchmarks.quiet_trust import whole
from benchmarks.report import Report, options
from feature_store.clock import DAY, HOUR
from feature_store.events import Events
from training.monitor.chart import Chart, charts
from training.monitor.drift import Reference, shifts
from training.monitor.feeds import feeds

STAYS: Final = 2600
"""Stays that become due in a year: 50 a week."""

LOOKS: Final = 13
SIMULATIONS: Final = 500
SITES: Final = 4
COLUMNS: Final = 40
PATIENTS: Final = 300
FAMILIES: Final = 8
START: Final = 20_000 * DAY


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    chosen = parser.parse_args(arguments)
    seeds = 4 if chosen.quick else chosen.seeds
    report = Report("monitor", quick=chosen.quick)
    _charts(report, 2 * seeds)
    _sites(report, seeds)
    _drift(report, seeds)
    _feeds(report, max(seeds // 5, 2))
    whole(report, max(seeds // 20, 1), looks=2 if chosen.quick else 6)
    report.close(chosen.out)
    return 0


# ---- calibration ---------------------------------------------------------------------------------


def drawn(rng: Generator, size: int, odds_ratio: float) -> tuple[Any, Any]:
    """Chances, and outcomes whose odds change in the middle of the year."""
    chance = np.clip(rng.beta(1.2, 3.6, size), 0.01, 0.97)
    odds = odds_ratio * chance / (1 - chance)
    truth = np.where(np.arange(size) < size // 2, chance, odds / (1 + odds))
    return (rng.random(size) < truth).astype(np.float64), chance


def first_alarm(pair: Sequence[Chart]) -> int | None:
    """Outcome at which either chart first alarmed."""
    return min((one.alarm_at for one in pair if one.alarm_at is not None), default=None)


def _charts(report: Report, seeds: int) -> None:
    """A year of 2,600 stays; without a change it is looked at 13 times, each with limits anew."""
    alarmed, at_once = 0, 0
    for seed in range(seeds):
        rng = default_rng(seed)
        outcome, chance = drawn(rng, STAYS, 1.0)
        found = []
        for number in range(1, LOOKS + 1):
            seen = STAYS * number // LOOKS
            told = charts(
                outcome[:seen],
                chance[:seen],
                among=1,
                rng=rng,
                whole=STAYS,
                simulations=SIMULATIONS,
            )
            found.append(first_alarm(told) is not None)
        alarmed += any(found)
        at_once += found[-1]
    rows = [
        ("13 looks in the year", f"{alarmed / seeds:.1%}"),
        ("one look at its end", f"{at_once / seeds:.1%}"),
    ]
    head = ("a year without a change, 5 % meant", "any alarm")
    report.add(f"Calibration, {STAYS:,} stays a year, {seeds} years", head, rows)
    rows = [_delay(odds_ratio, seeds) for odds_ratio in (1.3, 1.6, 2.0, 0.77, 0.62, 0.5)]
    head = (
        "odds of a long stay after",
        "alarm before",
        "found by the end",
        "median weeks",
        "nine in ten",
    )
    report.add("A change in the middle of the year", head, rows)


def _delay(odds_ratio: float, seeds: int) -> tuple[str, ...]:
    found = []
    for seed in range(seeds):
        rng = default_rng(10_000 + seed)
        outcome, chance = drawn(rng, STAYS, odds_ratio)
        found.append(
            first_alarm(charts(outcome, chance, among=1, rng=rng, simulations=SIMULATIONS))
        )
    change = STAYS // 2
    early = np.mean([one is not None and one < change for one in found])
    late = [(one - change) * 52 / STAYS for one in found if one is not None and one >= change]
    return (f"{odds_ratio:g}", f"{early:.1%}", f"{len(late) / seeds:.1%}", *_quantiles(late))


def _quantiles(late: Sequence[float]) -> tuple[str, str]:
    if not late:
        return "", ""
    return f"{np.median(late):.0f}", f"{np.quantile(late, 0.9):.0f}"


def _sites(report: Report, seeds: int) -> None:
    """Four sites of 1,300 stays a year; one turns in the middle of it."""
    size, rows = STAYS // 2, []
    for odds_ratio in (1.0, 1.6, 2.0, 3.0):
        late, named, others = [], 0, 0
        for seed in range(seeds):
            rng = default_rng(20_000 + seed)
            parts = [drawn(rng, size, odds_ratio if site == 0 else 1.0) for site in range(SITES)]
            whole = tuple(np.column_stack(both).ravel() for both in zip(*parts, strict=True))
            alarms = [
                first_alarm(charts(*one, among=SITES + 1, rng=rng, simulations=SIMULATIONS))
                for one in (*parts, whole)
            ]
            others += any(one is not None for one in alarms[1:SITES])
            if alarms[0] is not None and alarms[0] >= size // 2:
                named += 1
                late.append((alarms[0] - size // 2) * 52 / size)
        told = (f"{named / seeds:.1%}", *_quantiles(late), f"{others / seeds:.1%}")
        rows.append((f"{odds_ratio:g}", *told))
    head = (
        "odds at one site of four",
        "named by the end",
        "median weeks",
        "nine in ten",
        "another named",
    )
    report.add(f"One site that turns, {size:,} stays a site and year, {seeds} years", head, rows)


# ---- drift ---------------------------------------------------------------------------------------


def _drift(report: Report, seeds: int) -> None:
    """300 patients in four weeks, 40 columns a tenth of whose values are missing."""
    rng = default_rng(1)
    names = [f"f{column}" for column in range(COLUMNS)]
    reference = Reference.of(_patients(rng, 3000), names)
    watched = breached = 0
    for _ in range(seeds * LOOKS):
        states = {one.state for one in shifts(reference, _patients(rng, PATIENTS), rng=rng)}
        watched += bool(states - {"ok"})
        breached += "breach" in states
    years = seeds
    rows = [("looks with anything found", f"{watched / years:.2f}")]
    rows += [("looks with a breach", f"{breached / years:.2f}")]
    report.add(f"Drift, {years} quiet years of 13 looks", ("", "a year"), rows)
    rows = []
    for shift in (0.25, 0.5, 1.0):
        told = [_shifted(reference, rng, shift) for _ in range(seeds)]
        rows.append(
            (
                f"{shift:g} SD",
                f"{np.mean([state != 'ok' for state, _ in told]):.1%}",
                f"{np.mean([state == 'breach' for state, _ in told]):.1%}",
                f"{np.mean([other for _, other in told]):.1%}",
            )
        )
    head = ("one column moved by", "found at the first look", "as a breach", "another named")
    report.add("Drift that was planted", head, rows)


def _patients(rng: Generator, size: int) -> Any:
    values = rng.normal(size=(size, COLUMNS))
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def _shifted(reference: Reference, rng: Generator, shift: float) -> tuple[str, bool]:
    values = _patients(rng, PATIENTS)
    values[:, 0] += shift
    told = [one.state for one in shifts(reference, values, rng=rng)]
    return told[0], set(told[1:]) != {"ok"}


# ---- feeds ---------------------------------------------------------------------------------------


def arriving(rng: Generator, days: int, *, silent_from: int | None = None) -> Events:
    """Facts of 8 families at 2 sites, fewer at weekends, days that differ; one family may stop."""
    rows: list[tuple[int, int, str, int]] = []
    for site in range(2):
        spell = 1000 * (site + 1)
        rows.append((spell, spell, f"SITE//S{site}", START))
        for family in range(FAMILIES):
            usual = rng.gamma(20.0, (5.0 + 5.0 * family) / 20.0, days)  # days differ beyond chance
            usual *= np.where((np.arange(days) + START // DAY) % 7 < 5, 1.0, 0.6)
            counts = rng.poisson(usual)
            if silent_from is not None and family == 3 and site == 0:
                counts[silent_from:] = 0
            moments = START + np.repeat(np.arange(days), counts) * DAY
            moments += rng.integers(0, 24, moments.size) * HOUR
            rows += [(spell, spell, f"F{family}", int(at)) for at in moments]
    subject, spell_id, code, time = zip(*rows, strict=True)
    return Events.build(
        subject_id=subject, spell_id=spell_id, code=list(code), time=time
    ).in_order()


def _feeds(report: Report, seeds: int) -> None:
    watched = breached = 0
    for seed in range(seeds):
        events = arriving(default_rng(seed), 60 + 364)
        for day in range(60, 60 + 364):
            states = {one.state for one in _looked(events, day)}
            watched += "watch" in states
            breached += "breach" in states
    rows = [("days with a feed to look at", f"{watched / seeds:.2f}")]
    rows += [("days with a breach", f"{breached / seeds:.2f}")]
    report.add(f"Feeds, 16 of them, {seeds} quiet years of daily looks", ("", "a year"), rows)
    found: dict[str, list[int]] = {"watch or breach": [], "breach": []}
    for seed in range(seeds * 5):
        events = arriving(default_rng(500 + seed), 70, silent_from=60)
        states = [_state_of_dead(events, 60 + days) for days in range(1, 8)]
        for name, wanted in (("watch or breach", {"watch", "breach"}), ("breach", {"breach"})):
            found[name].append(next((d for d, s in enumerate(states, 1) if s in wanted), 99))
    rows = [
        (name, *(f"{np.mean(np.array(delays) <= days):.1%}" for days in (1, 2, 3, 4)))
        for name, delays in found.items()
    ]
    head = ("a dead feed", "after 1 day", "2 days", "3 days", "4 days")
    report.add(f"A feed of 20 a day that falls silent, {seeds * 5} times", head, rows)


def _looked(events: Events, day: int) -> Any:
    until = START + day * DAY
    recent = (events.recorded_at > until - 63 * DAY) | (events.recorded_at == START)
    return feeds(events.take(np.flatnonzero(recent & (events.recorded_at <= until))), until=until)


def _state_of_dead(events: Events, day: int) -> str:
    told = {(one.family, one.site): one.state for one in _looked(events, day)}
    return told.get(("F3", "S0"), "ok")


if __name__ == "__main__":
    sys.exit(main())
