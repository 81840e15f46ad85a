"""Every score on the record: append-only, chained by hashes, written before its answer leaves.

Read in this order: ``account`` (what is kept), ``schema`` (the tables), ``chain`` (what a hash is
made of), ``writing`` with ``sqlite`` and ``postgres`` (how rows get there).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from service.record.account import About, Answer, AuditRow, Mode, account
from service.record.feedback import FeedbackRow
from service.record.reading import Record
from service.record.search import Search
from service.record.sqlite import SqliteAudit
from service.record.writing import Audit, AuditUnavailable

__all__ = [
    "About",
    "Answer",
    "Audit",
    "AuditRow",
    "AuditUnavailable",
    "FeedbackRow",
    "Mode",
    "Record",
    "Search",
    "SqliteAudit",
    "account",
    "open_audit",
]

_SQLITE: Final = "sqlite:///"


def open_audit(url: str) -> Audit:
    """Open the record of a database for writing.

    Parameters
    ----------
    url : str
        ``sqlite:///PATH`` or ``postgresql://...``.

    Raises
    ------
    BadInput
        Another kind of address, not a database, or one of a newer Homeward.
    """
    if url.startswith(_SQLITE):
        return SqliteAudit(Path(url.removeprefix(_SQLITE)))
    from service.record.postgres import PostgresAudit  # noqa: PLC0415 - most records are SQLite

    return PostgresAudit(url)
