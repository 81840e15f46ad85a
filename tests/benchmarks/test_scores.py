"""Figures beside oracles, and what the tables say of them."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from benchmarks.contest import HOMEWARD
from benchmarks.report import Report
from benchmarks.scores import Judge, best_peer, difference_rows, mean, plain, shown
from models.judging import Estimate


@pytest.fixture
def rows():
    generator = np.random.default_rng(5)
    chance = generator.uniform(0.05, 0.95, 600)
    outcome = (generator.random(600) < chance).astype(float)
    return outcome, chance, np.repeat(np.arange(300), 2), np.repeat([0, 1], 300)


@pytest.mark.parametrize(
    ("metric", "oracle"),
    [
        ("auroc", roc_auc_score),
        ("auprc", average_precision_score),
        ("brier", brier_score_loss),
    ],
)
def test_a_figure_is_the_mean_over_folds_of_scikit_learns(rows, metric, oracle):
    outcome, chance, subjects, fold = rows
    found = Judge.of(subjects, replicates=20).measure(metric, outcome, chance, fold)
    expected = np.mean([oracle(outcome[fold == part], chance[fold == part]) for part in (0, 1)])
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.replicates.shape == (20,)
    assert found.interval[0] < found.value < found.interval[1]


def test_unknown_outcomes_and_rows_of_no_fold_are_left_out(rows):
    outcome, chance, subjects, _ = rows
    judge = Judge.of(subjects, replicates=5)
    half = np.where(np.arange(600) < 300, outcome, np.nan)
    by_fold = judge.measure("auroc", outcome, chance, np.repeat([0, -1], 300))
    assert judge.measure("auroc", half, chance).value == by_fold.value


def test_equal_chances_differ_by_nothing_in_every_replicate(rows):
    outcome, chance, subjects, fold = rows
    judge = Judge.of(subjects, replicates=20)
    one, other = (judge.measure("auroc", outcome, scale * chance, fold) for scale in (1.0, 0.5))
    assert np.array_equal(one.replicates, other.replicates)


def figure(value: float, spread: float) -> Estimate:
    return Estimate(value, value + spread * np.linspace(-1.0, 1.0, 41))


def test_verdicts_follow_the_interval_and_the_direction_of_the_metric():
    figures = {
        "weak": {"auroc_7": figure(0.6, 0.0), "brier_7": figure(0.2, 0.0)},
        "strong": {"auroc_7": figure(0.7, 0.0), "brier_7": figure(0.1, 0.0)},
        HOMEWARD: {"auroc_7": figure(0.75, 0.01), "brier_7": figure(0.15, 0.01)},
    }
    assert best_peer(figures, "auroc_7") == best_peer(figures, "brier_7") == "strong"
    area, error = difference_rows(figures, ("auroc_7", "brier_7"))
    assert area[2:] == ["strong 0.7000", "+0.0500 [+0.0405, +0.0595]", "ahead"]
    assert error[-1] == "behind"
    figures[HOMEWARD]["auroc_7"] = figure(0.705, 0.01)
    assert difference_rows(figures, ("auroc_7",))[0][-1] == "level"


def test_means_keep_the_pairing_of_replicates():
    both = mean([figure(0.6, 0.1), figure(0.8, 0.1)])
    assert both.value == pytest.approx(0.7)
    assert both.replicates == pytest.approx(figure(0.7, 0.1).replicates)
    assert shown(both, "auroc_7") == "0.7000"


def test_a_report_prints_markdown_and_keeps_json(tmp_path, capsys):
    report = Report("example", quick=True)
    figures = plain({HOMEWARD: {"auroc_7": figure(0.7, 0.1)}})
    report.add("A title", ("contestant", "AUROC 7 d"), [["x", "0.7"]], figures=figures)
    report.close(tmp_path / "figures" / "example.json")
    said = capsys.readouterr().out
    assert "### A title" in said
    assert "| contestant | AUROC 7 d |\n|---|---|\n| x | 0.7 |" in said
    assert "A quick run: the figures mean nothing." in said
    kept = json.loads((tmp_path / "figures" / "example.json").read_text())
    assert kept["quick"] is True
    assert kept["sections"][0]["figures"][HOMEWARD]["auroc_7"]["value"] == pytest.approx(0.7)
    assert list((tmp_path / "figures").iterdir()) == [tmp_path / "figures" / "example.json"]
