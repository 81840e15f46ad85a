"""CDS Hooks: cards on the open encounter, silence where there is nothing to say, feedback kept."""

import json

import msgspec
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from service.cds.prefetch import TEMPLATES


def outcome(answer, status):
    """The one issue of an answer that is an OperationOutcome."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    return OperationOutcome.model_validate_json(answer.text).issue[0]


# ---- discovery -----------------------------------------------------------------------------------


def test_one_service_is_offered_for_patient_view(make_hub, record):
    found = msgspec.json.decode(make_hub().get("/cds-services").content, type=record.Discovery)
    (service,) = found.services
    assert (service.hook, service.id) == ("patient-view", "homeward-long-stay")
    assert service.prefetch == dict(TEMPLATES)
    for template in service.prefetch.values():  # no token but of the context of every hook
        assert template.count("{{") == 1
        assert "{{context.patientId}}" in template or "{{context.encounterId}}" in template


def test_the_hooks_of_the_set_up_are_offered_under_the_same_id(hub, record):
    found = msgspec.json.decode(hub.get("/cds-services").content, type=record.Discovery)
    assert [one.hook for one in found.services] == [
        "patient-view",
        "encounter-start",
        "encounter-discharge",
    ]
    assert {one.id for one in found.services} == {"homeward-long-stay"}


def test_a_hook_that_is_not_offered_is_not_answered(make_hub, record):
    client = make_hub()
    for hook in ("encounter-start", "encounter-discharge"):
        assert outcome(client.post(record.service, json=record.call("S1", hook=hook)), 422)


# ---- cards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["patient-view", "encounter-start"])
def test_a_known_spell_has_a_card_that_informs(hub, record, hook):
    call = record.call("SA1", hook=hook, fhirServer="https://ehr.example", extension={"x": 1})
    (card,) = record.read_cards(hub.post(record.service, json=call))
    assert card.summary.startswith("8 in 10 patients like this stay 7 or more nights.")
    assert "Ask for a geriatric assessment" in card.summary
    assert "Not known: CFS" in card.detail
    (action,) = card.suggestions[0].actions
    assert action.resource["for"] == {"reference": "Patient/p1"}
    assert action.resource["encounter"] == {"reference": "Encounter/SA1"}
    assert {one.code for one in card.overrideReasons} >= {"end_of_life", "data_wrong"}


def test_of_somebody_who_leaves_only_what_is_left_to_do_is_said(hub, record):
    call = record.call("SA1", hook="encounter-discharge")
    (card,) = record.read_cards(hub.post(record.service, json=call))
    assert card.summary == "Before discharge: Ask for a geriatric assessment."
    assert " in 10" not in card.summary + card.detail


def test_what_was_not_admitted_or_has_left_has_no_card(hub, record):
    end = {"subject_id": "PA1", "spell_id": "SA1", "code": "SPELL_END", "time": record.stamp(0)}
    assert hub.post("/v1/events", json={"events": [end]}).status_code == 200
    assert record.read_cards(hub.post(record.service, json=record.call("SA1"))) == []


def test_a_card_is_a_score_on_the_record(hub, record):
    (card,) = record.read_cards(hub.post(record.service, json=record.call("SA1")))
    (found,) = hub.get("/fhir/RiskAssessment", params={"encounter": "SA1"}).json()["entry"]
    assert found["resource"]["id"] == card.uuid
    assert hub.get(card.links[0].url).status_code == 200


# ---- prefetch ------------------------------------------------------------------------------------


def test_an_unknown_spell_is_scored_from_what_was_prefetched(hub, record):
    call = record.call("e1", prefetch=record.prefetch())
    (card,) = record.read_cards(hub.post(record.service, json=call))
    row = hub.app.state.parts.record.score(card.uuid)
    assert (row.route, row.site, row.days_so_far) == (record.service, "RXX01", 4)
    (action,) = card.suggestions[0].actions
    assert action.resource["encounter"] == {"reference": "Encounter/e1"}


def without(sent, *keys):
    return {key: value for key, value in sent.items() if key not in keys}


FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}


def test_what_is_neither_known_nor_prefetched_is_412(hub, record):
    sent = record.prefetch()
    for given in (
        None,
        {},
        without(sent, "patient"),
        without(sent, "encounter"),
        sent | {"patient": None},
        sent | {"encounter": FAILED},
        sent | {"patient": sent["patient"] | {"id": "somebody-else"}},
        sent | {"encounter": sent["encounter"] | {"id": "e9"}},
        {"unasked": sent["patient"]},
        {"patient": "Patient/p1", "encounter": ["Encounter/e1"]},
    ):
        told = outcome(hub.post(record.service, json=record.call("e1", prefetch=given)), 412)
        assert "prefetched" in told.diagnostics
    assert hub.app.state.parts.record.between(0, 2**62)["spell"].size == 0


def test_what_else_was_asked_for_may_be_missing(hub, record):
    sent = record.prefetch()
    for given in (
        without(sent, "observations"),
        sent | {"observations": None, "conditions": FAILED},
        sent | {"conditions": {"resourceType": "Bundle", "type": "searchset", "total": 0}},
        sent | {"encounters": {"resourceType": "Bundle", "entry": [{"resource": FAILED}, 7]}},
    ):
        call = record.call("e1", prefetch=given)
        assert len(record.read_cards(hub.post(record.service, json=call))) == 1


def test_places_and_encounters_that_were_not_sent_are_not_known(hub, record):
    sent = record.prefetch()
    here = {"location": {"reference": "Location/w1"}, "period": {"start": record.stamp(-4)}}
    sent["encounter"] |= {"location": [here], "serviceProvider": {"reference": "Organization/o1"}}
    elsewhere = {"reference": "Encounter/elsewhere"}
    condition = {"resourceType": "Condition", "id": "c1", "encounter": elsewhere}
    condition |= {"subject": {"reference": "Patient/p1"}, "recordedDate": record.stamp(-300)}
    sent["conditions"] = {"resourceType": "Bundle", "entry": [{"resource": condition}]}
    (card,) = record.read_cards(hub.post(record.service, json=record.call("e1", prefetch=sent)))
    row = hub.app.state.parts.record.score(card.uuid)
    assert (row.site, row.ward) == (None, None)
    sent["encounter"]["partOf"] = elsewhere  # a part of what is unknown is not taken for a stay
    told = outcome(hub.post(record.service, json=record.call("e1", prefetch=sent)), 422)
    assert "Encounter.partOf" in told.diagnostics


def test_who_is_no_inpatient_has_no_card(hub, record):
    sent = record.prefetch()
    sent["encounter"]["class"]["code"] = "AMB"
    assert record.read_cards(hub.post(record.service, json=record.call("e1", prefetch=sent))) == []
    sent = record.prefetch()
    sent["encounter"] |= {"status": "finished", "period": {"start": record.stamp(-4)}}
    sent["encounter"]["period"]["end"] = record.stamp(-1)
    assert record.read_cards(hub.post(record.service, json=record.call("e1", prefetch=sent))) == []


def test_a_silent_feed_gives_way_to_what_is_prefetched(make_client, sure_model, record):
    client = make_client(sure_model, least_completeness=0.0, stale_hours=6)
    client.post("/v1/events", json={"events": record.frail("e1", days=-4)})
    call = record.call("Se1", patient="Pe1")
    assert record.read_cards(client.post(record.service, json=call)) == []
    call |= {"prefetch": record.prefetch("Pe1", "Se1")}
    assert len(record.read_cards(client.post(record.service, json=call))) == 1


# ---- what cannot be answered ---------------------------------------------------------------------


def test_calls_that_cannot_be_answered_are_told_so_in_fhir(hub, record):
    good = record.call("SA1")
    deep = b"[" * 5000 + b"]" * 5000
    nested = json.dumps(good).encode()[:-1] + b', "prefetch": {"patient": ' + deep + b"}}"
    large = json.dumps(good | {"prefetch": {"patient": "x" * (5 * 1024 * 1024)}})
    many = {"resourceType": "Bundle", "entry": [{"resource": {"id": f"{n}"}} for n in range(2001)]}
    sent = record.prefetch(conditions=many)
    for body, status in (
        (record.call(None), 412),
        (record.call(""), 412),
        (record.call("S" * 65), 412),
        (record.call("S\x00"), 412),
        (good | {"hook": "order-sign"}, 422),
        ({"hook": "patient-view"}, 422),
        (good | {"context": {}}, 422),
        (good | {"prefetch": []}, 422),
        ([], 422),
        (b"", 422),
        (nested, 422),
        (json.dumps(good).replace("{", '{"hook": "patient-view", ', 1).encode(), 422),
        (large.encode(), 413),
        (record.call("e1", prefetch=sent), 413),
    ):
        content = body if isinstance(body, bytes) else json.dumps(body)
        answer = hub.post(
            record.service, content=content, headers={"Content-Type": "application/json"}
        )
        assert outcome(answer, status)
        assert "SA1" not in answer.text
    plain = {"Content-Type": "text/plain"}
    assert outcome(hub.post(record.service, content="{}", headers=plain), 415)
    for method, path in (
        ("GET", record.service),
        ("POST", "/cds-services/none"),
        ("PUT", "/cds-services/x"),
    ):
        assert outcome(hub.request(method, path), 404)


# ---- feedback ------------------------------------------------------------------------------------


def feedback_of(hub, uuid):
    """What the record keeps of a card, in codes."""
    said = hub.app.state.parts.record.feedback([uuid]).get(uuid, [])
    return [(one.verdict, one.reason, one.action) for one in said]


def test_feedback_goes_beside_the_score(hub, record):
    (card,) = record.read_cards(hub.post(record.service, json=record.call("SA1")))
    moment = {"card": card.uuid, "outcomeTimestamp": "2026-01-14T06:00:00Z"}
    mine = {"code": "end_of_life", "system": "urn:homeward:override"}
    theirs = {"code": "d7ecf885", "system": "https://ehr.example"}
    taken = [{"id": card.suggestions[0].uuid}]
    given = [
        ({"outcome": "accepted", "acceptedSuggestions": taken}, "agreed", None),
        ({"outcome": "accepted", "acceptedSuggestions": [{"id": "another"}]}, "agreed", None),
        ({"outcome": "overridden"}, "seen", None),
        ({"outcome": "overridden", "overrideReason": {"reason": theirs}}, "seen", None),
        ({"outcome": "overridden", "overrideReason": {"userComment": "secret"}}, "seen", None),
        ({"outcome": "overridden", "overrideReason": {"reason": mine}}, "overridden", mine["code"]),
    ]
    for more, verdict, reason in given:
        answer = hub.post(f"{record.service}/feedback", json={"feedback": [moment | more]})
        assert (answer.status_code, answer.content) == (200, b"")
        kept = feedback_of(hub, card.uuid)
        assert (verdict, reason) in {(one[0], one[1]) for one in kept}
    assert sorted(kept, key=str) == [
        ("agreed", None, "transfer_of_care_hub"),
        ("agreed", None, None),
        ("overridden", "end_of_life", None),
        ("seen", None, None),
    ]


def test_feedback_on_an_unknown_card_is_404_and_loses_none_of_the_others(hub, record):
    (card,) = record.read_cards(hub.post(record.service, json=record.call("SA1")))
    told = [{"card": name, "outcome": "overridden"} for name in ("none", card.uuid, "neither")]
    assert outcome(hub.post(f"{record.service}/feedback", json={"feedback": told}), 404)
    assert feedback_of(hub, card.uuid) == [("seen", None, None)]


def test_feedback_that_cannot_be_read_keeps_nothing(hub, record):
    (card,) = record.read_cards(hub.post(record.service, json=record.call("SA1")))
    good = {"card": card.uuid, "outcome": "accepted"}
    for body in ({}, {"feedback": []}, {"feedback": [good, {"card": card.uuid}]}, []):
        assert outcome(hub.post(f"{record.service}/feedback", json=body), 422)
    assert outcome(
        hub.post(f"{record.service}/feedback", json={"feedback": [good | {"outcome": "ignored"}]}),
        422,
    )
    assert feedback_of(hub, card.uuid) == []


@pytest.mark.parametrize("more", [b'"\x80": 1', b'"x": "\xff"', b'"x": ' + b"9" * 5000])
def test_a_field_that_is_not_read_may_hold_what_is_no_json(hub, record, more):
    (card,) = record.read_cards(hub.post(record.service, json=record.call("SA1")))
    told = b'{"feedback": [{"card": "%s", "outcome": "accepted", %s}]}' % (card.uuid.encode(), more)
    headers = {"Content-Type": "application/json"}
    assert outcome(hub.post(f"{record.service}/feedback", content=told, headers=headers), 422)
    assert feedback_of(hub, card.uuid) == []
