"""Answers for the worklist and for one spell, each put on the record before it is shown."""

from __future__ import annotations

from functools import partial
from typing import Final

from feature_store.clock import SECOND
from service.access import Caller
from service.answering import Asker, ServedModel
from service.hub.board import Board, make_board, shadow_rows
from service.hub.intake import Feeding
from service.hub.live import Live
from service.hub.noticeboard import Seal
from service.hub.queries import Wanted
from service.hub.rounds import Rounds
from service.hub.scoring import Asking, Limits, Scored
from service.hub.spell import AboutSpell, score_spell
from service.hub.worklist import Moment, answer, shown, with_feedback
from service.hub.yesterday import Morning
from service.parts import Parts
from service.scores import keep_account, model_of
from service.wire_live import WorklistAnswer, WorklistEntry

WORKLIST: Final = "/v1/worklist"
SHADOW_SECONDS: Final = 3600
SPELL_SCORE: Final = "/v1/spells/{spell_id}/score"


class Desk:
    """What the routes ask.

    Parameters
    ----------
    parts : Parts
    live : Live
    """

    def __init__(self, parts: Parts, live: Live) -> None:
        self._parts = parts
        self.live = live
        self._shadowed_at = 0
        settings = parts.settings
        seal = Seal(parts.pseudonyms.key_for("worklist"))
        self._rounds = Rounds(live, seal, seconds=settings.worklist_seconds)
        self.feeding = Feeding(settings)
        self._limits = Limits(
            stale_hours=settings.stale_hours, least_completeness=settings.least_completeness
        )

    # ---- the worklist ----------------------------------------------------------------------------

    async def worklist(
        self, wanted: Wanted, caller: Caller, request_id: str, *, now: int
    ) -> WorklistAnswer:
        """Answer a question for the worklist."""
        asking = self._asking(wanted, Caller(caller.name, caller.scopes), request_id, WORKLIST)
        board = await self._board_for(asking, wanted.at, now)
        entries = await self._with_feedback(board, shown(board.entries, wanted, caller))
        settings = self._parts.settings
        moment = Moment(
            now=board.at if wanted.at is not None else now,
            capacity=settings.hub_capacity,
            stale_hours=settings.stale_hours,
        )
        told = answer(board, entries, wanted, caller, moment)
        self._parts.metrics.worklist_shown(told)
        return told

    async def _board_for(self, asking: Asking, at: int | None, now: int) -> Board:
        if at is not None:  # the past is read anew each time, as it was known then
            board, _ = await self._made(asking, Morning(), at=at)
            return board
        make = partial(self._made_and_shadowed, asking, at=now)
        return await self._rounds.board(asking.model, now, make)

    async def _made_and_shadowed(
        self, asking: Asking, morning: Morning, *, at: int
    ) -> tuple[Board, Morning]:
        """Let a challenger score the same patients, once an hour: enough to compare the two."""
        made = await self._made(asking, morning, at=at)
        if at - self._shadowed_at >= SHADOW_SECONDS * SECOND:
            self._shadowed_at = at
            self._parts.shadow.put(partial(shadow_rows, self.live, asking, at))
        return made

    async def _made(self, asking: Asking, morning: Morning, *, at: int) -> tuple[Board, Morning]:
        capacity = self._parts.settings.hub_capacity
        make = partial(make_board, self.live, asking, morning, at=at, capacity=capacity)
        with self._parts.metrics.board_seconds.time():
            board, morning, rows = await self.live.run(make)
        await keep_account(self._parts, rows)
        self._parts.metrics.board_made(board.entries, board.refused)
        return board, morning

    async def _with_feedback(
        self, board: Board, entries: list[WorklistEntry]
    ) -> list[WorklistEntry]:
        spells = [board.spells[one.spell_id] for one in entries]
        read = partial(self._parts.record.feedback_of_spells, spells, since=0)
        feedback = await self.live.run(read)
        by_then = {spell: row for spell, row in feedback.items() if row.given_at <= self.live.now()}
        return with_feedback(entries, board, by_then)

    # ---- one spell -------------------------------------------------------------------------------

    async def spell(
        self, name: str, wanted: Wanted, caller: Caller, request_id: str, *, now: int
    ) -> tuple[ServedModel, Scored]:
        """Answer a question about one spell."""
        asking = self._asking(wanted, caller, request_id, SPELL_SCORE)
        board = self._rounds.latest
        about = AboutSpell(
            name=name,
            spell=self._parts.pseudonyms.spell(name),
            at=now if wanted.at is None else wanted.at,
            newest=None if board is None or wanted.at is not None else board.newest,
        )
        scored = await self.live.run(partial(score_spell, self.live, asking, about))
        await keep_account(self._parts, scored.rows)
        self._parts.metrics.told(scored.scores, scored.refused)
        return asking.model, scored

    def _asking(self, wanted: Wanted, caller: Caller, request_id: str, route: str) -> Asking:
        asker = Asker(
            caller=caller.name,
            request_id=request_id,
            route=route,
            pseudonyms=self._parts.pseudonyms,
            sites=caller.sites,
        )
        return Asking(
            model=model_of(self._parts), asker=asker, limits=self._limits, reasons=wanted.reasons
        )
