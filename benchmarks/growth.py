"""As-of window features: what the feature function costs as the events grow, from Parquet.

The 72 features and histories of ``benchmarks.features``: ever more patients with the same number of
events each, in shards of a million events. Memory is that of the shards at work, two on
two threads; of the matrix of a shard its sums are kept. Each size runs in a process of its own, the
rounds in turn; the round that took the least CPU is shown.

Usage: python -m benchmarks.growth [--quick] [--rounds 3]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.engines.history import EVENTS_A_PATIENT, write_history
from benchmarks.engines.windows import FEATURES
from benchmarks.homeward_command import environment
from benchmarks.processes import spend
from benchmarks.report import Report, options

EVENTS: Final = (2_000_000, 20_000_000, 100_000_000)
EVENTS_A_SNAPSHOT: Final = 100
ONE_PATIENT: Final = 300

HEAD: Final = (
    *("events", "moments", "patients", "on disk MiB", "s", "CPU s"),
    *("CPU ns an event", "peak MiB"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    sizes, rounds = ((20_000, 200_000), 1) if chosen.quick else (EVENTS, chosen.rounds)
    report = Report("growth", quick=chosen.quick)
    print(f"\n## As-of window features, by size\n\n{__doc__.splitlines()[0]}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write(folder / "one", ONE_PATIENT)
        for events in sizes:
            _write(folder / str(events), events)
        taken: dict[int, list[dict[str, float]]] = {events: [] for events in sizes}
        for _ in range(rounds):
            for events, several in taken.items():
                several.append(_once(folder, str(events), chosen.threads))
        rows = [_row(folder, events, several) for events, several in taken.items()]
    report.add(f"Homeward: {len(FEATURES)} features, {chosen.threads} threads", HEAD, rows)
    report.close(chosen.out)
    return 0


def _write(folder: Path, events: int) -> None:
    patients = max(events // EVENTS_A_PATIENT, 1)
    snapshots = max(events // EVENTS_A_SNAPSHOT, 1)
    write_history(folder, patients=patients, events=events, snapshots=snapshots)


def _once(folder: Path, name: str, threads: int) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.engines", "streamed", str(folder / name)]
    words += [str(folder / f"sums-{name}"), "--warm", str(folder / "one")]
    settings = {**environment(), "BENCHMARK_THREADS": str(threads)}
    spend(words, folder=folder, environment=settings, output=folder / "said.txt")
    figures: dict[str, float] = json.loads((folder / f"sums-{name}.json").read_text())
    return figures


def _row(folder: Path, events: int, several: Sequence[dict[str, Any]]) -> list[str]:
    best = min(several, key=lambda one: one["cpu_seconds"])
    size = sum(path.stat().st_size for path in (folder / str(events) / "events").iterdir())
    return [
        f"{events:,}",
        f"{events // EVENTS_A_SNAPSHOT:,}",
        f"{events // EVENTS_A_PATIENT:,}",
        f"{size / 2**20:,.0f}",
        f"{best['seconds']:.2f}",
        f"{best['cpu_seconds']:.2f}",
        f"{best['cpu_seconds'] / events * 1e9:.0f}",
        f"{best['peak_mib']:,.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
