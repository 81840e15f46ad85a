"""A SQLite file into the mode in which readers and a writer do not keep each other waiting."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_MOMENT: Final = 0.01  # seconds


def into_wal(connection: sqlite3.Connection, *, wait_seconds: float) -> None:
    """Have a file write its log ahead, as it may do already.

    While another connection is the first to open the file, or the last to close it, SQLite says at
    once that it is locked, whatever its timeout: so we wait ourselves.

    Raises
    ------
    sqlite3.OperationalError
        It is still locked after that long.
    """
    end = time.monotonic() + wait_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_MOMENT)
        else:
            return
