"""Resources on their way out: checked by the FHIR library, errors as OperationOutcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import MappingProxyType
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from service.problems import Problem

FHIR_JSON: Final = "application/fhir+json"
PERCENT_MOST: Final = 100.0
_CODES: Final = MappingProxyType(
    {
        401: "login",
        403: "forbidden",
        404: "not-found",
        405: "not-supported",
        408: "timeout",
        412: "required",
        413: "too-long",
        415: "not-supported",
        422: "invalid",
        429: "throttled",
        500: "exception",
        503: "transient",
    }
)

Answer = Callable[[Request], Awaitable[dict[str, Any]]]


async def answered(answer: Answer, request: Request) -> Response:
    """The resource asked for."""
    body = await asyncio.to_thread(encode, await answer(request))
    return Response(body, media_type=FHIR_JSON)


def refused(problem: Problem) -> Response:
    """Answer with a problem in the words of FHIR."""
    body = in_fhir(problem)
    return Response(body, problem.kind.status, media_type=FHIR_JSON, headers=problem.headers)


def in_fhir(problem: Problem) -> bytes:
    """A problem as an OperationOutcome: where, and what was expected; never what was sent.

    Without the FHIR library: of a fault of ours nobody knows what still works.
    """
    code = _CODES[problem.kind.status]
    told = [f"{fault.pointer}: {fault.detail}" for fault in problem.faults] or [problem.detail]
    return msgspec.json.encode(outcome([issue(code, text) for text in told]))


def issue(code: str, text: str, severity: str = "error") -> dict[str, Any]:
    """One issue of an OperationOutcome; the text is ours and quotes nothing."""
    return {"severity": severity, "code": code, "diagnostics": text}


def outcome(issues: list[dict[str, Any]]) -> dict[str, Any]:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": issues}


def encode(resource: dict[str, Any]) -> bytes:
    """A resource as JSON, valid by the library's model of it.

    Raises
    ------
    ValueError
        It is not a valid resource: a fault of ours.
    """
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - half a second to import

    made = get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    for chance in _chances(resource):
        if not 0.0 <= chance <= PERCENT_MOST:
            msg = "a percentage from 0 to 100 expected"
            raise ValueError(msg)
    text: str = made.model_dump_json()
    return text.encode()


def _chances(resource: dict[str, Any]) -> Iterator[float]:
    """Every probability of a resource, or of those in a bundle; the library allows any number."""
    inside = (one["resource"] for one in resource.get("entry", ()))
    for one in (resource, *inside):
        for prediction in one.get("prediction", ()):
            yield prediction["probabilityDecimal"]
