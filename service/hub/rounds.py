"""Rounds of the worklist: a board is answered until its time is over; one worker makes the next.

While another worker is at it, the board that there is goes on being answered. A worker that claimed
the next one and did not come back is waited for by the waiter's own watch, then relieved.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from feature_store.clock import SECOND
from feature_store.live.changes import last_change
from feature_store.live.database import reading
from service.answering import ServedModel
from service.hub import noticeboard
from service.hub.board import Board
from service.hub.live import Live
from service.hub.noticeboard import Notice, Posting, Seal
from service.hub.scoring import identity_of
from service.hub.yesterday import Morning
from service.problems import Problem

LONGEST_SECONDS: Final = 900
"""A board is made again after so long though no event came: stays grow longer by themselves."""

AHEAD_SECONDS: Final = 60
"""By how much the clock of the worker that made a board may be ahead."""

PATIENCE_SECONDS: Final = 10.0
"""After so long whoever claimed a board is taken for dead; a large one takes a second."""

LOOK_SECONDS: Final = 0.05

Make = Callable[[Morning], Awaitable[tuple[Board, Morning]]]


class Rounds:
    """The board as one worker sees it.

    Parameters
    ----------
    live : Live
    seal : Seal
    seconds : int
        How long a board is answered though the store has changed.
    """

    def __init__(self, live: Live, seal: Seal, *, seconds: int) -> None:
        self._live = live
        self._seal = seal
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._prepared = False
        self._posted = 0
        self._model: ServedModel | None = None
        self._claim = (0, 0.0)
        self._morning = Morning()
        self.latest: Board | None = None

    async def board(self, model: ServedModel, now: int, make: Make) -> Board:
        """The board to be answered now.

        Parameters
        ----------
        model : ServedModel
            That this worker serves.
        now : int
            UTC microseconds.
        make : callable
            Makes a board and puts it on the record, from what is known of the morning before.

        Raises
        ------
        Problem
            503.
        """
        async with self._lock:
            while True:
                notice, change = await self._live.run(self._look)
                board = self.latest
                if board is not None and self._is_good(board, model, now, change):
                    return board
                if self._is_free(notice):
                    await self._next(notice, model, make)
                elif board is not None and _age(board, now) < LONGEST_SECONDS * SECOND:
                    return board
                else:
                    await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> tuple[Notice, int]:
        """Take over what was posted since; blocks."""
        engine = self._live.store.engine
        if not self._prepared:
            noticeboard.prepare(engine)
            self._prepared = True
        with reading(engine) as connection:
            notice, change = noticeboard.read_notice(connection), last_change(connection)
            fresh = notice.posted != self._posted
            sealed = noticeboard.read_sealed(connection) if fresh else b""
        if fresh:
            posting = self._seal.open(sealed, notice.posted)
            if posting is not None:
                self.latest, self._morning = posting.board, posting.morning
            self._posted = notice.posted
        return notice, change

    def _is_good(self, board: Board, model: ServedModel, now: int, change: int) -> bool:
        """Whether it can be answered once more.

        A board by another model is only outdated if it was this worker that changed its model:
        whoever has not yet seen a new champion must not undo the board of one who has.
        """
        if board.made_by == identity_of(model):
            self._model = model
        elif model is not self._model:
            return False
        age = _age(board, now)
        if age >= LONGEST_SECONDS * SECOND:
            return False
        return age < self._seconds * SECOND or change == board.change

    def _is_free(self, notice: Notice) -> bool:
        """Whether nobody is at the next board, or has been for too long."""
        if notice.claimed == notice.posted:
            return True
        if self._claim[0] != notice.claimed:
            self._claim = notice.claimed, time.monotonic()
        return time.monotonic() - self._claim[1] > PATIENCE_SECONDS

    async def _next(self, notice: Notice, model: ServedModel, make: Make) -> None:
        """Make the next board, if it falls to this worker."""
        engine = self._live.store.engine
        number = await self._live.run(partial(noticeboard.claim, engine, notice))
        if number is None:
            return
        try:
            board, morning = await make(self._morning)
            sealed = await asyncio.to_thread(self._seal.close, Posting(board, morning), number)
            posted = await self._live.run(partial(noticeboard.post, engine, number, sealed))
        except Exception:
            with contextlib.suppress(Problem):  # others will lose patience
                await self._live.run(partial(noticeboard.give_up, engine, number))
            raise
        if posted:
            self.latest, self._morning = board, morning
            self._posted, self._model = number, model


def _age(board: Board, now: int) -> int:
    """Microseconds; of a board from far ahead, whose clock or ours was wrong, longer than any."""
    age = now - board.at
    return age if age >= -AHEAD_SECONDS * SECOND else LONGEST_SECONDS * SECOND
