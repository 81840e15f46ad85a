"""Whatever goes wrong under the FHIR base path is told as an OperationOutcome."""

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from service.fhir.answers import FHIR_JSON
from service.fhir.routes import _Asked
from service.problems import KINDS, Problem

CANARY = "Featherstonehaugh"


def told(answer):
    """Code and words of the one issue of an OperationOutcome."""
    assert answer.headers["content-type"] == FHIR_JSON
    assert answer.headers["x-request-id"]
    (issue,) = OperationOutcome.model_validate_json(answer.content).issue
    assert issue.severity == "error"
    return issue.code, issue.diagnostics


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    "path", ["/fhir", "/fhir/", f"/fhir/{CANARY}", "/fhir/Patient/1", "/fhir/$other", "/fhir/%00"]
)
def test_nothing_at_an_address_is_404(service, method, path):
    answer = service.request(method, path)
    assert answer.status_code == 404
    assert told(answer) == ("not-found", "There is nothing at this address.")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *(("POST", "/fhir/metadata", "GET"), ("DELETE", "/fhir/RiskAssessment/x", "GET")),
        *(("PUT", "/fhir/RiskAssessment", "GET"), ("GET", "/fhir/$score", "POST")),
        *(("OPTIONS", "/fhir/$score", "POST"), ("BREW", "/fhir/StructureDefinition/x", "GET")),
        ("PATCH", "/cds-services", "GET"),
    ],
)
def test_another_method_is_405_and_says_which_is_allowed(service, method, path, allowed):
    answer = service.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (405, allowed)
    assert told(answer) == ("not-supported", "See the Allow header.")


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/RiskAssessment/x"])
def test_a_fault_of_ours_is_500_and_repeats_nothing(make_client, real_model, monkeypatch, path):
    async def broken(*_asked):
        raise ValueError(CANARY)

    for name in ("metadata", "read"):
        monkeypatch.setattr(_Asked, name, broken)
    answer = make_client(real_model).get(path)
    assert answer.status_code == 500
    assert told(answer) == ("exception", KINDS[500].usual)
    assert CANARY not in answer.text


def test_other_addresses_keep_to_problem_documents(service):
    for path in ("/fhirs", "/v1/fhir", "/cds-service"):
        answer = service.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("status", KINDS)
def test_every_kind_of_problem_has_a_code_of_fhir(status):
    from service.fhir.answers import in_fhir

    issue = OperationOutcome.model_validate_json(in_fhir(Problem(status))).issue[0]
    assert issue.code in ISSUE_TYPES


ISSUE_TYPES = {  # FHIR R4, http://hl7.org/fhir/issue-type
    *("invalid", "structure", "required", "value", "invariant", "security", "login", "unknown"),
    *("expired", "forbidden", "suppressed", "processing", "not-supported", "duplicate"),
    *("multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension"),
    *("too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store"),
    *("exception", "timeout", "incomplete", "throttled", "informational"),
}
