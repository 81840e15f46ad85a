"""SYNTHETIC data: what ``homeward train`` takes, beside plain LightGBM for one threshold.

A simulated trust, features and division as ``homeward train`` makes them. *Plain* is
``lightgbm.train`` on that matrix for "7 midnights or more" alone: 31 leaves, rate .05, early
stopping on the calibration spells; no calibration, no other horizon, no interval, nothing judged.
Homeward is the command itself, all horizons, death, calibration, baselines, evaluation, report.
CPU time is what to read on a machine that does other things too. A stage's CPU time is of all
threads; the ratio leaves out the preparation, which both need.

Usage: python -m benchmarks.train [--quick] [--spells 200_000] [--threads 1]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np

from benchmarks.homeward_command import command, environment
from benchmarks.processes import Spent, spend
from benchmarks.report import Report, options
from feature_store.dataset import open_dataset
from training.config import TrainingConfig
from training.preparation import prepare
from training.split import Part

HORIZON: Final = 7
AIM_RATIO: Final = 3.0
AIM_MIB: Final = 8 * 1024
STAGES: Final = ("prepare", "fit", "judge", "publish")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; with ``--plain`` be the child that trains plainly."""
    parser = options(__doc__)
    parser.add_argument("--spells", type=int, default=200_000)
    parser.add_argument("--data", type=Path, help="a simulated trust that is there already")
    parser.add_argument("--plain", action="store_true", help="train plainly on --data, say JSON")
    chosen = parser.parse_args(arguments)
    if chosen.plain:
        print(json.dumps(plain(chosen.data, chosen.threads)))
        return 0
    report = Report("train", quick=chosen.quick)
    spells = 4_000 if chosen.quick else chosen.spells
    print(f"\n## Training (synthetic)\n\n{__doc__.splitlines()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), chosen.data, spells, chosen.threads, report)
    report.close(chosen.out)
    return 0


def plain(data: Path, threads: int) -> dict[str, float]:
    """Train one classifier on the prepared matrix; rows, trees, wall and CPU seconds."""
    prepared = prepare(open_dataset(data), TrainingConfig(threads=threads), lambda _line: None)
    train, later = (_labelled(prepared.materials[part]) for part in (Part.TRAIN, Part.CALIBRATION))
    parameters = {
        "objective": "binary",
        "num_leaves": 31,
        "learning_rate": 0.05,
        "num_threads": threads,
        "verbosity": -1,
    }
    wall, cpu = time.perf_counter(), time.process_time()
    categorical = list(prepared.feature_set.categorical)
    data_of = lightgbm.Dataset(*train, categorical_feature=categorical)
    booster = lightgbm.train(
        parameters,
        data_of,
        600,
        valid_sets=[data_of.create_valid(*later)],
        callbacks=[lightgbm.early_stopping(40, verbose=False)],
    )
    return {
        "rows": float(len(train[1])),
        "trees": float(booster.current_iteration()),
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }


def _labelled(material: Any) -> tuple[Any, Any]:
    target = material.target(HORIZON)
    known = ~np.isnan(target)
    return material.matrix[known], target[known]


def _measure(folder: Path, data: Path | None, spells: int, threads: int, report: Report) -> None:
    if data is None:
        data = folder / "trust"
        _run(folder, "simulate", "--out", str(data), "--spells", str(spells), "--sites", "6")
    settings = folder / "settings.toml"
    settings.write_text(f"threads = {threads}\n")
    spent, told = _run(folder, "train", str(data.absolute()), "--config", str(settings))
    words = [sys.executable, "-m", "benchmarks.train", "--plain", "--data", str(data.absolute())]
    spent_plain, plainly = _spend(folder, [*words, "--threads", str(threads)])
    cost, snapshots = told["cost"], told["provenance"]["snapshots"]
    work = sum(cost[f"cpu_seconds_{stage}"] for stage in STAGES[1:])
    rows = [
        ("plain LightGBM, 7 d", *_cells(plainly), f"{spent_plain.peak_mib:,.0f}", "1.0"),
        *(
            (
                f"Homeward: {stage}",
                f"{cost[f'seconds_{stage}']:.1f}",
                f"{cost[f'cpu_seconds_{stage}']:.1f}",
                "",
                "",
            )
            for stage in STAGES
        ),
        (
            "Homeward, all but preparing",
            f"{sum(cost[f'seconds_{stage}'] for stage in STAGES[1:]):.1f}",
            f"{work:.1f}",
            f"{spent.peak_mib:,.0f}",
            f"{work / plainly['cpu_seconds']:.1f}",
        ),
    ]
    title = (
        f"SYNTHETIC, {sum(told['provenance']['spells'].values()):,} spells, "
        f"{sum(snapshots.values()):,} snapshots, {snapshots['train']:,} to train on; "
        f"{threads} thread(s); plain: "
        f"{plainly['trees']:.0f} trees on {plainly['rows']:,.0f} rows"
    )
    head = ("what", "s", "CPU s", "peak MiB", "CPU, times plain")
    report.add(title, head, rows, cost=cost, plain=plainly)
    reached = work <= AIM_RATIO * plainly["cpu_seconds"] and spent.peak_mib <= AIM_MIB
    print(f"\nAim: under {AIM_RATIO:.0f} times and {AIM_MIB:,} MiB {'' if reached else 'NOT '}met.")


def _cells(plainly: dict[str, float]) -> tuple[str, str]:
    return f"{plainly['seconds']:.1f}", f"{plainly['cpu_seconds']:.1f}"


def _run(folder: Path, *words: str) -> tuple[Spent, dict[str, Any]]:
    return _spend(folder, command(*words, "--json"))


def _spend(folder: Path, words: Sequence[str]) -> tuple[Spent, dict[str, Any]]:
    output = folder / "said.json"
    spent = spend(words, folder=folder, environment=environment(), output=output)
    text = output.read_text(encoding="utf-8")
    told: dict[str, Any] = json.loads(text[text.index("{") :])
    return spent, told


if __name__ == "__main__":
    sys.exit(main())
