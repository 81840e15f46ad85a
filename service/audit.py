"""Every score on the record: append-only, written before the answer leaves.

What is kept of a score: who asked, when, about which spell (a pseudonym), by which model, from
which inputs (a keyed hash), what was said, how long it took. No clinical value and no identifier.

How safe a row is. It is committed before its answer is sent: the death of the process loses none.
SQLite's write-ahead log is forced to disk once a second, so a power cut may lose the last second.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol

from feature_store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORCE_TO_DISK_SECONDS: Final = 1.0
WAIT_FOR_OTHERS_SECONDS: Final = 2.0
"""Other workers write to the same file, each for microseconds; longer means that it is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One score or refusal.

    Parameters
    ----------
    score_id : str or None
        None for a refusal.
    answered_at : int
        Microseconds since 1970 in UTC.
    caller, request_id : str
    spell : int
        Pseudonym, the ``spell_id`` of the live store.
    prediction_time : str
        RFC 3339.
    model : str
    model_version : str or None
    feature_set_hash, inputs_hash : str
        The second is keyed, over the spell as it was sent.
    probability : str or None
        JSON, horizon to chance.
    refused : str or None
        Reason of a refusal.
    latency_us : int
        Of the whole request, microseconds.
    """

    score_id: str | None
    answered_at: int
    caller: str
    request_id: str
    spell: int
    prediction_time: str
    model: str
    model_version: str | None
    feature_set_hash: str
    inputs_hash: str
    probability: str | None
    refused: str | None
    latency_us: int


class AuditUnavailable(Exception):
    """The audit cannot be written now."""


class Audit(Protocol):
    """Where accounts of answers go."""

    async def append(self, rows: Sequence[AuditRow]) -> None:
        """Keep rows for good, all or none.

        Raises
        ------
        AuditUnavailable
            None was kept.
        """

    async def run(self) -> None:
        """Look after what was appended until cancelled."""

    def close(self) -> None:
        """Let go of it, everything kept."""


_COLUMNS: Final = tuple(column.name for column in fields(AuditRow))
_cells: Final = attrgetter(*_COLUMNS)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS score_audit (
  entry INTEGER PRIMARY KEY,
  score_id TEXT UNIQUE,
  answered_at INTEGER NOT NULL,
  caller TEXT NOT NULL,
  request_id TEXT NOT NULL,
  spell INTEGER NOT NULL,
  prediction_time TEXT NOT NULL,
  model TEXT NOT NULL,
  model_version TEXT,
  feature_set_hash TEXT NOT NULL,
  inputs_hash TEXT NOT NULL,
  probability TEXT,
  refused TEXT,
  latency_us INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS score_audit_unaltered BEFORE UPDATE ON score_audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER IF NOT EXISTS score_audit_undeleted BEFORE DELETE ON score_audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
"""
_INSERT: Final = "INSERT INTO score_audit ({}) VALUES ({})".format(  # noqa: S608 - names of our own
    ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
)


class SqliteAudit:
    """The audit in a table of a SQLite file.

    Parameters
    ----------
    path : Path
        Made with its folder where there is none.

    Raises
    ------
    BadInput
        The file cannot be opened as a database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._connect()
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            msg = f"{path.name}: the audit cannot be opened ({type(error).__name__})"
            raise BadInput(msg) from error
        self._unforced = False

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            timeout=WAIT_FOR_OTHERS_SECONDS,
            check_same_thread=False,  # the event loop at work, another thread at the close
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    async def append(self, rows: Sequence[AuditRow]) -> None:
        """Keep rows for good, all or none.

        It does not wait for the disk (some 20 microseconds a row), so it needs no thread.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_INSERT, map(_cells, rows))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise AuditUnavailable(type(error).__name__) from error
        self._unforced = True

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
