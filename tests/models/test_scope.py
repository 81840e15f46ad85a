"""Whom the model speaks about: a refusal says why, and what is absent never refuses."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.snapshots import Snapshots
from models.forecast import Refusal
from models.scope import ScopeRules

START = 20_000 * DAY
ASKED = Snapshots(*(np.array([value]) for value in (1, 5, START, START + DAY)))


def refusal(*facts, rules=None, spell=5, late=0):
    """Return what is said of one patient with these facts, a code or a code and its value."""
    told = [fact if isinstance(fact, tuple) else (fact, np.nan) for fact in facts]
    events = Events.build(
        subject_id=[1] * len(told),
        time=[START] * len(told),
        code=[code for code, _ in told],
        numeric_value=[value for _, value in told],
        spell_id=[spell] * len(told),
        recorded_at=[START + late] * len(told),
    )
    return (rules or ScopeRules()).out_of_scope(events, ASKED)[0]


@pytest.mark.parametrize(
    ("fact", "detail"),
    [
        (("AGE", 17.0), "under 18 at admission"),
        (("AGE", 0.0), "under 18 at admission"),
        ("PATIENT_CLASSIFICATION//2", "not an ordinary admission"),
        ("PATIENT_CLASSIFICATION//5", "not an ordinary admission"),
        ("ADMISSION_METHOD//31", "admission method not in scope"),
        ("ADMISSION_METHOD//82", "admission method not in scope"),
        ("ADMISSION_METHOD//2C", "admission method not in scope"),
        ("ADMISSION_METHOD//81", "admission method not in scope"),
        ("SPECIALTY//710", "mental-health specialty"),
    ],
)
def test_out_of_scope_is_refused_with_the_reason(fact, detail):
    assert refusal(fact) == Refusal("out_of_scope", detail)


@pytest.mark.parametrize(
    "fact",
    [
        ("AGE", 18.0),
        ("AGE", 104.0),
        "PATIENT_CLASSIFICATION//1",
        "ADMISSION_METHOD//21",
        "ADMISSION_METHOD//2A",
        "ADMISSION_METHOD//11",
        "SPECIALTY//300",
        "SPECIALTY//a local one",
    ],
)
def test_adult_ordinary_admissions_are_in_scope(fact):
    assert refusal(fact) is None


@pytest.mark.parametrize("fact", ["NEWS2", ("AGE", np.nan), "ADMISSION_METHOD//99"])
def test_what_is_absent_or_not_known_never_refuses(fact):
    assert refusal(fact) is None


def test_nothing_at_all_never_refuses():
    none = Events.build(subject_id=[], time=[], code=[])
    assert list(ScopeRules().out_of_scope(none, ASKED)) == [None]


def test_a_fact_not_yet_recorded_does_not_refuse():
    assert refusal("ADMISSION_METHOD//31", late=DAY) is not None
    assert refusal("ADMISSION_METHOD//31", late=DAY + 1) is None


def test_another_spell_s_facts_do_not_refuse_this_one():
    assert refusal("ADMISSION_METHOD//31", "PATIENT_CLASSIFICATION//2", spell=4) is None


def test_an_age_without_time_or_spell_is_still_an_age():
    events = Events.build(
        subject_id=[1], time=[NO_TIME], code=["AGE"], numeric_value=[9], spell_id=[NO_SPELL]
    )
    assert ScopeRules().out_of_scope(events, ASKED)[0].detail == "under 18 at admission"


def test_a_day_case_who_stays_becomes_ordinary():
    events = Events.build(
        subject_id=[1, 1],
        time=[START, START + HOUR],
        code=["PATIENT_CLASSIFICATION//2", "PATIENT_CLASSIFICATION//1"],
        spell_id=[5, 5],
    )
    assert ScopeRules().out_of_scope(events, ASKED)[0] is None


def test_the_first_reason_speaks():
    assert refusal(("AGE", 3.0), "ADMISSION_METHOD//82", "SPECIALTY//710").detail.startswith(
        "under 18"
    )


def test_rules_are_settings():
    assert refusal(("AGE", 17.0), rules=ScopeRules(least_age_years=16)) is None
    assert refusal("SPECIALTY//710", rules=ScopeRules(mental_health=True)) is None
    assert refusal("ADMISSION_METHOD//11", rules=ScopeRules(methods=("21",))) is not None
    assert (
        refusal(("AGE", 64.0), rules=ScopeRules(least_age_years=65)).detail
        == "under 65 at admission"
    )


def test_rules_survive_json():
    rules = ScopeRules(least_age_years=65, methods=("21", "22"), mental_health=True)
    assert ScopeRules.from_json(json.loads(json.dumps(asdict(rules)))) == rules


def test_each_question_has_its_own_answer_in_its_place():
    events = Events.build(
        subject_id=[1, 2, 3],
        time=[START] * 3,
        code=["AGE", "AGE", "SPECIALTY//710"],
        numeric_value=[17, 70, np.nan],
        spell_id=[5, 6, 7],
    )
    order = np.array([3, 1, 2])
    asked = Snapshots(order, order + 4, np.full(3, START), np.full(3, START + DAY))
    told = [answer and answer.detail for answer in ScopeRules().out_of_scope(events, asked)]
    assert told == ["mental-health specialty", "under 18 at admission", None]
