"""Scores as RiskAssessment: valid, in percent, one a score, for those who may see them."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.riskassessment import RiskAssessment

from feature_store.clock import DAY


@pytest.fixture
def scored(trust, make_client, real_model):
    """A service that has scored one patient; and the score."""
    hub = make_client(real_model, least_completeness=0.0, stale_hours=24 * 30)
    trust.add(hub, trust.stay("A1", trust.now - 3 * DAY))
    (entry,) = trust.worklist(hub)["entries"]
    return hub, entry["score"]


def test_a_search_gives_every_score_of_a_spell_in_percent(scored):
    hub, score = scored
    answer = hub.get("/fhir/RiskAssessment", params={"encounter": "SA1"})
    assert answer.headers["content-type"] == "application/fhir+json"
    bundle = Bundle.model_validate_json(answer.text)
    mine = [one.resource for one in bundle.entry if one.resource.id == score["score_id"]]
    (resource,) = mine
    told = {one.outcome.text: float(one.probabilityDecimal) for one in resource.prediction}
    for days, chance in score["probability"].items():
        if chance is not None:
            text = f"Still an inpatient {days} midnights after admission"
            assert told[text] == pytest.approx(100 * chance, abs=0.051)
    assert resource.encounter.identifier.value == "SA1"
    assert "Associations, not causes" in resource.prediction[0].rationale


def test_one_score_is_read_by_its_identifier(scored):
    hub, score = scored
    answer = hub.get(f"/fhir/RiskAssessment/{score['score_id']}")
    resource = RiskAssessment.model_validate_json(answer.text)
    assert (resource.id, resource.status) == (score["score_id"], "final")
    assert resource.meta.tag[0].code == "live"


@pytest.mark.parametrize(
    ("date", "found"), [("ge2000-01-01", True), ("le2000-01-01", False), ("2000-01-01", False)]
)
def test_a_search_may_be_narrowed_to_days(scored, date, found):
    hub, _ = scored
    query = {"encounter": "SA1", "date": date}
    assert (hub.get("/fhir/RiskAssessment", params=query).json()["total"] > 0) == found


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/RiskAssessment", 422),
        ("/fhir/RiskAssessment?encounter=SA1&date=yesterday", 422),
        ("/fhir/RiskAssessment?encounter=SA1&patient=1", 422),
        ("/fhir/RiskAssessment/none", 404),
    ],
)
def test_errors_are_operation_outcomes_without_what_was_sent(scored, path, status):
    hub, _ = scored
    answer = hub.get(path)
    assert answer.status_code == status
    told = OperationOutcome.model_validate_json(answer.text)
    assert "yesterday" not in told.issue[0].diagnostics


def test_a_spell_that_was_never_scored_has_an_empty_bundle(scored):
    hub, _ = scored
    answer = hub.get("/fhir/RiskAssessment", params={"encounter": "S-other"})
    assert json.loads(answer.text)["total"] == 0


def test_the_server_says_what_it_can_do(scored):
    hub, _ = scored
    statement = CapabilityStatement.model_validate_json(hub.get("/fhir/metadata").text)
    assert statement.rest[0].resource[0].type == "RiskAssessment"
