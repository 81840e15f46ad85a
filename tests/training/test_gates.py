"""Each gate, at its bounds."""

from dataclasses import replace

import pytest

from training.gates import Case, Verdict, check_gates, failed


def figure(value, low=None, high=None):
    return {
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
    }


@pytest.fixture
def case(trained):
    """A candidate for which every gate passes, to be spoilt one figure at a time."""
    bundle = trained[2].bundle
    fine = {
        "auroc": figure(0.78, 0.76, 0.80),
        "calibration_slope": figure(1.0, 0.9, 1.1),
        "calibration_intercept": figure(0.0, -0.1, 0.1),
    }
    horizon = {
        "rows": 4000,
        "events": 900,
        "metrics": fine,
        "against": {
            "lr": {"auroc": figure(0.02, 0.01, 0.03)},
            "rule": {"auroc": figure(0.1, 0.08, 0.12)},
        },
    }
    day_0 = {"group": "day 0", "too_few": False, "metrics": {"auroc": figure(0.75)}}
    evaluation = {
        **bundle.evaluation,
        "horizons": {"7": horizon, "21": horizon},
        "groups": {"7": {"elapsed": [day_0]}},
    }
    return Case(replace(bundle, evaluation=evaluation))


def spoilt(case, days="7", **changes):
    horizon = {**case.bundle.evaluation["horizons"][days]}
    horizon["metrics"] = {**horizon["metrics"], **changes.pop("metrics", {})}
    horizon.update(changes)
    horizons = {**case.bundle.evaluation["horizons"], days: horizon}
    return Case(replace(case.bundle, evaluation={**case.bundle.evaluation, "horizons": horizons}))


def verdicts(case):
    return {gate.name: gate.verdict for gate in check_gates(case)}


def test_a_sound_candidate_passes_every_gate(case):
    assert set(verdicts(case).values()) == {Verdict.PASS}
    assert all(gate.reason for gate in check_gates(case))


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (figure(0.02, 0.001, 0.03), Verdict.PASS),
        (figure(0.02, -0.005, 0.03), Verdict.CAUTION),
        (figure(0.02, -0.02, 0.06), Verdict.FAIL),
        (figure(-0.001, -0.005, 0.004), Verdict.FAIL),
        (figure(0.0, 0.0, 0.0), Verdict.FAIL),
        ({"value": None, "low": None, "high": None}, Verdict.FAIL),
    ],
)
def test_baselines_must_be_beaten(case, gain, verdict):
    against = {"lr": {"auroc": gain}, "rule": {"auroc": figure(0.1, 0.08, 0.12)}}
    assert verdicts(spoilt(case, against=against))["better than logistic regression"] is verdict


def test_without_a_baseline_nothing_is_shown_to_be_better(case):
    assert verdicts(spoilt(case, against={}))["better than the baselines"] is Verdict.FAIL


@pytest.mark.parametrize(
    ("days", "slope", "verdict"),
    [
        ("7", figure(0.8, 0.7, 0.9), Verdict.PASS),
        ("7", figure(0.79, 0.7, 0.9), Verdict.FAIL),  # the first horizon must itself be inside
        ("7", figure(1.21, 1.1, 1.3), Verdict.FAIL),
        ("21", figure(0.79, 0.7, 0.9), Verdict.CAUTION),  # few events: the interval reaches inside
        ("21", figure(0.6, 0.5, 0.7), Verdict.FAIL),
        ("21", {"value": None, "low": None, "high": None}, Verdict.FAIL),
    ],
)
def test_calibration_slope_has_bounds(case, days, slope, verdict):
    changed = spoilt(case, days, metrics={"calibration_slope": slope})
    assert verdicts(changed)[f"calibration slope at {days} midnights"] is verdict


def test_calibration_in_the_large_has_bounds(case):
    changed = spoilt(case, metrics={"calibration_intercept": figure(0.25, 0.1, 0.4)})
    assert verdicts(changed)["calibration in the large at 7 midnights"] is Verdict.FAIL


@pytest.mark.parametrize(("events", "verdict"), [(99, Verdict.FAIL), (100, Verdict.PASS)])
def test_too_few_events_cannot_show_anything(case, events, verdict):
    assert verdicts(spoilt(case, events=events))["enough events"] is verdict


def test_a_first_horizon_that_was_not_judged_fails(case):
    evaluation = {**case.bundle.evaluation, "horizons": {}, "left_out": {"7": "too few"}}
    gates = check_gates(Case(replace(case.bundle, evaluation=evaluation)))
    assert failed(gates)[0].reason == "7 midnights not judged: too few"


def test_too_good_at_the_door_is_a_leak_until_shown_otherwise(case):
    day_0 = {"group": "day 0", "too_few": False, "metrics": {"auroc": figure(0.97)}}
    evaluation = {**case.bundle.evaluation, "groups": {"7": {"elapsed": [day_0]}}}
    changed = Case(replace(case.bundle, evaluation=evaluation))
    assert verdicts(changed)["not too good to be true"] is Verdict.FAIL


def test_golden_scores_that_do_not_reproduce_fail(case):
    golden = case.bundle.evaluation["golden"]
    moved = {**golden["scores"], "p_7": [value + 1e-6 for value in golden["scores"]["p_7"]]}
    evaluation = {**case.bundle.evaluation, "golden": {**golden, "scores": moved}}
    changed = Case(replace(case.bundle, evaluation=evaluation))
    assert verdicts(changed)["golden scores reproduce"] is Verdict.FAIL


def test_an_empty_section_of_the_card_fails(case):
    card = {**case.bundle.card, "sections": case.bundle.card["sections"][:-1]}
    changed = Case(replace(case.bundle, card=card))
    gate = next(gate for gate in check_gates(changed) if gate.name == "card complete")
    assert gate.verdict is Verdict.FAIL
    assert "Caveats" in gate.reason


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (figure(0.0, 0.0, 0.0), Verdict.PASS),  # the same model again
        (figure(-0.002, -0.009, 0.005), Verdict.PASS),
        (figure(-0.002, -0.02, 0.015), Verdict.FAIL),
        (figure(0.01, -0.02, 0.04), Verdict.PASS),
    ],
)
def test_champion_must_not_be_better(case, gap, verdict):
    compared = {"rows": 500, "horizons": {"7": {"auroc": {"difference": gap}}}}
    changed = replace(case, champion=compared)
    assert verdicts(changed)["not worse than the champion"] is verdict


def test_champion_that_cannot_be_compared_fails_with_the_way_out(case):
    changed = replace(case, not_comparable="judge both with homeward evaluate")
    gate = failed(check_gates(changed))[0]
    assert gate.name == "not worse than the champion"
    assert "homeward evaluate" in gate.reason
