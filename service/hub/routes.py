"""HTTP of the live store: events and messages in, a spell's score and the worklist out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from service import wire
from service.access import Caller, Scope
from service.body import expect_json, expect_media, read_body
from service.envelope import INFO
from service.hub.desk import SPELL_SCORE, WORKLIST, Desk
from service.hub.documents import ADT, EVENTS, SPELL, WORKLIST_QUERY
from service.hub.intake import add_events, retract_events, take_message
from service.hub.live import Live
from service.hub.queries import read_query
from service.identifiers import is_opaque
from service.parts import Parts
from service.problems import Problem
from service.scores import authorise

JSON: Final = "application/json"
HL7: Final = "application/hl7-v2"
_HL7_TYPES: Final = (HL7, "application/hl7-v2+er7", "x-application/hl7-v2+er7")
_LONGEST_NAME: Final = 64
_MESSAGE_MIB: Final = 1


def hub_routes(parts: Parts, desk: Desk) -> APIRouter:
    """Endpoints of a service made of these parts."""
    router = APIRouter()
    _facts_in(router, parts, desk)
    _answers_out(router, parts, desk)
    return router


def _facts_in(router: APIRouter, parts: Parts, desk: Desk) -> None:
    live = desk.live

    @router.post("/v1/events", summary="Add events to the live store", openapi_extra=EVENTS)
    async def events(request: Request) -> Response:
        """Keep 1 to 10,000 facts, all or none; what is known already stays as it is.

        Sent again, a batch adds nothing: send it again after any doubt.
        """
        answer = await _take(parts, live, request, partial(add_events, live))
        parts.metrics.events_in.labels("added").inc(answer.added)
        parts.metrics.events_in.labels("known").inc(answer.known)
        return _json(answer)

    @router.post("/v1/events/retract", summary="Take events back", openapi_extra=EVENTS)
    async def retract(request: Request) -> Response:
        """Say that facts which were sent do not hold, from now on; the past stays as it was.

        Taken back is what has the same subject, spell, code, time and value, whenever recorded.
        Facts that came in ADT messages are corrected by ADT messages.
        """
        answer = await _take(parts, live, request, partial(retract_events, live))
        parts.metrics.events_in.labels("retracted").inc(answer.retracted)
        return _json(answer)

    @router.post("/v1/adt", summary="One HL7 v2 ADT message", openapi_extra=ADT)
    async def adt(request: Request) -> Response:
        """Keep a message and answer with its acknowledgement (AA, AE or AR), always as 200.

        An HTTP error means that the message was not kept: send it again.
        """
        info = request.scope[INFO]
        _feeder(parts, request)
        expect_media(info.headers, _HL7_TYPES)
        body = await read_body(request.receive, info.headers, most_mib=_MESSAGE_MIB)
        ack = await live.run(partial(take_message, live, body, desk.feeding))
        parts.metrics.messages_in.labels(ack.outcome).inc()
        for place in ack.unused:
            parts.metrics.unused_codes.labels(place).inc()
        info.notes = {"ack": ack.code, "outcome": ack.outcome}
        return Response(ack.text, media_type=HL7)


def _answers_out(router: APIRouter, parts: Parts, desk: Desk) -> None:
    live = desk.live

    @router.get(SPELL_SCORE, summary="Score a spell of the live store", openapi_extra=SPELL)
    async def spell(request: Request) -> Response:
        """Score one spell as it is known now, or was known at a moment."""
        spell_id = request.path_params["spell_id"]
        caller = authorise(parts, request.scope, Scope.SCORES)
        if len(spell_id) > _LONGEST_NAME or not is_opaque(spell_id):
            raise Problem(404, "There is no such spell here.")
        now = await live.run(live.moment)
        wanted = read_query(request.scope["query_string"], ("at", "reasons"), now=now)
        request_id = request.scope[INFO].request_id
        model, scored = await desk.spell(spell_id, wanted, caller, request_id, now=now)
        return _json(wire.ScoresAnswer(model.name, scored.scores, scored.refused))

    @router.get(WORKLIST, summary="Today's inpatients, ranked", openapi_extra=WORKLIST_QUERY)
    async def worklist(request: Request) -> Response:
        """Everybody in hospital by expected gain, with what changed since yesterday morning.

        Scored again at most once in HOMEWARD_WORKLIST_SECONDS; in between the same scores, under
        the same score_id, are answered.
        """
        caller = authorise(parts, request.scope, Scope.SCORES)
        now = await live.run(live.moment)
        query = request.scope["query_string"]
        wanted = read_query(query, ("site", "ward", "limit", "at"), now=now)
        info = request.scope[INFO]
        answer = await desk.worklist(wanted, caller, info.request_id, now=now)
        info.notes = {"inpatients": answer.inpatients, "refused": len(answer.refused)}
        return _json(answer)


async def _take(parts: Parts, live: Live, request: Request, work: Callable[[bytes], Any]) -> Any:
    """Read a JSON body and do blocking work with it."""
    info = request.scope[INFO]
    _feeder(parts, request)
    expect_json(info.headers)
    most = parts.settings.max_body_mib
    body = await read_body(request.receive, info.headers, most_mib=most)
    return await live.run(partial(work, body))


def _feeder(parts: Parts, request: Request) -> Caller:
    """Who sends facts; of whom the facts are cannot be told before they are in.

    Raises
    ------
    Problem
        401, 403 or 429; 403 also for credentials that cover some sites only.
    """
    caller = authorise(parts, request.scope, Scope.EVENTS)
    if caller.sites is not None:
        raise Problem(403, "Credentials that are limited to sites cannot feed the live store.")
    return caller


def _json(answer: Any) -> Response:
    return Response(wire.encode(answer), media_type=JSON)
