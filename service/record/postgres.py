"""The record in PostgreSQL: one thread commits what concurrent requests append, many at a time.

While a commit is under way the next rows gather, so the busier it is the more rows share a commit.
A database that is slow or gone fails the appends that wait, at once or within ``WAIT_SECONDS``;
the first that finds it back goes on. A commit of which nobody knows whether it happened began rows
that no answer relied on; they stay, and the thread goes on in a new chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

from feature_store.live import StoreUnavailable
from service.record.schema import DETAILS, FEEDBACK, SCORES
from service.record.writing import (
    WAIT_SECONDS,
    AuditUnavailable,
    End,
    Kept,
    chained,
    insertion,
    open_chain,
    open_database,
    prepare_patiently,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_WAITING: Final = 1000
"""Appends; more can only mean that the database stands still."""

MOST_TOGETHER: Final = 2000
"""Rows a commit, after which the rest waits for the next."""

QUIET_SECONDS: Final = 0.25
"""After a failure the database is left alone for so long; appends fail at once meanwhile."""

_INSERT: Final = {table: insertion(table, "%s") for table in (SCORES, DETAILS, FEEDBACK)}
_OF_THE_ROWS = (psycopg.IntegrityError, psycopg.DataError)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """Rows, and who waits for them."""

    rows: Sequence[Kept]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]

    def tell(self, error: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits any more
            self.loop.call_soon_threadsafe(self._resolve, error)

    def _resolve(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(AuditUnavailable(type(error).__name__))


class PostgresAudit:
    """Writes the record of one process.

    Parameters
    ----------
    url : str
        ``postgresql://...``. A database that is not there yet is waited for.
    clock : callable
        Nanoseconds since 1970 in UTC.

    Raises
    ------
    BadInput
        The address cannot be used, or a newer Homeward wrote the record.
    """

    def __init__(self, url: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._url = url
        self._engine = open_database(url)
        self._clock = clock
        self._prepared = False
        self._connection: psycopg.Connection[Any] | None = None
        self._end: End | None = None
        self._quiet_until = 0.0
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        with contextlib.suppress(StoreUnavailable):  # the thread tries again
            self._prepare()
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()

    async def append(self, rows: Sequence[Kept]) -> None:
        """Keep rows for good, all or none.

        Raises
        ------
        AuditUnavailable
            Nobody knows that they were kept.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(rows, loop, loop.create_future())
        try:
            self._waiting.put_nowait(one)
            async with asyncio.timeout(WAIT_SECONDS):
                await one.done
        except (queue.Full, TimeoutError) as error:
            raise AuditUnavailable(type(error).__name__) from error

    async def run(self) -> None:
        """Nothing to look after: the server forces each commit to disk."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Let go of the database, everything appended written."""
        self._waiting.put(None)
        self._thread.join(2 * WAIT_SECONDS)
        self._engine.dispose()

    # ---- in the thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        going = True
        while going:
            group, going = self._gather()
            group = [one for one in group if not one.done.done()]  # who gave up is not answered
            if group:
                self._keep(group)
        self._let_go()

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """Everybody who waits now, at least one; and whether to go on."""
        group: list[_Waiting] = []
        size, one = 0, self._waiting.get()
        while one is not None:
            group.append(one)
            size += len(one.rows)
            if size >= MOST_TOGETHER:
                return group, True
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _keep(self, group: list[_Waiting]) -> None:
        error: Exception | None = None
        try:
            self._commit([row for one in group for row in one.rows])
        except _OF_THE_ROWS as found:
            self._let_go()
            if len(group) > 1:  # one of them is at fault: the others need not suffer
                for one in group:
                    self._keep([one])
                return
            error = found
        except Exception as found:  # noqa: BLE001 - whatever it is, who waits must be told
            self._let_go()
            if not isinstance(found, StoreUnavailable) or time.monotonic() >= self._quiet_until:
                self._quiet_until = time.monotonic() + QUIET_SECONDS
            error = found
        for one in group:
            one.tell(error)

    def _commit(self, rows: Sequence[Kept]) -> None:
        if time.monotonic() < self._quiet_until:
            raise StoreUnavailable("the database did not answer a moment ago")
        connection = self._connected()
        end = self._end or open_chain(self._engine, now=self._clock() // 1000)
        self._end = None
        links = chained(rows, end)
        with connection.transaction(), connection.pipeline(), connection.cursor() as cursor:
            for table, some in links.rows.items():
                cursor.executemany(_INSERT[table], some)
        self._end = links.end

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._prepare()
            pooled = self._engine.raw_connection()
            connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
            pooled.detach()
            connection.autocommit = True
            self._connection = connection
        return self._connection

    def _prepare(self) -> None:
        if not self._prepared:
            prepare_patiently(self._url)
            self._prepared = True

    def _let_go(self) -> None:
        self._end = None
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()
        self._engine.dispose()
