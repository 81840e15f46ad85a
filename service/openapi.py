"""The OpenAPI document: FastAPI's, with the schemas that really decode and encode, and every error.

The schemas come from the msgspec structs of ``service/wire.py``; the examples are run by a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi.openapi.utils import get_openapi

from feature_store.vocabulary import INTENDED_PURPOSE
from service import wire, wire_live
from service.problems import CONTENT_TYPE, KINDS, ProblemDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

API_VERSION: Final = "1"
_REFERENCE: Final = "#/components/schemas/{name}"
_STRUCTS: Final = (
    wire.ScoresRequest,
    wire.ScoresAnswer,
    wire.Feedback,
    wire.FeedbackAnswer,
    wire.ModelAnswer,
    wire.Readiness,
    wire.NotReady,
    wire.Liveness,
    wire_live.EventsRequest,
    wire_live.EventsAnswer,
    wire_live.RetractedAnswer,
    wire_live.WorklistAnswer,
    ProblemDocument,
)

EXAMPLE_REQUEST: Final[dict[str, Any]] = {
    "prediction_time": "2026-01-14T06:00:00Z",
    "spells": [
        {
            "spell_id": "S456",
            "subject_id": "P123",
            "events": [
                {"code": "SPELL_START", "time": "2026-01-12T21:40:00Z"},
                {"code": "ADMISSION_METHOD//21", "time": "2026-01-12T21:40:00Z"},
                {"code": "AGE", "time": "2026-01-12T21:40:00Z", "numeric_value": 84},
                {"code": "SEX//2", "time": None},
                {
                    "code": "NEWS2",
                    "time": "2026-01-14T05:10:00Z",
                    "recorded_at": "2026-01-14T05:20:00Z",
                    "numeric_value": 6,
                },
            ],
        },
        {
            "spell_id": "S457",
            "subject_id": "P124",
            "events": [
                {"code": "SPELL_START", "time": "2026-01-13T10:05:00Z"},
                {"code": "AGE", "time": "2026-01-13T10:05:00Z", "numeric_value": 16},
            ],
        },
    ],
}

EXAMPLE_ANSWER: Final[dict[str, Any]] = {
    "model": {"name": "long-stay", "version": "3", "alias": "champion"},
    "scores": [
        {
            "score_id": "019bb9f6-5b00-7c41-9d4e-2f5a7b1c8e90",
            "spell_id": "S456",
            "prediction_time": "2026-01-14T06:00:00Z",
            "days_so_far": 2,
            "probability": {"7": 0.71, "14": 0.38, "21": 0.18},
            "band": "high",
            "discharge_day": {"p10": 4, "p50": 9, "p90": 27},
            "probability_of_death_in_hospital": 0.06,
            "reasons": [
                {
                    "feature": "news2_latest",
                    "label": "NEWS2 score",
                    "value": "6 points",
                    "effect": 0.42,
                    "direction": "longer",
                    "kind": "clinical",
                    "actionable": False,
                    "action": None,
                }
            ],
            "base_value": -1.31,
            "log_odds": -0.44,
            "missing": ["CFS"],
            "completeness": 0.86,
            "ignored_events": 0,
        }
    ],
    "refused": [{"spell_id": "S457", "reason": "out_of_scope", "detail": "under 18 at admission"}],
}

EXAMPLE_FEEDBACK: Final[dict[str, Any]] = {
    "verdict": "overridden",
    "reason": "discharge_already_planned",
    "action": "transport_booked",
    "expected_discharge_at": "2026-01-16T14:00:00Z",
}

_ERRORS: Final = {
    "/v1/scores": (401, 403, 405, 408, 413, 415, 422, 429, 500, 503),
    "/v1/scores/{score_id}/feedback": (401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503),
    "/v1/model": (401, 403, 405, 429, 500, 503),
    "/v1/events": (401, 403, 405, 408, 413, 415, 422, 429, 500, 503),
    "/v1/events/retract": (401, 403, 405, 408, 413, 415, 422, 429, 500, 503),
    "/v1/adt": (401, 403, 405, 408, 413, 415, 429, 500, 503),
    "/v1/spells/{spell_id}/score": (401, 403, 404, 405, 422, 429, 500, 503),
    "/v1/worklist": (401, 403, 405, 422, 429, 500, 503),
}
_BODIES: Final = {"/v1/scores/{score_id}/feedback": ("Feedback", EXAMPLE_FEEDBACK)}
_USUAL_ERRORS: Final = (405, 500)
_TEXTS: Final = {
    "/metrics": ("Prometheus text format", "text/plain"),
    "/v1/adt": ("The acknowledgement, also of a message that is refused", "application/hl7-v2"),
}
_ANSWERS: Final = {
    "/v1/scores/{score_id}/feedback": "FeedbackAnswer",
    "/v1/model": "ModelAnswer",
    "/v1/events": "EventsAnswer",
    "/v1/events/retract": "RetractedAnswer",
    "/v1/spells/{spell_id}/score": "ScoresAnswer",
    "/v1/worklist": "WorklistAnswer",
    "/health/live": "Liveness",
    "/health/ready": "Readiness",
}


_LEADS_ON: Final = {
    "/v1/scores": "/scores/0/score_id",
    "/v1/spells/{spell_id}/score": "/scores/0/score_id",
    "/v1/worklist": "/entries/0/score/score_id",
}
"""Where an answer holds what feedback is given to."""


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title="Homeward",
        version=API_VERSION,
        summary="Which of today's inpatients are heading for a long stay, and why.",
        description=INTENDED_PURPOSE,
        routes=app.routes,
    )
    document["paths"] = {"/v1/scores": {"post": _scores()}} | document["paths"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
            if path in _LEADS_ON:
                operation["responses"]["200"]["links"] = _links(_LEADS_ON[path])
    _, schemas = msgspec.json.schema_components(_STRUCTS, ref_template=_REFERENCE)
    document["components"] = {
        "schemas": schemas,
        "responses": {f"Problem{status}": _problem(status) for status in KINDS},
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or a signed token (OAuth 2 client credentials, JWT).",
            }
        },
    }
    app.openapi_schema = document
    return document


def _scores() -> dict[str, Any]:
    return {
        "summary": "Score spells",
        "description": "Scores 1 to 1,000 spells as they were known at one moment. Stateless: "
        "nothing is stored but the audit row. A spell that cannot be scored is refused by itself, "
        "with a reason; the others are scored.",
        "operationId": "scores",
        "parameters": [
            {
                "name": "reasons",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "enum": ["all"]},
                "description": "Every reason rather than the top few: with base_value their "
                "effects sum to log_odds.",
            }
        ],
        "requestBody": _body("ScoresRequest", EXAMPLE_REQUEST),
        "responses": {
            "200": _answer("ScoresAnswer", "Every spell, in scores or in refused", EXAMPLE_ANSWER)
        },
    }


def _body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"$ref": _REFERENCE.format(name=schema)}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Add what FastAPI cannot know of an operation: its schemas, its errors, its key."""
    responses = operation["responses"]
    if path in _ANSWERS:
        responses["200"] = _answer(_ANSWERS[path], "Done")
    elif path in _TEXTS:
        description, media_type = _TEXTS[path]
        content = {media_type: {"schema": {"type": "string"}}}
        responses["200"] = {"description": description, "content": content}
    operation |= {"requestBody": _body(*_BODIES[path])} if path in _BODIES else {}
    for status in _ERRORS.get(path, _USUAL_ERRORS):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    if path == "/health/ready":
        responses["503"] = _answer("NotReady", "Not yet", media_type=CONTENT_TYPE)
    if path.startswith("/v1/"):
        operation["security"] = [{"key": []}, {}]  # none on a service that is open
    for response in responses.values():
        if "$ref" not in response:
            response["headers"] = _REQUEST_ID_HEADER


def _links(place: str) -> dict[str, Any]:
    feedback = {
        "operationRef": "#/paths/~1v1~1scores~1{score_id}~1feedback/post",
        "parameters": {"score_id": f"$response.body#{place}"},
    }
    return {"feedback": feedback}


_REQUEST_ID_HEADER: Final = {
    "X-Request-ID": {
        "description": "The caller's own, if it is 1 to 128 letters, digits, . _ -; else made.",
        "schema": {"type": "string"},
    }
}


def _answer(
    schema: str,
    description: str,
    example: dict[str, Any] | None = None,
    *,
    media_type: str = "application/json",
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _REFERENCE.format(name=schema)}}
    if example is not None:
        content["example"] = example
    return {"description": description, "content": {media_type: content}}


def _problem(status: int) -> dict[str, Any]:
    kind = KINDS[status]
    example: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.usual,
        "request_id": "7f2c9a4e5b1d4f0c8a6e3d2b1c0f9e8d",
    }
    if status == 422:  # noqa: PLR2004 - the status code itself
        pointer = "#/spells/0/events/2/numeric_value"
        example["errors"] = [{"pointer": pointer, "detail": "float | null expected, got bool"}]
    answer = _answer("ProblemDocument", kind.title, example, media_type=CONTENT_TYPE)
    answer["headers"] = dict(_REQUEST_ID_HEADER)
    for name in _HEADERS_OF.get(status, ()):
        answer["headers"][name] = {"schema": {"type": "string"}}
    return answer


_HEADERS_OF: Final[dict[int, Sequence[str]]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    415: ("Accept-Post",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}
