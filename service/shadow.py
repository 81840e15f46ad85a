"""A challenger in the shadow: it scores what the champion was asked, and nobody is told.

Its scores go on the record with the mode ``shadow``. It works in a thread of its own, from a queue
that is bounded in number and in bytes; what does not fit is dropped and counted. An answer never
waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from service.answering import Asker, ServedModel, answer_alone
from service.logs import LOGGER, whereabouts
from service.record import AuditRow, AuditUnavailable

if TYPE_CHECKING:
    from service.metrics import Metrics
    from service.record import Audit
    from service.supply import Shelf

MOST_WAITING: Final = 64
MOST_BYTES: Final = 16 * 1024 * 1024

Work = Callable[[ServedModel], Sequence[AuditRow]]

_log = logging.getLogger(LOGGER)


class Shadow:
    """What the challenger has still to score.

    Parameters
    ----------
    challenger : Shelf
        Empty: nothing is scored twice.
    champion : Shelf
    audit : Audit
    metrics : Metrics
    """

    def __init__(self, challenger: Shelf, champion: Shelf, audit: Audit, metrics: Metrics) -> None:
        self._challenger = challenger
        self._champion = champion
        self._audit = audit
        self._metrics = metrics
        self._waiting: asyncio.Queue[tuple[Work, int]] = asyncio.Queue(MOST_WAITING)
        self._bytes = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shadow")

    def offer(self, body: bytes, asker: Asker) -> None:
        """Take a request that was answered; never waits.

        Parameters
        ----------
        body : bytes
        asker : Asker
            Of the answer that was given.
        """
        if self._is_another():  # here too: what is put would cost every request
            self.put(partial(_answered, body, replace(asker, mode="shadow")), size=len(body))

    def put(self, work: Work, *, size: int = 0) -> None:
        """Take what makes rows for the record from the challenger; never waits.

        Parameters
        ----------
        work : callable
            Blocks; from the challenger to rows in the mode ``shadow``.
        size : int
            Bytes that it holds until it is done.
        """
        if not self._is_another():
            return
        if self._waiting.full() or self._bytes + size > MOST_BYTES:
            self._metrics.shadow_drops.inc()
            return
        self._bytes += size
        self._waiting.put_nowait((work, size))

    def _is_another(self) -> bool:
        challenger, champion = self._challenger.model, self._champion.model
        return challenger is not None and (
            champion is None or challenger.name.version != champion.name.version
        )

    async def run(self) -> None:
        """Score what waits, one request at a time, until cancelled."""
        try:
            while True:
                work, size = await self._waiting.get()
                self._bytes -= size
                await self._score(work)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _score(self, work: Work) -> None:
        model = self._challenger.model
        if model is None:
            return
        try:
            loop = asyncio.get_running_loop()
            rows = await loop.run_in_executor(self._thread, work, model)
            await self._audit.append(rows)
        except AuditUnavailable:
            self._metrics.shadow_drops.inc()
        except Exception as error:  # noqa: BLE001 - whatever a challenger does, answers go on
            self._metrics.shadow_failures.inc()
            _log.error("challenger failed", extra={"fields": whereabouts(error)})
        else:
            self._metrics.shadow_scores.inc(sum(row.score_id is not None for row in rows))


def _answered(body: bytes, asker: Asker, model: ServedModel) -> list[AuditRow]:
    return answer_alone(body, model, asker, reasons=0).audit
