"""The card says what was measured, and an empty section is an error."""

import json

import pytest

from feature_store.definitions import Feature, FeatureSet, Kind, Read
from feature_store.errors import BadInput
from feature_store.vocabulary import INTENDED_PURPOSE
from models.card import HEADINGS, check_card, make_card
from models.card_findings import SYNTHETIC
from models.card_page import card_page
from models.scope import ScopeRules
from models.tripod import TRIPOD_AI

FEATURES = FeatureSet(
    (
        Feature(name="age", label="Age", read=Read.LATEST, codes=("AGE",), kind=Kind.PERSON),
        Feature(
            name="sex",
            label="Sex",
            read=Read.CATEGORY,
            codes=("SEX",),
            categories=("1", "2"),
            protected=True,
        ),
    )
)


def figure(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def group(name, intercept, *, too_few=False):
    told = {"group": name, "rows": 500, "patients": 300, "events": 100, "too_few": too_few}
    if too_few:
        return told
    metrics = {"auroc": figure(0.7), "calibration_intercept": figure(intercept)}
    return {**told, "metrics": metrics, "mean_probability": 0.3, "share": 0.2}


@pytest.fixture
def findings():
    horizon = {
        "share": 0.2,
        "metrics": {
            name: figure(0.8)
            for name in ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept")
        },
        "baselines": {"lr": {"auroc": figure(0.7)}},
    }
    evaluation = {
        "held_out": {"snapshots": 1000, "spells": 400, "patients": 350},
        "horizons": {"7": horizon},
        "left_out": {"21": "too few"},
        "coverage_80": {**figure(0.81), "rows": 900, "unknown": 100},
        "lists": {"left_out": "no dates"},
        "groups": {
            "7": {
                "site": [group("A", 0.0), group("<b>B</b>", -0.5)],
                "sex": [group("female", 0.4), group("other", 0, too_few=True)],
            }
        },
        "death": {"metrics": {}},
    }
    provenance = {
        "source": "an extract",
        "synthetic": False,
        "clock": "exact",
        "data_hash": "abc",
        "period": {"from": "2025-01-01"},
        "spells": {"train": 600, "calibration": 150, "test": 250},
        "dropped": {"of patients admitted again in a later part": 12},
        "refused": {"under 18 at admission": 30},
        "features_hash": "def",
        "leaks": [],
        "prevalence": {"7": 0.21},
        "config": {
            "seed": 1,
            "features": "nhs",
            "lightgbm": {"trees": 10},
            "split": {"hold_out_site": ""},
        },
        "code": "0123456789ab",
        "versions": {"python": "3.11"},
    }
    return evaluation, provenance


def card_of(findings, **changes):
    evaluation, provenance = findings
    return make_card(
        name="long-stay",
        feature_set=FEATURES,
        scope=ScopeRules(),
        evaluation=evaluation,
        provenance={**provenance, **changes},
    )


def text_of(card, heading):
    section = next(one for one in card["sections"] if one["heading"] == heading)
    return {item["name"]: item["text"] for item in section["items"]}


def test_every_section_of_the_template_is_there(findings):
    card = card_of(findings)
    assert [section["heading"] for section in card["sections"]] == list(HEADINGS)
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_purpose_is_the_fixed_text(findings):
    card = card_of(findings)
    assert card["intended_purpose"] == INTENDED_PURPOSE
    assert text_of(card, "Intended use")["Intended purpose"] == INTENDED_PURPOSE


def test_inequalities_come_from_the_groups(findings):
    told = text_of(card_of(findings), "Ethical considerations")
    assert "site <b>B</b>: chances too high" in told["Known inequalities"]
    assert "sex female: chances too low" in told["Known inequalities"]
    assert "site A" not in told["Known inequalities"]
    assert told["Not judged, too few"] == "sex other"
    assert "Sex" in told["Protected attributes"]


def test_limits_name_what_was_left_out(findings):
    told = text_of(card_of(findings), "Caveats")
    assert told["Horizons left out"] == "21 midnights: too few"
    assert told["Daily lists"] == "no dates"


def test_synthetic_is_said_first_and_loudly(findings):
    card = card_of(findings, synthetic=True)
    assert card["synthetic"] is True
    assert SYNTHETIC in text_of(card, "Data")["Source"]
    assert SYNTHETIC in card_page(card)
    assert SYNTHETIC not in card_page(card_of(findings))


def test_card_says_which_quantity_log_odds_is(findings):
    assert (
        "averaged over the nights from now to the next long-stay horizon"
        in card_of(findings)["log_odds"]
    )


@pytest.mark.parametrize("spoil", ["missing", "empty", "blank"])
def test_an_empty_section_is_an_error(findings, spoil):
    card = card_of(findings)
    if spoil == "missing":
        card["sections"] = card["sections"][1:]
    elif spoil == "empty":
        card["sections"][0]["items"] = []
    else:
        card["sections"][0]["items"][0]["text"] = "  "
    with pytest.raises(BadInput, match="found empty: Specification"):
        check_card(card)
    with pytest.raises(BadInput, match="Specification"):
        card_page(card)


def test_page_escapes_whatever_a_dataset_brings(findings):
    page = card_page(card_of(findings, source="<script>alert(1)</script>"))
    assert "<script" not in page
    assert "<b>B</b>" not in page
    assert "&lt;b&gt;B&lt;/b&gt;" in page


def test_tripod_items_are_whole_and_answered():
    items = [item for item, _, _ in TRIPOD_AI]
    assert len(items) == len(set(items))
    assert {item.rstrip("abcdefg") for item in items} == {str(number) for number in range(1, 28)}
    assert all(where for _, _, where in TRIPOD_AI)
