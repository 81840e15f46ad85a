"""SYNTHETIC data: how near each contestant comes to the best that any model could do.

A simulated trust, divided in time and by patient as ``homeward train`` does, features and all. The
simulator writes the true chance of each horizon at each snapshot; its AUROC on the same rows is the
best possible, and a contestant's share of the way is (AUROC - .5) / (best - .5). A share says how
well a contestant learns what the simulator made; it says nothing about real patients.

Usage: python -m benchmarks.simulated [--quick] [--spells 20_000] [--peers LR CatBoost]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from benchmarks.cases import Cases, Float64, Int64, Trial
from benchmarks.contest import HOMEWARD, Rules, hold
from benchmarks.homeward_command import run
from benchmarks.peers import add_peers, chosen_peers
from benchmarks.report import Report, options
from benchmarks.scores import DIFFERENCE_HEAD, Figures, Judge, difference_rows, plain, shown
from feature_store.dataset import open_dataset
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import LONG_STAY_DAYS
from models.judging import Estimate
from training.config import TrainingConfig
from training.preparation import prepare
from training.split import Part

BEST: Final = "best possible"
WHEN: Final = {"admission": "at admission", "all": "all snapshots"}
BAR: Final = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A trial on synthetic data, and the truth of its test snapshots by horizon."""

    trial: Trial
    truth: dict[int, Float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--spells", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="of the simulator")
    add_peers(parser)
    chosen = parser.parse_args(arguments)
    spells = 4_000 if chosen.quick else chosen.spells
    report = Report("simulated", quick=chosen.quick)
    print(f"\n## Simulated trust (synthetic)\n\n{__doc__.splitlines()[0]}")
    made = simulate(spells, chosen.seed, TrainingConfig(threads=chosen.threads))
    peers = chosen_peers(chosen.peers, quick=chosen.quick)
    answers = hold(made.trial, peers, Rules(threads=chosen.threads), says="simulated")
    everyone = {**answers, BEST: made.truth}
    test = made.trial.test
    judge = Judge.of(test.snapshots.subject_id, replicates=50 if chosen.quick else 300)
    for when, words in WHEN.items():
        figures = _judged(everyone, test, judge, first_only=when == "admission")
        _add(report, f"SYNTHETIC, {spells:,} spells, {words}", figures)
    report.close(chosen.out)
    return 0


def simulate(spells: int, seed: int, config: TrainingConfig) -> Simulated:
    """Simulate by the command, divide and compute features as ``homeward train`` does."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "trust"
        size = ("--spells", str(spells), "--seed", str(seed))
        run("simulate", "--out", str(out), *size, folder=Path(folder))
        prepared = prepare(open_dataset(out), config, lambda _line: None)
        parts = {
            part: Cases(
                material.matrix, material.snapshots, material.outcomes, prepared.feature_set
            )
            for part, material in prepared.materials.items()
        }
        test = parts[Part.TEST]
        truth = _truth(out / "truth.parquet", test.snapshots)
    return Simulated(Trial(parts[Part.TRAIN], parts[Part.CALIBRATION], test), truth)


def _truth(path: Path, snapshots: Snapshots) -> dict[int, Float64]:
    """True chances of these snapshots, by horizon."""
    table = pq.read_table(path)
    key = _keys(table["spell_id"].to_numpy(), table["prediction_time"].to_numpy().astype("int64"))
    order = np.argsort(key)
    asked = _keys(snapshots.spell_id, snapshots.prediction_time)
    rows = order[np.searchsorted(key[order], asked)]
    if not np.array_equal(key[rows], asked):
        msg = "simulated: the truth of every snapshot expected, some have none"
        raise RuntimeError(msg)
    return {days: table[f"p_{days}"].to_numpy()[rows] for days in LONG_STAY_DAYS}


def _keys(spell_id: Int64, moment: Int64) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    key = np.empty(spell_id.size, dtype=[("spell", np.int64), ("moment", np.int64)])
    key["spell"], key["moment"] = spell_id, moment
    return key


def _judged(
    everyone: dict[str, dict[int, Float64]], test: Cases, judge: Judge, *, first_only: bool
) -> Figures:
    first = test.days_so_far == 0 if first_only else np.ones(len(test), bool)
    if first_only:
        first &= np.r_[True, test.snapshots.spell_id[1:] != test.snapshots.spell_id[:-1]]
    figures: dict[str, dict[str, Estimate]] = {}
    for name, chances in everyone.items():
        figures[name] = {}
        for days in LONG_STAY_DAYS:
            outcome = np.where(first, test.target(days), np.nan)
            for metric in ("auroc", "brier"):
                found = judge.measure(metric, outcome, chances[days])
                figures[name][f"{metric}_{days}"] = found
    return figures


def _add(report: Report, title: str, figures: Figures) -> None:
    best = figures[BEST]
    rows = []
    for name, of in figures.items():
        cells = [name]
        for days in LONG_STAY_DAYS:
            area = of[f"auroc_{days}"]
            share = (area.value - 0.5) / (best[f"auroc_{days}"].value - 0.5)
            cells += [shown(area, f"auroc_{days}"), f"{100 * share:.1f} %"]
            cells += [shown(of[f"brier_{days}"], f"brier_{days}")]
        rows.append(cells)
    head = ["contestant"]
    for days in LONG_STAY_DAYS:
        head += [f"AUROC {days} d", "of the way", f"Brier {days} d"]
    report.add(title, head, rows, figures=plain(figures))
    contestants = {name: of for name, of in figures.items() if name != BEST}
    columns = tuple(f"auroc_{days}" for days in LONG_STAY_DAYS)
    report.add(
        f"Homeward and its best peer, paired; {title}",
        DIFFERENCE_HEAD,
        difference_rows(contestants, columns),
    )
    ways = [
        (figures[HOMEWARD][column].value - 0.5) / (best[column].value - 0.5) for column in columns
    ]
    reached = "reached" if min(ways) >= BAR else "NOT reached"
    print(f"\nBar: {BAR:.0%} of the way at every horizon {reached} (least {min(ways):.1%}).")


if __name__ == "__main__":
    sys.exit(main())
