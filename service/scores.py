"""``POST /v1/scores``: the hot path.

An ASGI endpoint rather than a FastAPI function: resolving parameters and wrapping the request cost
as much as reading, scoring and answering a small one. What FastAPI would say of it in the OpenAPI
document is said in ``service/openapi.py``.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from models.scoring import TOP_REASONS
from service.access import Caller, allow
from service.access import Scope as KeyScope
from service.answering import Answered, Asker, ServedModel, answer_alone
from service.body import expect_json, read_body
from service.envelope import INFO, send_body
from service.gathering import Gathering
from service.logs import LOGGER
from service.problems import Fault, Problem, unavailable
from service.record import AuditRow, AuditUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from service.parts import Parts

LARGE_BODY: Final = 32 * 1024
"""Bytes from which a request is answered in a thread, so that small ones need not wait for it."""

RETRY_MODEL_SECONDS: Final = 5
RETRY_AUDIT_SECONDS: Final = 2

_log = logging.getLogger(LOGGER)


class Scores:
    """The endpoint.

    Parameters
    ----------
    parts : Parts
    """

    path: Final = "/v1/scores"

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gathering = Gathering()
        # One thread: two would share one interpreter and gain nothing.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["endpoint"] = self
        parts, info = self._parts, scope[INFO]
        caller = authorise(parts, scope, KeyScope.SCORES)
        reasons = read_reasons(scope["query_string"])
        expect_json(info.headers)
        model = model_of(parts)
        body = await read_body(receive, info.headers, most_mib=parts.settings.max_body_mib)
        asker = Asker(
            caller=caller.name,
            request_id=info.request_id,
            route=self.path,
            pseudonyms=parts.pseudonyms,
            sites=caller.sites,
        )
        with self._gathering:
            done = await self._answer(body, model, asker, reasons=reasons)
            await keep_account(parts, done.audit)
            parts.shadow.offer(body, asker)
            parts.metrics.answered(done)
            info.notes = {
                "scores": len(done.answer.scores),
                "refused": len(done.answer.refused),
                "model_version": model.name.version,
            }
            await send_body(send, done.body)

    async def _answer(
        self, body: bytes, model: ServedModel, asker: Asker, *, reasons: int | None
    ) -> Answered:
        if len(body) < LARGE_BODY:
            return await self._gathering.answer(body, model, asker, reasons=reasons)
        answer = partial(answer_alone, body, model, asker, reasons=reasons)
        return await asyncio.get_running_loop().run_in_executor(self._thread, answer)


async def keep_account(parts: Parts, rows: Sequence[AuditRow]) -> None:
    """Put an answer on the record; without it no answer, unless the settings allow it.

    Raises
    ------
    Problem
        503.
    """
    try:
        await parts.audit.append(rows)
    except AuditUnavailable as error:
        parts.metrics.audit_failures.inc()
        _log.error("audit not kept", extra={"fields": {"error": str(error)}})
        if not parts.settings.unaudited_answers:
            raise unavailable(
                "The audit cannot be written.", retry_after_seconds=RETRY_AUDIT_SECONDS
            ) from None


def authorise(parts: Parts, scope: Scope, needed: KeyScope | None) -> Caller:
    """Who asks, if they may do this, and not too often; noted for the log.

    Raises
    ------
    Problem
        401, 403 or 429.
    """
    client, info = scope.get("client"), scope[INFO]
    caller = parts.access.caller(info.headers, client[0] if client else None)
    info.caller = caller.name
    info.headers_to_send = parts.rates.take(caller.name)
    allow(caller, needed)
    return caller


def model_of(parts: Parts) -> ServedModel:
    """Return the model being served.

    Raises
    ------
    Problem
        503: none is loaded yet.
    """
    if parts.shelf.model is None:
        raise unavailable("No model is loaded yet.", retry_after_seconds=RETRY_MODEL_SECONDS)
    return parts.shelf.model


def read_reasons(query: bytes) -> int | None:
    """How many reasons the query asks for; None for all.

    >>> read_reasons(b""), read_reasons(b"reasons=all")
    (5, None)

    Raises
    ------
    Problem
        422: another field, another value, or one given twice.
    """
    if not query:
        return TOP_REASONS
    try:
        given = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=1, errors="strict"
        )
    except ValueError:
        given = []
    if given == [("reasons", "all")]:
        return None
    if [name for name, _ in given] == ["reasons"]:
        raise Problem(422, faults=[Fault("?reasons", "all expected, or no such field")])
    raise Problem(422, faults=[Fault("?", "no field but reasons expected, and that once")])
