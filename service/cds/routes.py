"""``/cds-services``: discovery, the service ``patient-view``, and what became of its cards."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Meta, Struct

from service import wire
from service.access import Scope
from service.body import expect_json, read_body
from service.cds.card import SERVICE, card, worth_saying
from service.envelope import INFO
from service.feedback import give
from service.hub import Desk
from service.hub.queries import Wanted
from service.identifiers import is_opaque
from service.parts import Parts
from service.problems import Problem
from service.record.feedback import Override, Verdict
from service.scores import authorise

JSON: Final = "application/json"
MOST_MIB: Final = 1
_PREFETCH: Final = {"encounter": "Encounter/{{context.encounterId}}"}
_LONGEST: Final = 64


class Context(Struct, frozen=True):
    """Whose record was opened, by whom."""

    patientId: str  # noqa: N815 - the standard's names
    encounterId: str | None = None  # noqa: N815


class HookRequest(Struct, frozen=True):
    """A call of the service; what else a record sends is not read."""

    hook: Literal["patient-view"]
    hookInstance: Annotated[str, Meta(max_length=128)]  # noqa: N815
    context: Context


class OverrideReason(Struct, frozen=True):
    """Why a card did not fit."""

    code: str | None = None


class Overridden(Struct, frozen=True):
    """What was said beside it; a comment in free text is never read."""

    reason: OverrideReason | None = None


class CardFeedback(Struct, frozen=True):
    """What became of one card."""

    card: Annotated[str, Meta(max_length=64)]
    outcome: Literal["accepted", "overridden"]
    overrideReason: Overridden | None = None  # noqa: N815


class FeedbackRequest(Struct, frozen=True):
    """What became of cards."""

    feedback: Annotated[list[CardFeedback], Meta(min_length=1, max_length=100)]


def cds_routes(parts: Parts, desk: Desk) -> APIRouter:
    """Endpoints of a service made of these parts."""
    router = APIRouter(include_in_schema=False)

    @router.get("/cds-services")
    async def discovery() -> Response:
        """What there is; anybody may know."""
        service = {
            "hook": "patient-view",
            "id": SERVICE,
            "title": "Homeward: chance of a long stay",
            "description": "Adult inpatients: chance of 7, 14 and 21 nights, and what to act on.",
            "prefetch": _PREFETCH,
        }
        return _json({"services": [service]})

    @router.post(f"/cds-services/{SERVICE}")
    async def patient_view(request: Request) -> Response:
        """Cards for the spell that is open; none where there is nothing to say."""
        caller = authorise(parts, request.scope, Scope.SCORES)
        asked = await _read(request, HookRequest)
        spell = (asked.context.encounterId or "").removeprefix("Encounter/")
        if not spell or len(spell) > _LONGEST or not is_opaque(spell):
            raise Problem(412, "context.encounterId expected: the name of a spell.")
        now = await desk.live.run(desk.live.moment)
        wanted, request_id = Wanted(), request.scope[INFO].request_id
        try:
            model, scored = await desk.spell(spell, wanted, caller, request_id, now=now)
        except Problem as problem:
            if problem.kind.status == 404:  # noqa: PLR2004 - a spell that is not ours: nothing to say
                return _json({"cards": []})
            raise
        told = [msgspec.to_builtins(one) for one in scored.scores]
        worklist = f"{str(request.base_url).rstrip('/')}/worklist"
        version = model.name.version
        cards = [
            card(one, model_version=version, worklist=worklist) for one in told if worth_saying(one)
        ]
        return _json({"cards": cards})

    @router.post(f"/cds-services/{SERVICE}/feedback")
    async def feedback(request: Request) -> Response:
        """Put what became of cards beside their scores."""
        caller = authorise(parts, request.scope, Scope.FEEDBACK)
        told = await _read(request, FeedbackRequest)
        for one in told.feedback:
            said = wire.Feedback(verdict=_verdict(one), reason=_reason(one), action=None)
            await give(parts, said, one.card, caller, request.scope[INFO].request_id)
        return Response(status_code=200)

    return router


def _verdict(one: CardFeedback) -> Verdict:
    """A card that was put aside without a reason of ours was seen, no more."""
    if one.outcome == "accepted":
        return Verdict.AGREED
    return Verdict.OVERRIDDEN if _reason(one) is not None else Verdict.SEEN


def _reason(one: CardFeedback) -> Override | None:
    said = one.overrideReason.reason if one.overrideReason else None
    known = {code.value: code for code in Override}
    return known.get(said.code or "") if said and one.outcome == "overridden" else None


async def _read(request: Request, kind: Any) -> Any:
    headers = request.scope[INFO].headers
    expect_json(headers)
    body = await read_body(request.receive, headers, most_mib=MOST_MIB)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        raise Problem(422, "A call as CDS Hooks 2.0 lays down expected.") from None


def _json(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type=JSON)
