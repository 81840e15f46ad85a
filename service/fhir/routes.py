"""``/fhir``: scores as RiskAssessment, errors as OperationOutcome."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from feature_store.identity import Identity
from feature_store.live import StoreUnavailable
from feature_store.live.database import reading
from feature_store.live.people import same_people
from feature_store.live.withdrawal import Withdrawals, read_withdrawals
from service.access import Caller, Scope, may_see
from service.answering import Asker
from service.body import expect_media, read_body
from service.envelope import INFO
from service.fhir.answers import FHIR_JSON, Answer, answered
from service.fhir.definitions import KINDS, definitions
from service.fhir.resources import capability, searchset
from service.fhir.risk_assessment import named_by_spell, risk_assessment
from service.fhir.score import ScoredBundle, read_resources, score_bundle
from service.fhir.search import Asked, read_search
from service.hub.live import Live, number_of
from service.hub.queries import read_query
from service.identifiers import may_be_score_id
from service.parts import Parts
from service.problems import Problem, unavailable
from service.record import AuditRow, Search
from service.scores import authorise, keep_account, model_of

RETRY_SECONDS: Final = 2
FHIR_PATH: Final = "/fhir"
SCORE_BUNDLE: Final = f"{FHIR_PATH}/$score"
NO_STAY: Final = "An inpatient Encounter (class IMP, ACUTE or NONAC) expected in Bundle.entry."
_SUMMARY: Final = "Scores as FHIR R4 RiskAssessment"


def fhir_routes(parts: Parts, live: Live) -> APIRouter:
    """Endpoints of a service made of these parts."""
    router = APIRouter(include_in_schema=False)
    asked = _Asked(parts, live)

    def add(path: str, answer: Answer, methods: Sequence[str] = ("GET",)) -> None:
        async def handle(request: Request) -> Response:
            return await answered(answer, request)

        router.add_api_route(path, handle, methods=list(methods), summary=_SUMMARY)

    add(f"{FHIR_PATH}/metadata", asked.metadata)
    add(f"{FHIR_PATH}/RiskAssessment", asked.search)
    add(f"{FHIR_PATH}/RiskAssessment/{{score_id}}", asked.read)
    for kind in KINDS:
        add(f"{FHIR_PATH}/{kind}/{{name}}", partial(asked.definition, kind))
    add(SCORE_BUNDLE, asked.score, ["POST"])
    return router


class _Asked:
    """What can be asked."""

    def __init__(self, parts: Parts, live: Live) -> None:
        self._parts = parts
        self._live = live

    async def metadata(self, _request: Request) -> dict[str, Any]:
        """What this server can do; anybody may know."""
        return capability(importlib.metadata.version("homeward"))

    async def definition(self, kind: str, request: Request) -> dict[str, Any]:
        """A profile, an extension, a code system, an operation of ours; anybody may know."""
        found = definitions().get((kind, request.path_params["name"]))
        if found is None:
            raise Problem(404)
        return found

    async def read(self, request: Request) -> dict[str, Any]:
        """One score."""
        caller = authorise(self._parts, request.scope, Scope.SCORES)
        score_id = request.path_params["score_id"]
        row: AuditRow | None = None
        if may_be_score_id(score_id):
            row = await self._run(partial(self._parts.record.score, score_id))
        if row is None or not _is_for(row, caller):
            raise Problem(404, "There is no such RiskAssessment here.")
        (resource,) = await self._live.run(partial(self._resources, [row], {}))
        return resource

    async def search(self, request: Request) -> dict[str, Any]:
        """Scores of a spell, a patient or a time, a page at a time."""
        caller = authorise(self._parts, request.scope, Scope.SCORES)
        asked = read_search(request.query_params, self._parts.pseudonyms)
        wanted = await self._live.run(partial(self._wanted, asked, caller))
        total, rows = await self._run(partial(self._parts.record.search, wanted))
        told = await self._live.run(partial(self._resources, rows, asked.spells or {}))
        return searchset(told, asked, total=total)

    async def score(self, request: Request) -> dict[str, Any]:
        """Score the inpatient encounters of a bundle."""
        caller = authorise(self._parts, request.scope, Scope.SCORES)
        info = request.scope[INFO]
        now = self._live.now()
        wanted = read_query(request.scope["query_string"], ("at",), now=now)
        expect_media(info.headers, (FHIR_JSON, "application/json"))
        model = model_of(self._parts)
        most = self._parts.settings.max_body_mib
        body = await read_body(request.receive, info.headers, most_mib=most)
        asker = Asker(
            caller=caller.name,
            request_id=info.request_id,
            route=SCORE_BUNDLE,
            pseudonyms=self._parts.pseudonyms,
            sites=caller.sites,
        )
        at = now if wanted.at is None else wanted.at
        identity = Identity(self._live.secret)

        tests = self._parts.settings.takes_tests

        def work() -> ScoredBundle:
            sent = read_resources(body)
            scored = score_bundle(sent, model, asker, identity, at=at, tests=tests)
            if not scored.stays:
                raise Problem(422, NO_STAY)
            return scored

        scored = await asyncio.to_thread(work)
        await keep_account(self._parts, scored.rows)
        self._parts.metrics.told(scored.scores, scored.refused)
        info.notes = {"scores": len(scored.scores), "refused": len(scored.refused)}
        return scored.resource()

    # ---- in a thread -----------------------------------------------------------------------------

    def _wanted(self, asked: Asked, caller: Caller) -> Search:
        """A search of the record; of merged patients each means the whole."""
        subjects = None
        if asked.subjects is not None:
            with reading(self._live.store.engine) as connection:
                subjects = set(same_people(connection, asked.subjects))
        return Search(
            spells=asked.spells,
            subjects=subjects,
            sites=caller.sites,
            since=asked.since,
            until=asked.until,
            newest_first=asked.newest_first,
            skip=asked.skip,
            most=asked.most,
        )

    def _resources(self, rows: Sequence[AuditRow], named: dict[int, str]) -> list[dict[str, Any]]:
        """Each score, as it was and with what became of it."""
        spells = sorted({row.spell for row in rows})
        known = self._live.names(spells)
        names = {
            spell: named.get(spell, name) if name == number_of(spell) else name
            for spell, name in known.items()
        }
        withdrawals = self._withdrawals(spells)
        return [
            risk_assessment(
                row,
                named_by_spell(row, names[row.spell]),
                withdrawn_at=withdrawals.since(row.spell, row.prediction_time),
            )
            for row in rows
        ]

    def _withdrawals(self, spells: Sequence[int]) -> Withdrawals:
        with reading(self._live.store.engine) as connection:
            return read_withdrawals(connection, spells, now=self._live.now())

    async def _run(self, work: Callable[[], Any]) -> Any:
        try:
            return await asyncio.to_thread(work)
        except StoreUnavailable:
            detail = "The record cannot be read."
            raise unavailable(detail, retry_after_seconds=RETRY_SECONDS) from None


def _is_for(row: AuditRow, caller: Caller) -> bool:
    """Scores that were given, of patients whom the caller may see; never the shadow's."""
    return row.mode == "live" and row.score_id is not None and may_see(caller, row.site)
