"""Logs: one JSON object a line, on stderr.

The message of an exception may quote what was sent. So what failed is told by the exception's type
and the lines of code it passed through, never by its message.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

import msgspec

LOGGER: Final = "homeward"
_logger = logging.getLogger(LOGGER)
_encode = msgspec.json.Encoder().encode


class JsonLines(logging.Formatter):
    """A record as one line of JSON; ``extra={"fields": {...}}`` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= whereabouts(record.exc_info[1])
        return _encode(line).decode()


def whereabouts(error: BaseException) -> dict[str, Any]:
    """Kind of an error and the way it took, without its message.

    >>> try:
    ...     int("Smith")
    ... except ValueError as error:
    ...     whereabouts(error)["error"]
    'ValueError'
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames]
    return {"error": type(error).__name__, "at": places[-5:]}


def tell(level: int, event: str, fields: dict[str, Any]) -> None:
    """Log an event of every request: a record without the search for the line that made it."""
    if _logger.isEnabledFor(level):
        record = logging.LogRecord(LOGGER, level, __file__, 0, event, None, None)
        record.fields = fields
        _logger.handle(record)


def set_up_logs(level: str) -> None:
    """Send our log and uvicorn's to stderr as JSON lines; uvicorn's own access log stays off."""
    # What no line of ours tells need not be looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in (LOGGER, "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper())
    logging.getLogger("uvicorn.access").disabled = True
    # An address may hold a caller's text, and asyncio quotes what it was doing.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
