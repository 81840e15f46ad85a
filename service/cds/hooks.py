"""A call to its cards: from the live store if it knows the spell, else from what was prefetched."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import msgspec
from fastapi import Request

from feature_store.identity import Identity
from service.access import Caller
from service.answering import Asker
from service.cds.calls import Call, encounter_of, reference
from service.cds.card import SERVICE, Around, card, worth_saying
from service.cds.origins import PATH
from service.cds.prefetch import bundle_of
from service.envelope import INFO
from service.fhir.score import score_bundle
from service.hub import Desk
from service.hub.queries import Wanted
from service.hub.scoring import STALE
from service.parts import Parts
from service.problems import Problem
from service.scores import keep_account, model_of
from service.wire import RefusedSpell, Score

_NOT_FOUND: Final = 404
_LEAVING: Final = "encounter-discharge"
NEEDED: Final = (
    "context.encounterId of a spell that is known here, or the prefetched patient and encounter of "
    "the context, expected."
)

Word = Score | RefusedSpell


class Hooks:
    """What the service answers with.

    Parameters
    ----------
    parts : Parts
    desk : Desk
    url : str or None
        Address under which people reach the pages; None: that of the call.
    """

    def __init__(self, parts: Parts, desk: Desk, url: str | None) -> None:
        self._parts = parts
        self._desk = desk
        self._url = url

    async def cards(self, call: Call, caller: Caller, request: Request) -> list[dict[str, Any]]:
        """Cards of a call, one or none.

        Raises
        ------
        Problem
            412: the spell is neither known nor prefetched.
        """
        name = call.context.encounter
        if not name:
            raise Problem(412, NEEDED)
        request_id = request.scope[INFO].request_id
        word = await self._known(name, caller, request_id)
        if word is None or (isinstance(word, RefusedSpell) and word.reason == STALE.reason):
            word = await self._prefetched(call, caller, request_id) or word
        if word is None:
            raise Problem(412, NEEDED)
        if isinstance(word, RefusedSpell):
            return []
        told, leaving = msgspec.to_builtins(word), call.hook == _LEAVING
        if not worth_saying(told, leaving=leaving):
            return []
        return [card(told, self._around(call, request), leaving=leaving)]

    def _around(self, call: Call, request: Request) -> Around:
        base = self._url or str(request.base_url).rstrip("/")
        return Around(
            model_version=model_of(self._parts).name.version,
            pages=f"{base}/worklist",
            encounter=encounter_of(call.context.encounter),
            patient=reference("Patient", call.context.patient),
        )

    async def _known(self, name: str, caller: Caller, request_id: str) -> Word | None:
        """What is said of a spell of the live store; None of one that it does not know."""
        now = await self._desk.live.run(self._desk.live.moment)
        try:
            _, scored = await self._desk.spell(name, Wanted(), caller, request_id, now=now)
        except Problem as problem:
            if problem.kind.status == _NOT_FOUND:
                return None
            raise
        return scored.words[0]

    async def _prefetched(self, call: Call, caller: Caller, request_id: str) -> Word | None:
        """What is said of the encounter that was sent along; None where it was not."""
        context = call.context
        sent = call.prefetch or {}
        bundle = bundle_of(sent, patient=context.patient, encounter=context.encounter)
        if bundle is None:
            return None
        asker = Asker(
            caller=caller.name,
            request_id=request_id,
            route=f"{PATH}/{SERVICE}",
            pseudonyms=self._parts.pseudonyms,
            sites=caller.sites,
        )
        live, model = self._desk.live, model_of(self._parts)
        identity = Identity(live.secret)
        work = partial(
            score_bundle,
            bundle,
            model,
            asker,
            identity,
            at=live.now(),
            tests=self._parts.settings.takes_tests,
        )
        scored = await asyncio.to_thread(work)
        wanted = f"Encounter/{context.encounter}"
        for stay, word, row in zip(scored.stays, scored.words, scored.rows, strict=True):
            if stay.name == wanted:
                await keep_account(self._parts, [row])
                self._parts.metrics.told(
                    [word] if isinstance(word, Score) else [],
                    [word] if isinstance(word, RefusedSpell) else [],
                )
                return word
        return RefusedSpell(wanted, "out_of_scope", "no stay")
