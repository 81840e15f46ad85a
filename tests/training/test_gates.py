"""Each gate, at its bounds."""

from dataclasses import replace

import pytest

from training.gate import Verdict
from training.gates import Case, check_gates, failed

START_OF_TEST = (20_000 + 375) * 86_400_000_000
"""The last quarter of 500 days of admissions is held out."""


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


def test_a_model_of_too_small_a_sample_fails(case):
    small = {**case.bundle.provenance, "too_small": "train spells 99 (least 100)"}
    found = check_gates(Case(replace(case.bundle, provenance=small)))
    assert [(gate.name, gate.verdict) for gate in failed(found)] == [
        ("enough to learn from", Verdict.FAIL)
    ]
    assert "train spells 99" in found[0].reason


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


def group(name, *, calibration=(0.0, -0.1, 0.1), flagged=None, too_few=False):
    metrics = {"calibration_intercept": figure(*calibration)}
    if flagged:
        metrics["flagged_early"] = figure(*flagged)
    return {"group": name, "too_few": too_few, "metrics": metrics}


def grouped(case, **groups):
    told = {"7": {**case.bundle.evaluation["groups"]["7"], **groups}}
    lead = {"7": {"alert": {"at_least": {"3": figure(0.58)}}}}
    evaluation = {**case.bundle.evaluation, "groups": told, "lead": lead}
    return Case(replace(case.bundle, evaluation=evaluation))


@pytest.mark.parametrize(
    ("name", "calibration", "verdict"),
    [
        ("site", (0.5, 0.25, 0.75), Verdict.FAIL),
        ("ethnicity", (-0.5, -0.75, -0.25), Verdict.FAIL),
        ("ethnicity", (0.5, 0.15, 0.85), Verdict.PASS),  # few patients: may be chance
        ("month", (0.5, 0.25, 0.75), Verdict.CAUTION),
    ],
)
def test_each_group_must_be_calibrated(case, name, calibration, verdict):
    changed = grouped(case, **{name: [group("X", calibration=calibration)]})
    gate = next(gate for gate in check_gates(changed) if gate.name.startswith("calibrated in each"))
    assert gate.verdict is verdict
    assert (f"{name} X" in gate.reason) is (verdict is not Verdict.PASS)


def test_groups_too_small_to_judge_stop_nobody(case):
    small = {**group("X", calibration=(3.0, 2.0, 4.0)), "too_few": True}
    assert not failed(check_gates(grouped(case, site=[small])))


@pytest.mark.parametrize(
    ("worst", "verdict"),
    [
        ((0.30, 0.25, 0.35), Verdict.FAIL),
        ((0.40, 0.20, 0.56), Verdict.CAUTION),
        ((0.50, 0.45, 0.54), Verdict.PASS),
    ],
)
def test_long_stays_of_one_group_must_not_be_missed_more(case, worst, verdict):
    rows = [group("Black", flagged=worst), group("White", flagged=(0.60, 0.55, 0.65))]
    changed = grouped(case, ethnicity=rows)
    assert verdicts(changed)["long stays missed alike by ethnicity"] is verdict
    # Age says what a stay will be: groups by it are not meant to be alike.
    assert not failed(check_gates(grouped(case, age=rows)))


@pytest.mark.parametrize(
    ("allowed", "verdict"), [("checked with the EPR team", Verdict.CAUTION), ("", Verdict.FAIL)]
)
def test_suspects_of_a_leak_need_a_reason(case, allowed, verdict):
    leak = {"feature": "letter", "allowed": allowed}
    bundle = replace(case.bundle, provenance={**case.bundle.provenance, "leaks": [leak]})
    assert verdicts(Case(bundle))["no suspect of a leak"] is verdict


def test_a_site_that_turned_is_named(make_events, write_events, tmp_path, quick):
    """A model is fitted, then stays at one site grow: its chances are too low there."""
    import numpy as np

    from feature_store.clock import DAY
    from feature_store.events import Events
    from training.preparation import prepare
    from training.recipe import fit_model, judge_model

    events = make_events(2400, seed=6)
    codes = np.array(events.codes, dtype=object)[events.code]
    at_b = np.isin(events.spell_id, events.spell_id[codes == "SITE//B"])
    start = {
        int(spell): int(time)
        for spell, time in zip(
            events.spell_id[codes == "SPELL_START"],
            events.time[codes == "SPELL_START"],
            strict=True,
        )
    }
    began = np.array([start[int(spell)] for spell in events.spell_id])
    ends = np.isin(codes, ["SPELL_END", "DISCHARGE_METHOD//4"])
    turned = at_b & ends & (began > START_OF_TEST)
    time = events.time + np.where(turned, 4 * DAY, 0)
    kept = time <= 20_500 * DAY
    biased = Events.build(
        subject_id=events.subject_id[kept],
        time=time[kept],
        code=list(codes[kept]),
        numeric_value=events.numeric_value[kept],
        spell_id=events.spell_id[kept],
    ).in_order()
    data = write_events(tmp_path / "biased", biased)
    prepared = prepare(data, quick, lambda _line: None)
    model = fit_model(prepared, quick, lambda _line: None)
    bundle, _ = judge_model(prepared, model, quick, lambda _line: None)
    gate = next(
        gate
        for gate in failed(check_gates(Case(bundle)))
        if gate.name == "calibrated in each group at 7 midnights"
    )
    assert "site B" in gate.reason
    assert "site A" not in gate.reason
