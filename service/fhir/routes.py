"""``/fhir``: scores as RiskAssessment, errors as OperationOutcome."""

from __future__ import annotations

import asyncio
import importlib.metadata
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from feature_store.clock import to_moment
from feature_store.live import StoreUnavailable
from service.access import Caller, Scope, may_see
from service.fhir.resources import capability, encode, outcome, searchset
from service.fhir.risk_assessment import risk_assessment
from service.hub.live import Live
from service.identifiers import is_opaque
from service.parts import Parts
from service.problems import Problem, unavailable
from service.record import AuditRow
from service.scores import authorise

FHIR_JSON: Final = "application/fhir+json"
RETRY_SECONDS: Final = 2
_DATE = re.compile(r"(eq|ge|le)?(\d{4}-\d{2}-\d{2})")
_LONGEST: Final = 64
_CODES: Final = {
    401: "login",
    403: "forbidden",
    404: "not-found",
    422: "value",
    429: "throttled",
    503: "transient",
}
_SUMMARY: Final = "Scores as FHIR R4 RiskAssessment"

Answer = Callable[[Request], Awaitable[dict[str, Any]]]


def fhir_routes(parts: Parts, live: Live) -> APIRouter:
    """Endpoints of a service made of these parts."""
    router = APIRouter(include_in_schema=False)
    asked = _Asked(parts, live)

    def add(path: str, answer: Answer) -> None:
        async def handle(request: Request) -> Response:
            return await _answered(answer, request)

        router.add_api_route(path, handle, methods=["GET"], summary=_SUMMARY)

    add("/fhir/metadata", asked.metadata)
    add("/fhir/RiskAssessment", asked.search)
    add("/fhir/RiskAssessment/{score_id}", asked.read)
    return router


async def _answered(answer: Answer, request: Request) -> Response:
    """The resource asked for, or an OperationOutcome."""
    try:
        resource, status, headers = await answer(request), 200, {}
    except Problem as problem:
        status, headers = problem.kind.status, problem.headers
        resource = outcome(_CODES.get(status, "processing"), problem.detail)
    body = await asyncio.to_thread(encode, resource)
    return Response(body, status, media_type=FHIR_JSON, headers=headers)


class _Asked:
    """What can be asked."""

    def __init__(self, parts: Parts, live: Live) -> None:
        self._parts = parts
        self._live = live

    async def metadata(self, _request: Request) -> dict[str, Any]:
        """What this server can do; anybody may know."""
        return capability(importlib.metadata.version("homeward"))

    async def read(self, request: Request) -> dict[str, Any]:
        """One score."""
        caller = authorise(self._parts, request.scope, Scope.SCORES)
        score = partial(self._parts.record.score, request.path_params["score_id"])
        row: AuditRow | None = await self._run(score)
        if row is None or not _is_for(row, caller):
            raise Problem(404, "There is no such RiskAssessment here.")
        names = await self._live.run(partial(self._live.names, [row.spell]))
        return risk_assessment(row, spell=names[row.spell])

    async def search(self, request: Request) -> dict[str, Any]:
        """Scores of one spell, by day if asked, oldest first."""
        caller = authorise(self._parts, request.scope, Scope.SCORES)
        spell, date = _query(request)
        pseudonym = self._parts.pseudonyms.spell(spell)
        rows = await self._run(partial(self._parts.record.scores_of_spell, pseudonym))
        kept = [row for row in rows if _is_for(row, caller) and _on(row, date)]
        return searchset([risk_assessment(row, spell=spell) for row in kept])

    async def _run(self, work: Callable[[], Any]) -> Any:
        try:
            return await asyncio.to_thread(work)
        except StoreUnavailable:
            detail = "The record cannot be read."
            raise unavailable(detail, retry_after_seconds=RETRY_SECONDS) from None


def _is_for(row: AuditRow, caller: Caller) -> bool:
    """Scores that were given, of patients whom the caller may see; never the shadow's."""
    return row.mode == "live" and row.score_id is not None and may_see(caller, row.site)


def _query(request: Request) -> tuple[str, tuple[str, str]]:
    given = request.query_params
    spell = given.get("encounter", "").rpartition("|")[2].removeprefix("Encounter/")
    if not spell or len(spell) > _LONGEST or not is_opaque(spell):
        raise Problem(422, "encounter expected: the name of a spell, as it was sent.")
    if set(given) - {"encounter", "date"}:
        raise Problem(422, "No parameter but encounter and date is supported.")
    found = _DATE.fullmatch(given.get("date", "")) if "date" in given else None
    if "date" in given and found is None:
        raise Problem(422, "date expected as YYYY-MM-DD, with eq, ge or le before it or nothing.")
    return spell, (found[1] or "eq", found[2]) if found else ("", "")


def _on(row: AuditRow, date: tuple[str, str]) -> bool:
    how, day = date
    given = to_moment(row.prediction_time).date().isoformat()
    return {"": True, "eq": given == day, "ge": given >= day, "le": given <= day}[how]
