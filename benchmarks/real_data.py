"""Real admissions: UCI Diabetes-130, two patient-disjoint folds, Homeward beside its peers.

Two column sets, without ("strict") or with the features that Homeward reads from a patient's
earlier encounters; every contestant gets the same matrix. Partitions into folds 101 and 202 were
never looked at while settings were chosen, though the patients are the same. docs/benchmarks.md has
both partitions and both variants; by default the first of each is run.

Usage: python -m benchmarks.real_data [--quick] [--sets A B] [--partitions 101 202]
       [--variants strict history] [--peers LR CatBoost]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.cases import Float64, Int64, part_patients
from benchmarks.contest import HOMEWARD, Rules, hold
from benchmarks.peers import PEERS, Peer, add_peers, chosen_peers
from benchmarks.report import Report, options
from benchmarks.scores import (
    DIFFERENCE_HEAD,
    Figures,
    Judge,
    difference_rows,
    figure_rows,
    heading,
    mean,
    plain,
)
from benchmarks.uci import HORIZONS, SETS, SOURCE_PEER, Cohort, ColumnSet, cohort, source_peer
from feature_store.errors import BadInput
from models.judging import Estimate

PARTITIONS: Final = (101, 202)
FOLDS: Final = 2
VARIANTS: Final = {"strict": "columns of the set only", "history": "with history features"}

COMPARED: Final = ("auroc_7", "auprc_7", "brier_7", "auroc_14", "auprc_14", "brier_14")
CALIBRATION: Final = ("calibration_slope_7", "calibration_intercept_7")
COLUMNS: Final = (*COMPARED, *CALIBRATION)
WIDE: Final = ("auroc_7", "auroc_14", "calibration_slope_7")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it to run.

    Parameters
    ----------
    partitions : tuple of int
        Seeds of the partitions into folds.
    share : int
        One patient in so many is kept.
    replicates : int
    threads : int
    peers : tuple of Peer
        Whom Homeward is compared with.
    source_peer : bool
        Whether CatBoost on the source's columns is asked too, where there is no history.
    """

    partitions: tuple[int, ...] = PARTITIONS[:1]
    share: int = 1
    replicates: int = 300
    threads: int = 2
    peers: tuple[Peer, ...] = PEERS
    source_peer: bool = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=["strict"])
    parser.add_argument("--partitions", nargs="+", type=int, default=PARTITIONS[:1])
    add_peers(parser, SOURCE_PEER)
    chosen = parser.parse_args(arguments)
    plan = Plan(
        partitions=tuple(chosen.partitions),
        threads=chosen.threads,
        peers=chosen_peers(chosen.peers, quick=chosen.quick),
        source_peer=not chosen.peers or SOURCE_PEER in chosen.peers,
    )
    if chosen.quick:
        plan = replace(plan, share=10, replicates=50)
    report = Report("real_data", quick=chosen.quick)
    print(f"\n## Real admissions\n\n{__doc__.splitlines()[0]}")
    try:
        found = {name: cohort(SETS[name]) for name in chosen.sets}
    except BadInput as error:
        print(f"real data: {error}", file=sys.stderr)
        return error.exit_code
    for variant in chosen.variants:
        for name in chosen.sets:
            _table(report, SETS[name], variant, _part_of(found[name], plan.share), plan)
    report.close(chosen.out)
    return 0


def _part_of(everybody: Cohort, share: int) -> Cohort:
    kept = part_patients(everybody.snapshots.subject_id, share, seed=0) == 0
    return everybody.take(np.flatnonzero(kept))


def _table(report: Report, columns: ColumnSet, variant: str, of: Cohort, plan: Plan) -> None:
    figures = contest(of, columns, history=variant == "history", plan=plan)
    head = ["contestant", *map(heading, COLUMNS)]
    rows = figure_rows(figures, COLUMNS, wide=WIDE)
    title = f"UCI Diabetes-130, {columns.label}; {VARIANTS[variant]}"
    partitions = {"partitions": list(plan.partitions), "spells": len(of.snapshots)}
    report.add(title, head, rows, figures=plain(figures), **partitions)
    report.add(
        f"Homeward and its best peer, paired; set {columns.name}, {VARIANTS[variant]}",
        DIFFERENCE_HEAD,
        difference_rows(figures, COMPARED),
    )
    if variant == "strict":
        _bars(columns, figures)


def _bars(columns: ColumnSet, figures: Figures) -> None:
    area = figures[HOMEWARD]["auroc_7"].value
    slope = figures[HOMEWARD]["calibration_slope_7"].value
    reached = "reached" if area >= columns.bar else "NOT reached"
    within = "reached" if 0.95 <= slope <= 1.05 else "NOT reached"
    print(
        f"\nBars: AUROC at 7 d of {columns.bar} {reached} ({area:.4f}); "
        f"slope of .95 to 1.05 {within} ({slope:.3f}).",
        flush=True,
    )


def contest(of: Cohort, columns: ColumnSet, *, history: bool, plan: Plan) -> Figures:
    """Figures of every contestant, over folds and partitions."""
    asked = plan.source_peer and not history
    peers = (*plan.peers, source_peer(columns)) if asked else plan.peers
    rules = Rules(horizons=HORIZONS, threads=plan.threads)
    subjects = of.snapshots.subject_id
    answers: list[tuple[Int64, dict[tuple[str, int], Float64]]] = []
    for seed in plan.partitions:
        fold = part_patients(subjects, FOLDS, seed=seed)
        chances: dict[tuple[str, int], Float64] = {}
        for part in range(FOLDS):
            train, test = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
            trial = of.trial(train, test, history=history, seed=seed)
            says = f"set {columns.name}, partition {seed}, fold {part + 1}"
            for name, by_horizon in hold(trial, peers, rules, says=says).items():
                for days, chance in by_horizon.items():
                    chances.setdefault((name, days), np.zeros(subjects.size))[test] = chance
        answers.append((fold, chances))
    return _judged(of, answers, plan)


def _judged(
    of: Cohort, answers: list[tuple[Int64, dict[tuple[str, int], Float64]]], plan: Plan
) -> Figures:
    judge = Judge.of(of.snapshots.subject_id, replicates=plan.replicates)
    outcome = {days: of.outcomes.long_stay(days) for days in HORIZONS}
    names = dict.fromkeys(name for name, _ in answers[0][1])
    figures: dict[str, dict[str, Estimate]] = {}
    for name in names:
        figures[name] = {}
        for column in COLUMNS:
            metric, _, days = column.rpartition("_")
            if (name, int(days)) in answers[0][1]:
                figures[name][column] = mean(
                    judge.measure(metric, outcome[int(days)], chances[name, int(days)], fold)
                    for fold, chances in answers
                )
    return figures


if __name__ == "__main__":
    sys.exit(main())
