"""As-of window features: Homeward's one feature function beside Polars, DuckDB and pandas.

72 features (latest, lowest, highest, count, sum, hours since; over 1, 3, 30 and 365 days; of 3
codes among 8) at moments spread over uneven histories; an event counts once recorded. All
engines read the same Parquet files and must give equal matrices, or the run fails. Homeward, Polars
and DuckDB use two threads; start-up is not timed. The engines take turns; the round that took each
the least time is shown.

Usage: python -m benchmarks.features [--events 20_000_000 --snapshots 200_000]
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.engines.history import EVENTS_A_PATIENT, write_history
from benchmarks.engines.windows import FEATURES
from benchmarks.homeward_command import environment
from benchmarks.processes import spend
from benchmarks.report import Report, options

ENGINES: Final[Mapping[str, str]] = {
    "homeward": "Homeward",
    "polars": "Polars",
    "duckdb": "DuckDB SQL",
    "pandas": "pandas",
}
TOLERANCE: Final = 1e-9
"""Largest difference allowed; hours since are divisions, rounded by each engine in its own way."""

MOST_EVENTS_PANDAS: Final = 20_000_000
"""Here pandas needs 3 GiB, and it grows with the events."""

ONE_PATIENT_EVENTS: Final = 300


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine in one mode: the least of the rounds."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--snapshots", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    events, snapshots = chosen.events, chosen.snapshots
    rounds = chosen.rounds
    if chosen.quick:
        events, snapshots, rounds = 50_000, 500, 1
    report = Report("features", quick=chosen.quick)
    print(f"\n## As-of window features\n\n{__doc__.splitlines()[0]}")
    engines = [name for name in ENGINES if _usable(name, events)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        patients = max(events // EVENTS_A_PATIENT, 1)
        write_history(folder / "many", patients=patients, events=events, snapshots=snapshots)
        write_history(folder / "one", patients=1, events=ONE_PATIENT_EVENTS, snapshots=1)
        size = f"{snapshots:,} moments, {events:,} events, {patients:,} patients"
        disk = _rounds(engines, folder, rounds, chosen.threads, memory=False)
        _add(report, f"Parquet to matrix: {len(FEATURES)} features, {size}", disk)
        memory = _rounds(engines, folder, rounds, chosen.threads, memory=True)
        _add(report, f"Memory to matrix: {len(FEATURES)} features, {size}", memory)
        _one_patient(
            report, engines, folder / "one", chosen.threads, turns=3 if chosen.quick else 30
        )
    report.close(chosen.out)
    return 0


def _usable(name: str, events: int) -> bool:
    if name != "homeward" and importlib.util.find_spec(name) is None:
        print(f"{name} is not installed, left out", file=sys.stderr)
        return False
    if name == "pandas" and events > MOST_EVENTS_PANDAS:
        print("pandas: too much memory at this size, left out", file=sys.stderr)
        return False
    return True


def _rounds(
    engines: Sequence[str], folder: Path, rounds: int, threads: int, *, memory: bool
) -> dict[str, Measured]:
    taken: dict[str, list[Measured]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name in engines:
            taken[name].append(_once(name, folder, threads, memory=memory))
        _check(engines, folder)
    return {name: min(several, key=lambda one: one.seconds) for name, several in taken.items()}


def _once(name: str, folder: Path, threads: int, *, memory: bool) -> Measured:
    words = [sys.executable, "-m", "benchmarks.engines", name, str(folder / "many")]
    words += [str(folder / name), "--warm", str(folder / "one")]
    words += ["--memory"] if memory else []
    spend(
        words,
        folder=folder,
        environment={**environment(), **_threads(threads)},
        output=folder / "said.txt",
    )
    figures = json.loads((folder / f"{name}.json").read_text())
    return Measured(**figures)


def _threads(threads: int) -> dict[str, str]:
    return {"POLARS_MAX_THREADS": str(threads), "BENCHMARK_THREADS": str(threads)}


def _check(engines: Sequence[str], folder: Path) -> None:
    """Every engine gives Homeward's matrix, missing values included."""
    ours = np.load(folder / "homeward.npy")
    for name in engines:
        theirs = np.load(folder / f"{name}.npy")
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE, equal_nan=True)


def _add(report: Report, title: str, measured: Mapping[str, Measured]) -> None:
    ours = measured["homeward"].seconds
    rows = [
        [
            ENGINES[name],
            f"{one.seconds:.2f}",
            f"{one.seconds / ours:.1f}",
            f"{one.cpu_seconds:.2f}",
            f"{one.peak_mib:,.0f}",
        ]
        for name, one in measured.items()
    ]
    head = ("engine", "s", "times Homeward", "CPU s", "peak MiB")
    report.add(title, head, rows)


def _one_patient(
    report: Report, engines: Sequence[str], folder: Path, threads: int, *, turns: int
) -> None:
    """One patient in one process, engines in turn: what a request pays."""
    os.environ.update(_threads(threads))
    computes = {
        name: importlib.import_module(f"benchmarks.engines.{name}_engine").in_memory(folder)
        for name in engines
    }
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(turns):
        for name, compute in computes.items():
            begun = time.perf_counter()
            compute()
            taken[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(several) for name, several in taken.items()}
    rows = [
        [ENGINES[name], f"{1000 * seconds:.2f}", f"{seconds / medians['homeward']:.0f}"]
        for name, seconds in medians.items()
    ]
    title = f"One patient with {ONE_PATIENT_EVENTS} events in memory, {len(FEATURES)} features"
    report.add(title, ("engine", "ms", "times Homeward"), rows)


if __name__ == "__main__":
    sys.exit(main())
