"""What a site meets: few spells to learn from, and years that change.

UCI Diabetes-130 with 2,000, 5,000 and 13,000 training spells (patients drawn by chance from the
training folds of two partitions), and the first half of the encounters against the second, without
the patients of the second. AUROC at 7 days; everything else as in ``benchmarks.real_data``, without
history features.

Usage: python -m benchmarks.small_data [--quick] [--sets A B] [--peers LR CatBoost]
       [--designs 2000 early/late]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.cases import Float64, Int64, part_patients
from benchmarks.contest import Rules, hold
from benchmarks.peers import Peer, add_peers, chosen_peers
from benchmarks.report import Report, options
from benchmarks.scores import (
    DIFFERENCE_HEAD,
    Figures,
    Judge,
    difference_rows,
    mean,
    plain,
    shown,
)
from benchmarks.uci import SETS, Cohort, ColumnSet, cohort, source_peer
from feature_store.errors import BadInput
from models.judging import Estimate

SEEDS: Final = (101, 202)
FOLDS: Final = 2
COLUMN: Final = "auroc_7"
EARLY_LATE: Final = "early/late"
DESIGNS: Final = ("2000", "5000", "13000", EARLY_LATE)
"""Training spells, or one half of the years for the other."""

Contest = tuple[tuple[Peer, ...], Rules]
"""Who takes part besides Homeward, and by which rules."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = options(__doc__)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    add_peers(parser)
    chosen = parser.parse_args(arguments)
    designs = [chosen.designs[0]] if chosen.quick else chosen.designs
    seeds = SEEDS[:1] if chosen.quick else SEEDS
    rules = Rules(horizons=(7,), threads=chosen.threads, calibrate=False)
    peers = chosen_peers(chosen.peers, quick=chosen.quick)
    report = Report("small_data", quick=chosen.quick)
    print(f"\n## Small data and drift\n\n{__doc__.splitlines()[0]}")
    for name in chosen.sets:
        try:
            of = cohort(SETS[name])
        except BadInput as error:
            print(f"small data: {error}", file=sys.stderr)
            return error.exit_code
        judge = Judge.of(of.snapshots.subject_id, replicates=50 if chosen.quick else 300)
        by_design = {
            told: _early_late(of, SETS[name], (peers, rules), judge)
            if told == EARLY_LATE
            else _small(of, SETS[name], int(told), seeds, (peers, rules), judge)
            for told in designs
        }
        _add(report, SETS[name], by_design)
    report.close(chosen.out)
    return 0


def _small(
    of: Cohort, columns: ColumnSet, size: int, seeds: Sequence[int], contest: Contest, judge: Judge
) -> Figures:
    """Mean over folds and partitions; each fold's model learns from so many spells."""
    subjects = of.snapshots.subject_id
    answers: list[tuple[Int64, dict[str, Float64]]] = []
    for seed in seeds:
        fold = part_patients(subjects, FOLDS, seed=seed)
        chances: dict[str, Float64] = {}
        for part in range(FOLDS):
            train = _some(subjects, np.flatnonzero(fold != part), size, seed=seed)
            test = np.flatnonzero(fold == part)
            for name, chance in _one(of, columns, train, test, contest).items():
                chances.setdefault(name, np.zeros(subjects.size))[test] = chance
        answers.append((fold, chances))
    outcome = of.outcomes.long_stay(7)
    return {
        name: {
            COLUMN: mean(
                judge.measure("auroc", outcome, chances[name], fold) for fold, chances in answers
            )
        }
        for name in answers[0][1]
    }


def _some(subjects: Int64, rows: Int64, size: int, *, seed: int) -> Int64:
    """About ``size`` of these rows, whole patients by chance."""
    patients, count = np.unique(subjects[rows], return_counts=True)
    order = np.random.default_rng(seed).permutation(patients.size)
    taken = patients[order[: int(np.searchsorted(np.cumsum(count[order]), size)) + 1]]
    return rows[np.isin(subjects[rows], taken)]


def _early_late(of: Cohort, columns: ColumnSet, contest: Contest, judge: Judge) -> Figures:
    """First half of the encounters against the second: one division, by order and by patient."""
    subjects, start = of.snapshots.subject_id, of.snapshots.spell_start
    late = start >= np.median(start)
    train = np.flatnonzero(~late & ~np.isin(subjects, subjects[late]))
    test = np.flatnonzero(late)
    fold = np.where(late, 0, -1)
    outcome = of.outcomes.long_stay(7)
    figures: dict[str, dict[str, Estimate]] = {}
    for name, chance in _one(of, columns, train, test, contest).items():
        everywhere = np.zeros(subjects.size)
        everywhere[test] = chance
        figures[name] = {COLUMN: judge.measure("auroc", outcome, everywhere, fold)}
    return figures


def _one(
    of: Cohort, columns: ColumnSet, train: Int64, test: Int64, contest: Contest
) -> dict[str, Float64]:
    trial = of.trial(train, test, history=False, seed=0)
    says = f"set {columns.name}, {train.size:,} training spells"
    peers, rules = contest
    answers = hold(trial, (*peers, source_peer(columns)), rules, says=says)
    return {name: by_horizon[7] for name, by_horizon in answers.items()}


def _add(report: Report, columns: ColumnSet, by_design: dict[str, Figures]) -> None:
    names = next(iter(by_design.values()))
    rows = [
        [name, *(shown(figures[name][COLUMN], COLUMN) for figures in by_design.values())]
        for name in names
    ]
    title = f"AUROC at 7 days by training spells, {columns.label}"
    kept = {design: plain(figures) for design, figures in by_design.items()}
    report.add(title, ("contestant", *by_design), rows, figures=kept)
    gaps = [
        [design, *difference_rows(figures, (COLUMN,))[0][1:]]
        for design, figures in by_design.items()
    ]
    title = f"Homeward and its best peer by training spells, paired; set {columns.name}"
    report.add(title, ("training spells", *DIFFERENCE_HEAD[1:]), gaps)


if __name__ == "__main__":
    sys.exit(main())
