"""SYNTHETIC data: batch features and scores on Spark beside one process, by the number of cores.

A simulated trust is cut into shards of whole subjects. ``local`` is the engine without Spark, in
one process; ``spark local[N]`` is Spark on N cores of this machine. Scores are of the inpatients at
a moment near the end of the data, and every event is read for them. Each figure is the best of
several runs in a session that is up and whose workers have read the model, as in the second job of
a day; the first run is shown beside it. CPU is of this process, Java and the workers, the least of
the runs: unlike seconds, it hardly depends on what else the machine does. The second table is the
features of a training set: all snapshots of all spells, as ``homeward train --features-engine``
computes them. All engines must give the same rows, or it fails. By default a shard has 20,000
spells, as ``homeward ingest`` cuts them.

Usage: python -m benchmarks.spark [--quick] [--spells 80_000] [--shards 4]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.homeward_command import run
from benchmarks.processes import cpu_of_all
from benchmarks.report import Report, options
from feature_store.clock import DAY, to_moment
from feature_store.compute import Matrix
from feature_store.dataset import Dataset, fresh_folder, open_dataset, write_dataset
from feature_store.definitions import FeatureSet
from feature_store.shards import compute_shards
from feature_store.table import to_table
from models.bundle import Bundle
from models.scope import ScopeRules
from training.batch import Engine, local_engine, score_inpatients
from training.config import TrainingConfig
from training.preparation import prepare
from training.recipe import fit_model
from training.spark import open_session, spark_engine, spark_features
from training.survey import survey

CORES: Final = (1, 2)
LOCAL: Final = "local"

Runs = list[tuple[float, float]]
"""Seconds and CPU seconds, the first run first."""

_TAUGHT: Final = 4_000
"""Spells that the model learns from: what it costs to ask it hardly depends on them."""

HEAD: Final = (
    *("engine", "first s", "best s", "CPU s", "events a second", "inpatients a second"),
    "the same rows",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = options(__doc__)
    parser.add_argument("--spells", type=int, default=80_000)
    parser.add_argument("--shards", type=int, default=4)
    chosen = parser.parse_args(arguments)
    spells, repeats = (2_000, 2) if chosen.quick else (chosen.spells, 5)
    report = Report("spark", quick=chosen.quick)
    print(f"\n## Spark (synthetic)\n\n{__doc__.splitlines()[0]}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, size in (("taught", _TAUGHT), ("whole", spells)):
            run("simulate", "--out", name, "--spells", str(size), folder=folder)
        bundle = _fitted(open_dataset(folder / "taught"))
        dataset = _cut(open_dataset(folder / "whole"), folder / "cut", chosen.shards)
        timings = _timings(bundle, dataset, folder, repeats)
        features = _features(bundle.model.feature_set, dataset, repeats)
    events = dataset.manifest.counts["events"]
    inpatients = timings[LOCAL][1].num_rows
    rows = [
        _row(
            name,
            runs,
            table.num_rows,
            events=events,
            same=table.equals(timings[LOCAL][1]),
        )
        for name, (runs, table) in timings.items()
    ]
    told = f"{spells:,} spells, {events:,} events, {inpatients:,} inpatients"
    report.add(
        f"SYNTHETIC, {told}, {chosen.shards} shards",
        HEAD,
        rows,
        seconds={name: runs for name, (runs, _) in timings.items()},
        events=events,
        events_a_spell=events / spells,
    )
    asked = sum(map(len, features[LOCAL][1]))
    of_features = [
        _row(name, runs, asked, events=events, same=_same(matrices, features[LOCAL][1]))
        for name, (runs, matrices) in features.items()
    ]
    report.add(
        f"SYNTHETIC, {len(bundle.model.feature_set)} features of {asked:,} snapshots, "
        f"{chosen.shards} shards",
        tuple(word.replace("inpatients", "snapshots") for word in HEAD),
        of_features,
        seconds={name: runs for name, (runs, _) in features.items()},
    )
    report.close(chosen.out)
    return 0 if all(row[-1] == "yes" for row in (*rows, *of_features)) else 1


def _fitted(dataset: Dataset) -> Bundle:
    config = TrainingConfig.from_mapping({"threads": 2, "lightgbm": {"trees": 200}})
    prepared = prepare(dataset, config, _quiet)
    return Bundle(model=fit_model(prepared, config, _quiet))


def _cut(whole: Dataset, out: Path, shards: int) -> Dataset:
    """The same events in this many shards of whole subjects, of about the same size."""
    events = whole.read()
    edges = np.quantile(events.subject_id, np.linspace(0, 1, shards + 1)[1:-1])
    place = np.searchsorted(edges, events.subject_id, side="left")
    parts = (to_table(events.take(place == shard)) for shard in range(shards))
    with fresh_folder(out) as fresh:
        write_dataset(fresh, parts, whole.manifest)
    return open_dataset(out)


def _timings(
    bundle: Bundle, dataset: Dataset, folder: Path, repeats: int
) -> dict[str, tuple[Runs, pa.Table]]:
    at = to_moment(dataset.manifest.until - 30 * DAY)
    out = folder / "scores.parquet"
    answers = {LOCAL: _timed(local_engine, bundle, dataset, at, out, repeats)}
    for cores in CORES:
        with open_session(f"local[{cores}]") as session:
            engine = partial(spark_engine, session)
            name = f"spark local[{cores}]"
            answers[name] = _timed(engine, bundle, dataset, at, out, repeats)
    return answers


def _timed(
    engine: Engine, bundle: Bundle, dataset: Dataset, at: datetime, out: Path, repeats: int
) -> tuple[Runs, pa.Table]:
    runs = _repeated(
        partial(score_inpatients, bundle, dataset, at=at, out=out, report=_quiet, engine=engine),
        repeats,
    )
    return runs, pq.read_table(out)


def _repeated(work: Callable[[], object], repeats: int) -> Runs:
    """Time the first run and so many more."""
    runs = []
    for _ in range(repeats + 1):
        begun, cpu = time.perf_counter(), cpu_of_all()
        work()
        runs.append((time.perf_counter() - begun, cpu_of_all() - cpu))
    return runs


def _features(
    feature_set: FeatureSet, dataset: Dataset, repeats: int
) -> dict[str, tuple[Runs, list[Matrix]]]:
    asked = survey(dataset, ScopeRules()).snapshots
    answers = {}
    for threads in CORES:
        name = LOCAL if threads == 1 else f"{LOCAL}, {threads} threads"
        pairs = list(zip(dataset.shards, asked, strict=True))
        answers[name] = _timed_features(
            partial(compute_shards, pairs, feature_set, threads=threads), repeats
        )
    for cores in CORES:
        with open_session(f"local[{cores}]") as session:
            answers[f"spark local[{cores}]"] = _timed_features(
                partial(spark_features, session, dataset, asked, feature_set), repeats
            )
    return answers


def _timed_features(
    compute: Callable[[], Iterator[Matrix]], repeats: int
) -> tuple[Runs, list[Matrix]]:
    matrices: list[Matrix] = []

    def work() -> None:
        matrices[:] = compute()

    return _repeated(work, repeats), matrices


def _same(matrices: Sequence[Matrix], others: Sequence[Matrix]) -> bool:
    return [one.tobytes() for one in matrices] == [one.tobytes() for one in others]


def _row(name: str, runs: Runs, rows: int, *, events: int, same: bool) -> list[str]:
    best, cpu = (min(figures) for figures in zip(*runs[1:], strict=True))
    times = (f"{runs[0][0]:.2f}", f"{best:.2f}", f"{cpu:.2f}")
    rates = (f"{events / best:,.0f}", f"{rows / best:,.0f}")
    return [f"`{name}`", *times, *rates, "yes" if same else "NO"]


def _quiet(_line: str) -> None:
    return None


if __name__ == "__main__":
    sys.exit(main())
