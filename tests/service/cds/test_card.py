"""A card says it in words, stays short, and shows whatever data hold as plain text."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cds.card import Around, card, worth_saying

AROUND = Around(
    model_version="3",
    pages="https://homeward.example/worklist",
    encounter={"reference": "Encounter/1"},
)
ACTION = "Ask therapy to review"


def reason(label="NEWS2", value="6", action=ACTION):
    return {"label": label, "value": value, "direction": "longer", "action": action}


def score(**more):
    return {
        "score_id": "0198aaaa-0000-7000-8000-000000000001",
        "spell_id": "S1",
        "prediction_time": "2026-07-14T05:00:00Z",
        "days_so_far": 2,
        "probability": {"7": 0.71, "14": 0.4, "21": 0.2},
        "band": "high",
        "discharge_day": {"p10": 4, "p50": 9, "p90": 27},
        "reasons": [reason()],
        "missing": [],
    } | more


@pytest.mark.parametrize("leaving", [False, True])
@pytest.mark.parametrize("action", ["Ask", ACTION, ACTION * 10])
def test_a_card_says_it_in_words_and_stays_short(action, leaving):
    made = card(score(reasons=[reason(action=action)] * 2), AROUND, leaving=leaving)
    begins = "Before discharge: Ask" if leaving else "7 in 10 patients like this stay 7 or more"
    assert made["summary"].startswith(begins)
    assert len(made["summary"]) < 140
    assert "0.7" not in str(made["summary"] + made["detail"])
    task = made["suggestions"][0]["actions"][0]["resource"]
    assert (task["resourceType"], task["status"], task["description"]) == ("Task", "draft", action)


def test_the_suggestion_of_a_card_has_the_same_name_each_time():
    first, second = (card(score(), AROUND)["suggestions"][0]["uuid"] for _ in range(2))
    other = card(score(score_id="other"), AROUND)["suggestions"][0]["uuid"]
    assert first == second != other


HOSTILE = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/pixel)",
    "https://evil.example",
    "www.evil.example",
    "a@evil.example",
    "&lt;img onerror=x&gt;",
    "\n\n# heading\n\n- list",
    "`code` *bold* _it_ ~~gone~~ | table |",
    "\\<b>",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_the_data_is_never_markup(text):
    made = card(score(reasons=[reason(text, text, None)], missing=[text]), AROUND)
    left = re.sub(r"\\.", "", made["detail"])  # what is escaped is only shown
    assert not set("<>[]`*_~|#!&@") & set(left)
    assert "www." not in left
    assert "://" not in left
    assert "\n\n\\#" not in made["detail"]
    assert text not in made["summary"]
    shown = re.sub(r"\\(.)", r"\1", made["detail"])
    assert " ".join(text.split()) in shown


@given(texts=st.lists(st.text(max_size=40), min_size=2, max_size=2), missing=st.text(max_size=20))
def test_whatever_data_hold_a_card_is_json_of_one_block_a_part(texts, missing):
    label, value = texts
    made = card(score(reasons=[reason(label, value)], missing=[missing]), AROUND)
    plain = card(score(reasons=[reason()], missing=["CFS"]), AROUND)
    left = re.sub(r"\\.", "", made["detail"])
    assert not set("<>[]`*_~|#!&@") & set(left)
    assert msgspec.json.decode(msgspec.json.encode(made["summary"])) == plain["summary"]
    assert made["links"] == plain["links"]
    assert abs(made["detail"].count("\n\n") - plain["detail"].count("\n\n")) <= 1


@pytest.mark.parametrize("change", [{"band": "low"}, {"days_so_far": 30}])
def test_nothing_is_said_where_there_is_nothing_to_foresee(change):
    assert worth_saying(score())
    assert not worth_saying(score(**change))


def test_of_whom_leaves_nothing_is_said_where_nothing_is_left_to_do():
    assert worth_saying(score(), leaving=True)
    assert not worth_saying(score(reasons=[reason(action=None)]), leaving=True)
    assert not worth_saying(score(band="low"), leaving=True)
