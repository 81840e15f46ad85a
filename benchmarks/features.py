"""As-of window features: Homeward's one feature function beside Polars, DuckDB, pandas and Feast.

72 features (latest, lowest, highest, count, sum, hours since; over 1, 3, 30 and 365 days; of 3
codes among 8) at moments spread over uneven histories; an event counts once recorded. All
engines read the same Parquet files and must give equal matrices, or the run fails. Homeward, Polars
and DuckDB use two threads; start-up is not timed. The engines take turns; the round that took each
the least time is shown. Feast can say 24 of the 72 (benchmarks/engines/feast_engine.py): its row is
of those, from files that hold one code each, and the share of its values that are right is told.

Usage: python -m benchmarks.features [--quick] [--events 2_000_000 --snapshots 20_000]
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.engines.history import EVENTS_A_PATIENT, write_history
from benchmarks.engines.windows import FEATURES, SAID_BY_FEAST
from benchmarks.feast_environment import FeastMissing, feast_python
from benchmarks.homeward_command import environment
from benchmarks.one_patient import add_sets, timed
from benchmarks.processes import spend
from benchmarks.report import Report, options

FEAST: Final = "feast"
ENGINES: Final[Mapping[str, str]] = {
    "homeward": "Homeward",
    "polars": "Polars",
    "duckdb": "DuckDB SQL",
    "pandas": "pandas",
    FEAST: f"Feast, {len(SAID_BY_FEAST)} of the {len(FEATURES)}",
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


@dataclass(frozen=True, slots=True)
class Contest:
    """What the engines are run on, and with.

    Parameters
    ----------
    folder : Path
        Holds the histories ``many`` and ``one``.
    rounds, threads : int
    pythons : mapping of str to str
        Of each engine, in order; the first is Homeward.
    """

    folder: Path
    rounds: int
    threads: int
    pythons: Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--snapshots", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    events, snapshots = chosen.events, chosen.snapshots
    rounds = chosen.rounds
    if chosen.quick:
        events, snapshots, rounds = 50_000, 500, 1
    report = Report("features", quick=chosen.quick)
    print(f"\n## As-of window features\n\n{__doc__.splitlines()[0]}")
    pythons, left_out = _pythons(events)
    own = {name: python for name, python in pythons.items() if name != FEAST}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        patients = max(events // EVENTS_A_PATIENT, 1)
        write_history(folder / "many", patients=patients, events=events, snapshots=snapshots)
        write_history(folder / "one", patients=1, events=ONE_PATIENT_EVENTS, snapshots=1)
        size = f"{snapshots:,} moments, {events:,} events, {patients:,} patients"
        disk = _rounds(Contest(folder, rounds, chosen.threads, pythons), memory=False)
        _add(report, f"Parquet to matrix: {len(FEATURES)} features, {size}", disk, left_out)
        if FEAST in disk:
            print(f"\n{_agreement(folder):.2%} of Feast's values are those of the others.")
        memory = _rounds(Contest(folder, rounds, chosen.threads, own), memory=True)
        _add(report, f"Memory to matrix: {len(FEATURES)} features, {size}", memory, {})
        turns = 3 if chosen.quick else 30
        _one_patient(report, list(own), folder / "one", chosen.threads, turns=turns)
        add_sets(report, events=ONE_PATIENT_EVENTS, turns=turns)
    report.close(chosen.out)
    return 0


def _pythons(events: int) -> tuple[dict[str, str], dict[str, str]]:
    """Python of each engine that can run; of the others the reason why not."""
    pythons, left_out = {}, {}
    for name in ENGINES:
        if name == FEAST:
            try:
                pythons[name] = feast_python(Path(sys.prefix) / "feast")
            except FeastMissing as error:
                left_out[name] = str(error)
        elif name != "homeward" and importlib.util.find_spec(name) is None:
            left_out[name] = "not installed"
        elif name == "pandas" and events > MOST_EVENTS_PANDAS:
            left_out[name] = "too much memory at this size"
        else:
            pythons[name] = sys.executable
    return pythons, left_out


def _rounds(contest: Contest, *, memory: bool) -> dict[str, Measured]:
    taken: dict[str, list[Measured]] = {name: [] for name in contest.pythons}
    for _ in range(contest.rounds):
        for name in contest.pythons:
            taken[name].append(_once(contest, name, memory=memory))
        _check(contest)
    return {name: min(several, key=lambda one: one.seconds) for name, several in taken.items()}


def _once(contest: Contest, name: str, *, memory: bool) -> Measured:
    folder = contest.folder
    words = [contest.pythons[name], "-m", "benchmarks.engines", name, str(folder / "many")]
    words += [str(folder / name), "--warm", str(folder / "one")]
    words += ["--memory"] if memory or name == FEAST else []  # Feast makes its own files first
    spend(
        words,
        folder=folder,
        environment={**environment(), **_threads(contest.threads)},
        output=folder / "said.txt",
    )
    figures = json.loads((folder / f"{name}.json").read_text())
    return Measured(**figures)


def _threads(threads: int) -> dict[str, str]:
    return {"POLARS_MAX_THREADS": str(threads), "BENCHMARK_THREADS": str(threads)}


def _check(contest: Contest) -> None:
    """Every engine gives Homeward's matrix, missing values included."""
    ours = np.load(contest.folder / "homeward.npy")
    for name in contest.pythons:
        if name != FEAST:
            theirs = np.load(contest.folder / f"{name}.npy")
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=TOLERANCE, equal_nan=True)


def _agreement(folder: Path) -> float:
    """Share of Feast's values that are those of the others."""
    ours = np.load(folder / "homeward.npy")[:, SAID_BY_FEAST]
    theirs = np.load(folder / f"{FEAST}.npy")
    return float(np.isclose(theirs, ours, rtol=0, atol=TOLERANCE, equal_nan=True).mean())


def _add(
    report: Report, title: str, measured: Mapping[str, Measured], left_out: Mapping[str, str]
) -> None:
    ours = measured["homeward"]
    rows = [
        [
            ENGINES[name],
            f"{one.seconds:.2f}",
            f"{one.seconds / ours.seconds:.1f}",
            f"{one.cpu_seconds:.2f}",
            f"{one.cpu_seconds / ours.cpu_seconds:.1f}",
            f"{one.peak_mib:,.0f}",
        ]
        for name, one in measured.items()
    ]
    rows += [[ENGINES[name], reason, "", "", "", ""] for name, reason in left_out.items()]
    head = ("engine", "s", "times Homeward", "CPU s", "times Homeward", "peak MiB")
    report.add(title, head, rows)


def _one_patient(
    report: Report, engines: Sequence[str], folder: Path, threads: int, *, turns: int
) -> None:
    """One patient in one process, engines in turn: what a request pays, in CPU of one core."""
    os.environ.update(_threads(threads))
    computes = {
        name: importlib.import_module(f"benchmarks.engines.{name}_engine").in_memory(folder)
        for name in engines
    }
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(turns):
        for name, compute in computes.items():
            taken[name] += timed(compute, 1)
    medians = {name: statistics.median(several) for name, several in taken.items()}
    rows = [
        [ENGINES[name], f"{1000 * seconds:.3f}", f"{seconds / medians['homeward']:.0f}"]
        for name, seconds in medians.items()
    ]
    title = f"One patient with {ONE_PATIENT_EVENTS} events in memory, {len(FEATURES)} features"
    report.add(title, ("engine", "CPU ms", "times Homeward"), rows)


if __name__ == "__main__":
    sys.exit(main())
