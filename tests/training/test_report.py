"""What a person reads: report, plots and lines of text."""

import json
import re

import numpy as np
import pytest

from models.card_findings import SYNTHETIC, interval, warnings_of
from training.gate import Gate, Verdict
from training.plots import draw_plots
from training.report import report_page
from training.report_use import use_sections
from training.summary import aligned, comparison_lines, evaluation_lines, gate_lines, site_lines


@pytest.fixture
def found(trained):
    bundle = trained[2].bundle
    return bundle.card, bundle.evaluation


def test_report_is_one_file_that_asks_for_nothing(found, tmp_path):
    card, evaluation = found
    target = np.array([0.0, 1.0] * 100 + [np.nan])
    chance = np.linspace(0.05, 0.95, 201)
    points = evaluation["horizons"]["7"]["curve"]
    plots = {
        "7": draw_plots(
            tmp_path, days=7, target=target, chances={"model": chance, "lr": chance}, points=points
        )
    }
    text = report_page("Evaluation", card=card, evaluation=evaluation, plots=plots)
    assert text.count("data:image/png;base64,") == 3
    assert all(alt for alt in re.findall(r'alt="([^"]*)"', text))
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "Within" in text
    assert "within 24 hours" in text
    assert "for telling patients apart" in text
    for words in ("AUROC", "By ethnic group", "By site", "logistic regression", "Model card"):
        assert words in text


def test_the_report_says_what_acting_on_it_is_worth(found):
    _, evaluation = found
    days = next(iter(evaluation["decision"]))
    parts = "".join(use_sections(evaluation, days))
    assert "Is acting on it worth it" in parts
    assert parts.count("<polyline") >= 3
    for one in evaluation["decision"][days]["curve"]:
        assert f"<td>{one['threshold']:.0%}</td>" in parts
        assert f"{one['model']['value']:.4f}" in parts
    assert "How early it warns" in parts


def test_report_names_horizons_that_were_left_out(found):
    card, evaluation = found
    fewer = {**evaluation, "left_out": {"21": "nobody stayed so long"}}
    assert "nobody stayed so long" in report_page("x", card=card, evaluation=fewer, plots={})


def test_small_groups_show_neither_count_nor_figure(found):
    card, evaluation = found
    row = {"group": "tiny", "rows": None, "patients": None, "events": None, "too_few": True}
    groups = {"7": {"site": [row]}}
    horizons = {"7": evaluation["horizons"]["7"]}
    text = report_page(
        "x", card=card, evaluation={**evaluation, "groups": groups, "horizons": horizons}, plots={}
    )
    assert "<td>tiny</td><td>under 10</td><td>too few to judge</td>" in text


def test_plots_are_the_same_twice(found, tmp_path):
    points = found[1]["horizons"]["7"]["curve"]
    target, chance = np.array([0.0, 1.0] * 50), np.linspace(0, 1, 100)
    images = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        drawn = draw_plots(
            tmp_path / name, days=7, target=target, chances={"model": chance}, points=points
        )
        images.append([path.read_bytes() for path in drawn.values()])
    assert images[0] == images[1]


def test_lines_say_synthetic_first(found):
    lines = evaluation_lines(found[1], warnings=[SYNTHETIC])
    assert lines[0].startswith("SYNTHETIC DATA")
    assert any("AUROC" in line and "(" in line for line in lines)
    assert not evaluation_lines(found[1], warnings=[])[0].startswith("SYNTHETIC")
    assert any("A " in line for line in site_lines(found[1]))


def test_gate_lines_are_a_table():
    lines = gate_lines([Gate("one", Verdict.PASS, "a"), Gate("longer", Verdict.FAIL, "b")])
    assert lines == ["PASS  one     a", "FAIL  longer  b"]


def test_comparison_lines_say_which_is_better():
    told = {"value": 0.1, "low": 0.05, "high": 0.15}
    metrics = {"auroc": {"first": told, "second": told, "difference": told}}
    compared = {"rows": 500, "horizons": {"7": metrics}}
    text = "\n".join(comparison_lines(compared, synthetic=True, runs=("one", "two")))
    assert "first:   one\nsecond:  two\n" in text
    assert "first better" in text
    assert "0.100 (0.050 to 0.150)" in text


def test_nothing_to_align():
    assert aligned([]) == []


def test_report_of_an_evaluation_read_back_is_the_same(found):
    """JSON is written with sorted keys: no column may depend on their order."""
    card, evaluation = found
    read = json.loads(json.dumps(evaluation, sort_keys=True))
    for days in evaluation["horizons"]:
        read["horizons"][days]["baselines"] = dict(
            reversed(read["horizons"][days]["baselines"].items())
        )
    gaps = evaluation["horizons"]["7"]["against"]["lr"]
    row = "".join(f"<td>{interval(gaps[name])}</td>" for name in ("auroc", "auprc", "brier"))
    for one in (evaluation, read):
        text = report_page("x", card=card, evaluation=one, plots={})
        assert f"<td>logistic regression</td>{row}" in text
        days = re.findall(r"<h2[^>]*>Length of stay of (\d+) midnights", text)
        assert days
        assert days == sorted(days, key=int)


def test_the_findings_come_first_and_in_words(found):
    card, evaluation = found
    text = report_page("x", card=card, evaluation=evaluation, plots={})
    area = evaluation["horizons"]["7"]["metrics"]["auroc"]["value"]
    assert text.index("In short") < text.index("How to read the figures") < text.index("<h2")
    assert f"the first has the higher chance {area:.0%} of the time" in text
    assert "groups judged" in text


def test_a_model_of_too_few_says_so_beside_the_rest():
    told = warnings_of({"synthetic": True, "too_small": "train spells 99 (least 100)"})
    assert told[0] == SYNTHETIC
    assert "train spells 99 (least 100)" in told[1]
    assert not warnings_of({"synthetic": False, "too_small": ""})
    assert not warnings_of({"synthetic": False})  # a card from before there was such a line
