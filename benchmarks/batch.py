"""SYNTHETIC data: chances of a batch beside ``Booster.predict`` on the prepared matrix.

A model as ``homeward train`` makes it, of a simulated trust, and the trust's own held-out rows. The
same trees of leaving and dying, by two ways, in turns, one thread each, median of rounds:
*raw* is ``Booster.predict`` of both on one row a spell, which answers one interval of the stay;
*expanded* is the same on every interval a row still faces, which is what the chances are made of.
Homeward's is :meth:`models.stay.StayModel.predict`: all intervals, product, calibration.

Usage: python -m benchmarks.batch [--quick] [--rows 20_000]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import lightgbm
import numpy as np

from benchmarks.cases import Float64, Int64
from benchmarks.homeward_command import run
from benchmarks.report import Report, options
from feature_store.dataset import open_dataset
from models.fit_settings import FitSettings
from models.fitting import fit
from models.stay import StayModel
from training.config import TrainingConfig
from training.preparation import prepare
from training.split import Part

ROUNDS: Final = 7
AIM: Final = 1.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--data", type=Path, help="a simulated trust that is there already")
    chosen = parser.parse_args(arguments)
    report = Report("batch", quick=chosen.quick)
    print(f"\n## Batch scoring (synthetic)\n\n{__doc__.splitlines()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        data = chosen.data or Path(folder) / "trust"
        if chosen.data is None:
            size = ("--spells", "4000" if chosen.quick else "8000")
            run("simulate", "--out", str(data), *size, folder=Path(folder))
        model, matrix, days = _model(data)
    rows = np.resize(np.arange(len(days)), min(chosen.rows, 2_000 if chosen.quick else chosen.rows))
    _compare(model, np.ascontiguousarray(matrix[rows]), days[rows], report)
    report.close(chosen.out)
    return 0


def _model(data: Path) -> tuple[StayModel, Float64, Int64]:
    """A model of fixed size, and the rows it has not seen."""
    prepared = prepare(open_dataset(data), TrainingConfig(threads=1), lambda _line: None)
    train, test = prepared.materials[Part.TRAIN], prepared.materials[Part.TEST]
    model = fit(
        train.matrix,
        train.snapshots,
        train.outcomes,
        feature_set=prepared.feature_set,
        settings=FitSettings(leaves=(15,), trees=300, threads=1),
    )
    return model, test.matrix, test.days_so_far


def _compare(model: StayModel, matrix: Float64, days: Int64, report: Report) -> None:
    texts = [model.exit_trees.text] + ([model.death_trees.text] if model.death_trees else [])
    boosters = [lightgbm.Booster(model_str=text) for text in texts]
    columns = model.encoding.apply(matrix)
    one, every = _first_interval(model, columns, days), _intervals(model, columns, days)

    def raw(rows: Float64) -> Callable[[], object]:
        return lambda: [one.predict(rows, num_threads=1) for one in boosters]

    ways = {
        "Homeward: all intervals, calibrated": lambda: model.predict(matrix, days),
        "raw Booster.predict, one interval": raw(one),
        "raw Booster.predict, all intervals": raw(every),
    }
    seconds = _turns(ways)
    ours = seconds["Homeward: all intervals, calibrated"]
    rows = [
        (name, f"{1e6 * taken / len(days):.1f}", f"{ours / taken:.2f}")
        for name, taken in seconds.items()
    ]
    trees = [
        len(trees.forest.node_start) - 1 for trees in (model.exit_trees, model.death_trees) if trees
    ]
    title = (
        f"SYNTHETIC, {len(days):,} rows, {len(every) / len(days):.1f} intervals a row, "
        f"{' and '.join(map(str, trees))} trees, one thread"
    )
    head = ("way", "CPU us a row", "Homeward takes so many times of it")
    report.add(title, head, rows, seconds=seconds)
    ratio = ours / seconds["raw Booster.predict, one interval"]
    print(f"\nAim: {AIM} times raw on the prepared matrix {'' if ratio <= AIM else 'NOT '}met.")


def _first_interval(model: StayModel, columns: Float64, days: Int64) -> Float64:
    ahead = [model.grid.ahead(int(day))[:1] for day in days]
    return np.hstack([columns, np.concatenate(ahead)])


def _intervals(model: StayModel, columns: Float64, days: Int64) -> Float64:
    ahead = [model.grid.ahead(int(day)) for day in days]
    each = np.repeat(np.arange(len(days)), [len(one) for one in ahead])
    return np.hstack([columns[each], np.concatenate(ahead)])


def _turns(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """CPU seconds of each, medians of rounds in turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.thread_time()
            way()
            taken[name].append(time.thread_time() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


if __name__ == "__main__":
    sys.exit(main())
