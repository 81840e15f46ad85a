"""The record in a SQLite file: a commit is microseconds, so it needs no thread.

A row is committed before its answer is sent: the death of the process loses none. The write-ahead
log is forced to disk once a second, so a power cut may lose the last second.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from feature_store.errors import BadInput
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
    prepare,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FORCE_TO_DISK_SECONDS: Final = 1.0
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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = open_database(f"sqlite:///{path}")
            prepare(self._engine)
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
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    async def append(self, rows: Sequence[Kept]) -> None:
        """Keep rows for good, all or none.

        Raises
        ------
        AuditUnavailable
            None was kept. The next rows begin a new chain, which names the end of this one.
        """
        end, self._end = self._end, None
        try:
            links = chained(rows, end or self._begin())
            self._connection.execute("BEGIN IMMEDIATE")
            for table, some in links.rows.items():
                self._connection.executemany(_INSERT[table], some)
            self._connection.execute("COMMIT")
        except (sqlite3.Error, StoreUnavailable) as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise AuditUnavailable(type(error).__name__) from error
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
