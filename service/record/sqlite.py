"""The record in a SQLite file: a commit is microseconds, so it needs no thread.

A row is committed before its answer is sent: the death of the process loses none. The write-ahead
log is forced to disk once a second, so a power cut may lose the last second.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from feature_store.errors import BadInput
from feature_store.live import StoreUnavailable
from feature_store.live.write_ahead import into_wal
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
    from collections.abc import Callable
    from pathlib import Path

FORCE_TO_DISK_SECONDS: Final = 1.0
PAGES_IN_LOG: Final = 16_000
"""Of 4 KiB, after which a commit has to copy them itself; usually ``run`` does, in a thread."""

_Waiting = tuple[Sequence[Kept], "asyncio.Future[None]"]
_OF_THE_DATABASE = (sqlite3.OperationalError, StoreUnavailable)
"""Failures that have nothing to do with the rows."""

_INSERT: Final = {table: insertion(table, "?") for table in (SCORES, DETAILS, FEEDBACK)}


class SqliteAudit:
    """Writes the record of one process.

    Parameters
    ----------
    path : Path
        Made with its folder where there is none.
    clock : callable
        Nanoseconds since 1970 in UTC.

    Raises
    ------
    BadInput
        The file cannot be opened as a database.
    """

    def __init__(self, path: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock
        self._end: End | None = None
        self._unforced = False
        self._waiting: list[_Waiting] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            prepare_patiently(f"sqlite:///{path}")
            self._engine = open_database(f"sqlite:///{path}")
            self._connection = self._connect()
        except (OSError, sqlite3.Error, StoreUnavailable) as error:
            msg = f"{path.name}: the record cannot be opened ({type(error).__name__})"
            raise BadInput(msg) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            timeout=WAIT_SECONDS,
            check_same_thread=False,  # the event loop at work, another thread at the close
        )
        into_wal(connection, wait_seconds=WAIT_SECONDS)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_IN_LOG}")
        return connection

    async def append(self, rows: Sequence[Kept]) -> None:
        """Keep rows for good, all or none.

        What is appended in one turn of the event loop shares a commit: the busier, the cheaper.

        Raises
        ------
        AuditUnavailable
            None was kept.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((rows, done))
        if len(self._waiting) == 1:
            loop.call_soon(self._keep)
        await done

    def _keep(self) -> None:
        """Commit what waits; if that fails, each by itself, for one may be at fault for all."""
        waiting, self._waiting = self._waiting, []
        try:
            self._commit([row for rows, _ in waiting for row in rows])
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits must be told
            self._keep_each(waiting, error)
            return
        for _, done in waiting:
            if not done.done():  # whoever waited may have gone
                done.set_result(None)

    def _keep_each(self, waiting: list[_Waiting], error: Exception) -> None:
        alone = not isinstance(error, _OF_THE_DATABASE) and len(waiting) > 1
        for rows, done in waiting:
            failed: Exception | None = error
            if alone:
                failed = self._failure_of(rows)
            if done.done():
                continue
            if failed is None:
                done.set_result(None)
            else:
                done.set_exception(AuditUnavailable(type(failed).__name__))

    def _failure_of(self, rows: Sequence[Kept]) -> Exception | None:
        try:
            self._commit(rows)
        except Exception as error:  # noqa: BLE001 - as above
            return error
        return None

    def _commit(self, rows: Sequence[Kept]) -> None:
        end, self._end = self._end, None  # after a failure a new chain begins, and names this one
        links = chained(rows, end or self._begin())
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for table, some in links.rows.items():
                self._connection.executemany(_INSERT[table], some)
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._end = links.end
        self._unforced = True

    def _begin(self) -> End:
        return open_chain(self._engine, now=self._clock() // 1000)

    async def run(self) -> None:
        """Force what was written to disk, every second in which there was something."""
        while True:
            await asyncio.sleep(FORCE_TO_DISK_SECONDS)
            if self._unforced:
                self._unforced = False
                await asyncio.to_thread(self._force)

    def _force(self) -> None:
        # A connection of its own: the checkpoint writes to disk while others append.
        with (
            contextlib.suppress(sqlite3.Error),  # the next append reports what is wrong
            contextlib.closing(self._connect()) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Let go of the file, everything written."""
        self._connection.close()
        self._engine.dispose()
