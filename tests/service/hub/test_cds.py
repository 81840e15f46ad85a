"""CDS Hooks: a card on the open spell, silence where there is nothing to say, feedback kept."""

import pytest

from feature_store.clock import DAY
from service.cds.card import card, worth_saying

SERVICE = "/cds-services/homeward-long-stay"


@pytest.fixture
def scored(trust, make_client, real_model):
    """A service with one frail patient four days in."""
    hub = make_client(real_model, least_completeness=0.0, stale_hours=24 * 30)
    stay = trust.stay("A1", trust.now - 4 * DAY, age=91)
    stay.append(trust.fact("PA1", "SA1", "CFS", trust.now - 3 * DAY, 8))
    trust.add(hub, stay)
    return hub


def call(encounter, **more):
    context = {"userId": "Practitioner/1", "patientId": "P1", "encounterId": encounter}
    return {"hook": "patient-view", "hookInstance": "1", "context": context, **more}


def test_discovery_names_the_service_and_its_prefetch(scored):
    (service,) = scored.get("/cds-services").json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", "homeward-long-stay")
    assert service["prefetch"] == {"encounter": "Encounter/{{context.encounterId}}"}


def test_a_card_informs_and_its_feedback_is_kept(scored, trust):
    (entry,) = trust.worklist(scored)["entries"]
    answer = scored.post(SERVICE, json=call("SA1", fhirServer="https://ehr.example"))
    assert answer.status_code == 200
    cards = answer.json()["cards"]
    assert bool(cards) == worth_saying(entry["score"])
    for one in cards:
        assert one["indicator"] == "info"
        assert len(one["summary"]) < 140
        said = {
            "card": one["uuid"],
            "outcome": "overridden",
            "overrideReason": {"reason": {"code": "end_of_life"}, "userComment": "never kept"},
        }
        assert scored.post(f"{SERVICE}/feedback", json={"feedback": [said]}).status_code == 200
        (entry,) = trust.worklist(scored)["entries"]
        assert entry["feedback"]["verdict"] == "overridden"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (call(None), 412),
        (call(""), 412),
        ({**call("SA1"), "hook": "order-sign"}, 422),
        ({"hook": "patient-view"}, 422),
        ([], 422),
    ],
)
def test_calls_that_cannot_be_answered(scored, body, status):
    answer = scored.post(SERVICE, json=body)
    assert answer.status_code == status
    assert "SA1" not in answer.text


def test_a_spell_that_is_not_ours_has_no_cards(scored):
    assert scored.post(SERVICE, json=call("S-other")).json() == {"cards": []}


def score(**more):
    return {
        "score_id": "0198aaaa-0000-7000-8000-000000000001",
        "spell_id": "S1",
        "prediction_time": "2026-07-14T05:00:00Z",
        "days_so_far": 2,
        "probability": {"7": 0.71, "14": 0.4, "21": 0.2},
        "band": "high",
        "discharge_day": {"p10": 4, "p50": 9, "p90": 27},
        "reasons": [
            {"label": "NEWS2", "value": "6", "direction": "longer", "action": "Ask therapy " * 20}
        ],
        "missing": [],
    } | more


def test_a_card_says_it_in_words_and_stays_short():
    made = card(score(), model_version="3", worklist="https://x/worklist")
    assert made["summary"].startswith("7 in 10 patients like this stay 7 or more nights")
    assert len(made["summary"]) < 140
    task = made["suggestions"][0]["actions"][0]["resource"]
    assert (task["resourceType"], task["status"]) == ("Task", "draft")


def test_text_of_the_record_is_not_read_as_markup():
    hostile = score(
        reasons=[
            {"label": "[x](javascript:1) <b>", "value": "", "direction": "longer", "action": None}
        ]
    )
    detail = card(hostile, model_version="3", worklist="https://x/worklist")["detail"]
    assert "\\[x\\](javascript:1) \\<b\\>" in detail


@pytest.mark.parametrize("change", [{"band": "low"}, {"days_so_far": 30}])
def test_nothing_is_said_where_there_is_nothing_to_foresee(change):
    assert worth_saying(score())
    assert not worth_saying(score(**change))
