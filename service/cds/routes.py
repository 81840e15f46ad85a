"""``/cds-services``: discovery, the cards of a hook, and what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from service import wire
from service.access import Caller, Scope, allow
from service.body import expect_json, read_body
from service.cds.calls import Call, Feedback
from service.cds.card import SERVICE
from service.cds.clients import Clients
from service.cds.hooks import Hooks
from service.cds.origins import PATH
from service.cds.prefetch import TEMPLATES
from service.cds.setup import CdsSetup
from service.envelope import INFO
from service.feedback import give
from service.fhir.answers import refused
from service.fhir.score import read_nested
from service.hub import Desk
from service.parts import Parts
from service.problems import Problem
from service.scores import authorise

JSON: Final = "application/json"
MOST_MIB: Final = 4
_NOT_FOUND: Final = 404
_DESCRIPTION: Final = "Adult inpatients: chance of 7, 14 and 21 nights, and what to act on."
_USAGE: Final = (
    "context.encounterId is the name under which the feed of events knows the spell, or the patient"
    " and the encounter are prefetched."
)
_call: Final = msgspec.json.Decoder(Call).decode
_feedback: Final = msgspec.json.Decoder(Feedback).decode

Answer = Callable[[Request], Awaitable[Response]]


def cds_routes(parts: Parts, desk: Desk, setup: CdsSetup, clients: Clients) -> APIRouter:
    """Endpoints of a service made of these parts."""
    router = APIRouter(include_in_schema=False)
    asked = _Asked(parts, Hooks(parts, desk, setup.url), setup, clients)

    def add(path: str, answer: Answer, *methods: str) -> None:
        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except Problem as problem:  # CDS Hooks asks for an OperationOutcome
                return refused(problem)

        router.add_api_route(path, handle, methods=list(methods))

    add(PATH, asked.discovery, "GET")
    add(f"{PATH}/{SERVICE}", asked.cards, "POST")
    add(f"{PATH}/{SERVICE}/feedback", asked.feedback, "POST")
    add(f"{PATH}/{{rest:path}}", asked.nothing, "GET", "POST", "PUT", "PATCH", "DELETE")
    return router


class _Asked:
    """What can be asked."""

    def __init__(self, parts: Parts, hooks: Hooks, setup: CdsSetup, clients: Clients) -> None:
        self._parts = parts
        self._hooks = hooks
        self._setup = setup
        self._clients = clients

    async def discovery(self, _request: Request) -> Response:
        """What there is; anybody may know."""
        services = [
            {
                "hook": hook,
                "id": SERVICE,  # one id: a card of a later hook takes the place of an earlier one
                "title": "Homeward: chance of a long stay",
                "description": _DESCRIPTION,
                "prefetch": dict(TEMPLATES),
                "usageRequirements": _USAGE,
            }
            for hook in self._setup.offered
        ]
        return _json({"services": services})

    async def cards(self, request: Request) -> Response:
        """Cards for the encounter that is open; none where there is nothing to say."""
        caller = await self._caller(request, Scope.SCORES)
        call = await _read(request, _call)
        if call.hook not in self._setup.offered:
            raise Problem(422, "hook expected as discovery names it.")
        cards = await self._hooks.cards(call, caller, request)
        return _json({"cards": cards})

    async def feedback(self, request: Request) -> Response:
        """Put what became of cards beside their scores; those that are known, whatever the rest."""
        caller = await self._caller(request, Scope.FEEDBACK)
        told = await _read(request, _feedback)
        unknown: Problem | None = None
        for one in told.feedback:
            said = wire.Feedback(verdict=one.verdict, reason=one.reason, action=one.action)
            try:
                await give(self._parts, said, one.card, caller, request.scope[INFO].request_id)
            except Problem as problem:
                if problem.kind.status != _NOT_FOUND:
                    raise
                unknown = problem
        if unknown is not None:
            raise unknown
        return Response(status_code=200)

    async def nothing(self, _request: Request) -> Response:
        """Nothing is at this address, or not with this method."""
        raise Problem(404, f"There is no such service here: see {PATH}.")

    async def _caller(self, request: Request, needed: Scope) -> Caller:
        """Who calls: a client that signs its calls, or whoever may ask everywhere.

        Raises
        ------
        Problem
            401, 403, 429 or 503.
        """
        info = request.scope[INFO]
        caller = await self._clients.caller(info.headers, request.scope["path"])
        if caller is None:
            return authorise(self._parts, request.scope, needed)
        info.caller = caller.name
        info.headers_to_send = self._parts.rates.take(caller.name)
        allow(caller, needed)
        return caller


async def _read(request: Request, decode: Callable[[bytes], Any]) -> Any:
    headers = request.scope[INFO].headers
    expect_json(headers)
    return read_nested(await read_body(request.receive, headers, most_mib=MOST_MIB), decode)


def _json(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON)
