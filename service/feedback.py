"""``POST /v1/scores/{score_id}/feedback``: what a clinician or the hub says of a score.

Closed lists and a moment, no free text. Kept for good and chained, like the scores. The same said
again by the same caller is the same feedback: sending it twice adds nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from fastapi import APIRouter, Path, Request, Response

from feature_store.live import StoreUnavailable
from service import wire
from service.access import Scope, may_see
from service.body import expect_json, read_body
from service.envelope import INFO
from service.identifiers import may_be_score_id
from service.problems import Fault, Problem, unavailable
from service.reading import check_moment, read_json
from service.record import AuditUnavailable, FeedbackRow
from service.record.feedback import Verdict, feedback_id_of
from service.scores import RETRY_AUDIT_SECONDS, authorise
from service.translate import microseconds, moment_of

if TYPE_CHECKING:
    from service.access import Caller
    from service.parts import Parts

MOST_MIB: Final = 1
NO_SUCH_SCORE: Final = "No score of this identifier is known here."

_decode = msgspec.json.Decoder(wire.Feedback).decode


def feedback(parts: Parts) -> APIRouter:
    """Endpoint of a service made of these parts."""
    router = APIRouter()

    @router.post(
        "/v1/scores/{score_id}/feedback",
        operation_id="feedback",
        summary="Say what became of a score",
    )
    async def feedback_of(
        request: Request, score_id: Annotated[str, Path(description="Of a score that was given.")]
    ) -> Response:
        """Seen, agreed, or overridden and why; what was done; the clinicians' expected discharge.

        Kept for good beside the score. The same content sent again by the same caller changes
        nothing and gets the same answer.
        """
        caller = authorise(parts, request.scope, Scope.FEEDBACK)
        said = await _read(request)
        kept = await give(parts, said, score_id, caller, request.scope[INFO].request_id)
        return Response(wire.encode(_answer(kept)), media_type="application/json")

    return router


async def give(
    parts: Parts, said: wire.Feedback, score_id: str, caller: Caller, request_id: str
) -> FeedbackRow:
    """Put what a caller says of a score on the record, once.

    Raises
    ------
    Problem
        404: no such score, or not for this caller; 503: the record is away.
    """
    await _check_known(parts, score_id, caller)
    return await _keep(parts, _row(said, score_id, caller, request_id))


async def _read(request: Request) -> wire.Feedback:
    headers = request.scope[INFO].headers
    expect_json(headers)
    said = read_json(await read_body(request.receive, headers, most_mib=MOST_MIB), _decode)
    if said.expected_discharge_at is not None:
        check_moment(said.expected_discharge_at, "#/expected_discharge_at")
    if (said.verdict is Verdict.OVERRIDDEN) != (said.reason is not None):
        fault = Fault("#/reason", "a reason expected if overridden, and only then")
        raise Problem(422, faults=[fault])
    return said


async def _check_known(parts: Parts, score_id: str, caller: Caller) -> None:
    """Whether this score was answered, and about a patient whom the caller may see."""
    if not may_be_score_id(score_id):
        raise Problem(404, NO_SUCH_SCORE)
    try:
        score = await asyncio.to_thread(parts.record.score, score_id)
    except StoreUnavailable:
        raise _later("The record cannot be read.") from None
    if score is None or score.mode != "live" or not may_see(caller, score.site):
        raise Problem(404, NO_SUCH_SCORE)


def _row(said: wire.Feedback, score_id: str, caller: Caller, request_id: str) -> FeedbackRow:
    expected = said.expected_discharge_at
    content = (
        said.verdict.value,
        said.reason.value if said.reason else None,
        said.action.value if said.action else None,
        microseconds(expected) if expected else None,
    )
    return FeedbackRow(
        feedback_id_of(score_id, caller.name, *content),
        score_id,
        time.time_ns() // 1000,
        caller.name,
        request_id,
        *content,
    )


async def _keep(parts: Parts, row: FeedbackRow) -> FeedbackRow:
    """Keep what is new; what was said before is given back as it was."""
    try:
        known = await asyncio.to_thread(parts.record.feedback, [row.score_id])
        for one in known[row.score_id] if known else ():
            if one.feedback_id == row.feedback_id:
                return one
        await parts.audit.append([row])
    except StoreUnavailable:
        raise _later("The record cannot be read.") from None
    except AuditUnavailable:
        parts.metrics.audit_failures.inc()
        raise _later("The record cannot be written.") from None
    return row


def _later(detail: str) -> Problem:
    return unavailable(detail, retry_after_seconds=RETRY_AUDIT_SECONDS)


def _answer(row: FeedbackRow) -> wire.FeedbackAnswer:
    expected = row.expected_discharge_at
    return wire.FeedbackAnswer(
        feedback_id=row.feedback_id,
        score_id=row.score_id,
        given_at=moment_of(row.given_at),
        verdict=row.verdict,
        reason=row.reason,
        action=row.action,
        expected_discharge_at=None if expected is None else moment_of(expected),
    )
