"""POST /v1/scores: what is answered, and about what."""

import copy
import uuid

import numpy as np
import pytest

from feature_store.events import Events
from feature_store.snapshots import Snapshots
from models.bundle import load_bundle
from models.scoring import score

SCORE_FIELDS = {
    *("score_id", "spell_id", "prediction_time", "days_so_far", "probability", "band"),
    *("discharge_day", "probability_of_death_in_hospital", "reasons", "base_value", "log_odds"),
    *("missing", "completeness", "ignored_events"),
}
REASON_FIELDS = {
    *("feature", "label", "value", "effect", "direction", "kind", "actionable", "action"),
}


def scores_of(client, body, query=""):
    answer = client.post(f"/v1/scores{query}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(score):
    """A score without what differs between two answers to one question."""
    return {name: value for name, value in score.items() if name != "score_id"}


def test_the_answer_is_as_the_interface_says(client, request_body):
    answer = scores_of(client, request_body)
    assert set(answer) == {"model", "scores", "refused"}
    assert answer["model"] == {"name": "long-stay", "version": "1", "alias": "champion"}
    (one,) = answer["scores"]
    assert set(one) == SCORE_FIELDS
    assert set(one["reasons"][0]) == REASON_FIELDS
    assert set(one["discharge_day"]) == {"p10", "p50", "p90"}
    assert (one["spell_id"], one["days_so_far"]) == ("S456", 2)
    assert one["prediction_time"] == "2026-01-14T06:00:00Z"
    assert uuid.UUID(one["score_id"]).version == 7


def test_all_reasons_sum_to_the_log_odds(client, request_body):
    (few,) = scores_of(client, request_body)["scores"]
    (every,) = scores_of(client, request_body, "?reasons=all")["scores"]
    total = every["base_value"] + sum(reason["effect"] for reason in every["reasons"])
    assert total == pytest.approx(every["log_odds"], abs=1e-9)
    assert len(few["reasons"]) < len(every["reasons"])
    assert few["reasons"] == every["reasons"][: len(few["reasons"])]


def test_chances_never_rise_and_a_passed_horizon_is_certain(client, request_body):
    for day, passed in (("14", ()), ("20", ("7",)), ("28", ("7", "14"))):
        request_body["prediction_time"] = f"2026-01-{day}T06:00:00Z"
        (one,) = scores_of(client, request_body)["scores"]
        chances = [one["probability"][horizon] for horizon in ("7", "14", "21")]
        known = [chance for chance in chances if chance is not None]
        assert known == sorted(known, reverse=True)
        assert all(one["probability"][horizon] == 1 for horizon in passed)


def test_the_service_says_what_the_model_says_offline(client, request_body, bundle_folder):
    minute = 60_000_000
    start = 1_768_254_000 * 1_000_000  # 2026-01-12T21:40Z
    now = 1_768_370_400 * 1_000_000  # 2026-01-14T06:00Z
    none = np.iinfo(np.int64).min
    events = Events.build(
        subject_id=[0] * 5,
        spell_id=[0] * 5,
        code=["SPELL_START", "ADMISSION_METHOD//21", "AGE", "SEX//2", "NEWS2"],
        time=[start, start, start, none, now - 50 * minute],
        recorded_at=[start, start, start, none, now - 40 * minute],
        numeric_value=[np.nan, np.nan, 84, np.nan, 6],
    )
    one = np.zeros(1, np.int64)
    (expected,) = score(
        load_bundle(bundle_folder), events, Snapshots(one, one, one + start, one + now)
    )
    (answered,) = scores_of(client, request_body)["scores"]
    assert answered["probability"] == {str(k): v for k, v in expected.probability.items()}
    assert answered["log_odds"] == expected.log_odds
    assert [reason["effect"] for reason in answered["reasons"]] == [
        reason.effect for reason in expected.reasons
    ]


def test_a_spell_is_answered_the_same_alone_and_among_others(client, request_body, the_spell):
    (alone,) = scores_of(client, request_body)["scores"]
    others = []
    for number in range(30):
        other = copy.deepcopy(the_spell)
        other["spell_id"] = f"T{number}"
        other["events"][2]["numeric_value"] = 20 + 2 * number
        others.append(other)
    request_body["spells"] = [*others[:15], the_spell, *others[15:]]
    answer = scores_of(client, request_body)
    assert [one["spell_id"] for one in answer["scores"]] == [
        spell["spell_id"] for spell in request_body["spells"]
    ]
    assert told(answer["scores"][15]) == told(alone)


def test_another_spell_of_the_same_patient_in_the_request_changes_nothing(
    client, request_body, the_spell
):
    (alone,) = scores_of(client, request_body)["scores"]
    earlier = copy.deepcopy(the_spell) | {"spell_id": "S001"}
    for event in earlier["events"][:3]:
        event["time"] = "2026-01-02T10:00:00Z"
    request_body["spells"].append(earlier)
    assert told(scores_of(client, request_body)["scores"][0]) == told(alone)


def test_the_order_of_events_changes_nothing(client, request_body, the_spell):
    (forward,) = scores_of(client, request_body)["scores"]
    the_spell["events"].reverse()
    (backward,) = scores_of(client, request_body)["scores"]
    assert told(backward) == told(forward)


@pytest.mark.parametrize(
    "late",
    [
        {"time": "2026-01-14T06:00:00.000001Z"},
        {"time": "2026-01-14T05:00:00Z", "recorded_at": "2026-01-14T06:00:01Z"},
        {"time": None, "recorded_at": "2026-01-14T06:00:01Z"},
    ],
)
def test_what_was_known_later_is_ignored_and_counted(client, request_body, the_spell, late):
    (before,) = scores_of(client, request_body)["scores"]
    the_spell["events"].append({"code": "NEWS2", "numeric_value": 15} | late)
    (after,) = scores_of(client, request_body)["scores"]
    assert after["ignored_events"] == 1
    assert told(after) | {"ignored_events": 0} == told(before)


def test_what_was_known_at_the_very_moment_counts(client, request_body, the_spell):
    event = {"code": "AGE", "numeric_value": 19, "time": "2026-01-14T06:00:00Z"}
    (before,) = scores_of(client, request_body)["scores"]
    the_spell["events"].append(event)
    (after,) = scores_of(client, request_body)["scores"]
    assert after["ignored_events"] == 0
    assert after["log_odds"] != before["log_odds"]


def test_earlier_events_are_history_with_and_without_their_spell(client, request_body, the_spell):
    history = [
        {"code": "SPELL_START", "time": "2025-12-01T10:00:00Z"},
        {"code": "NEWS2", "time": "2025-12-01T11:00:00Z", "numeric_value": 12},
        {"code": "SPELL_END", "time": "2025-12-09T10:00:00Z", "numeric_value": 8},
    ]
    own = the_spell["events"]
    the_spell["events"] = own + history
    (unsaid,) = scores_of(client, request_body)["scores"]
    the_spell["events"] = own + [event | {"spell_id": "S001"} for event in history]
    (said,) = scores_of(client, request_body)["scores"]
    assert told(said) == told(unsaid)
    assert said["days_so_far"] == 2


def test_own_events_may_name_their_spell_or_not(client, request_body, the_spell):
    (unsaid,) = scores_of(client, request_body)["scores"]
    for event in the_spell["events"]:
        event["spell_id"] = "S456"
    (said,) = scores_of(client, request_body)["scores"]
    assert told(said) == told(unsaid)


def test_offsets_are_moments(client, request_body, the_spell):
    (utc,) = scores_of(client, request_body)["scores"]
    request_body["prediction_time"] = "2026-01-14T08:00:00+02:00"
    the_spell["events"][0]["time"] = "2026-01-12T16:40:00-05:00"
    (other,) = scores_of(client, request_body)["scores"]
    assert told(other) | {"prediction_time": ""} == told(utc) | {"prediction_time": ""}


# ---- size ----------------------------------------------------------------------------------------


def test_a_thousand_spells_are_answered_and_one_more_is_too_many(
    make_client, fake_model, request_body, the_spell
):
    client = make_client(fake_model)
    request_body["spells"] = [the_spell | {"spell_id": f"S{n}"} for n in range(1000)]
    assert len(scores_of(client, request_body)["scores"]) == 1000
    request_body["spells"].append(the_spell | {"spell_id": "S1000"})
    assert client.post("/v1/scores", json=request_body).status_code == 422


def test_the_default_is_the_top_few_and_all_is_all(make_client, fake_model, request_body):
    client = make_client(fake_model)
    scores_of(client, request_body)
    scores_of(client, request_body, "?reasons=all")
    assert [reasons for _, _, reasons in fake_model.score.asked] == [5, None]


@pytest.mark.parametrize(
    "query", ["?reasons=some", "?reasons=", "?reasons=all&reasons=all", "?Smith=1", "?reasons=%ff"]
)
def test_another_query_is_refused_without_repeating_it(client, request_body, query):
    answer = client.post(f"/v1/scores{query}", json=request_body)
    assert answer.status_code == 422
    assert "Smith" not in answer.text
