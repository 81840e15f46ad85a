"""Why Homeward stops, as exceptions that a door can turn into an exit code or a status.

HomewardError
├── BadInput      exit 2, HTTP 422: what was given cannot be used; nothing was changed
│   ├── BadRows   the same, for rows of an extract, one line of evidence a kind
│   └── BadEvents the same, for a batch of events
└── Refused       exit 3: understood, and declined by a gate or by scope

Messages say what, where, expected, the *kind* of thing found and what to do. They never carry a
value from a record: a message may end in a log.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

NO_SPACE: Final = "no space left on the disk, or no more may be written to it"

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SQLITE_FULL: Final = frozenset({13, 778})
"""SQLITE_FULL, and SQLITE_IOERR_WRITE, which it says where a quota or limit is reached."""


class HomewardError(Exception):
    """Base of every error that Homeward raises on purpose."""

    exit_code = 1


class BadInput(HomewardError):
    """What was given cannot be used: bad usage, bad file, bad value."""

    exit_code = 2


class BadRows(BadInput):
    """Rows of a source cannot be used.

    Parameters
    ----------
    source : str
        File name, without its folder.
    faults : sequence of str
        One line a kind of fault: row number, column, expected, kind of thing found, how many.
    """

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__(f"{source}: " + "; ".join(self.faults))


class BadEvents(BadInput):
    """Events of a batch cannot be used.

    Parameters
    ----------
    faults : mapping of str to tuple of int
        What was expected, and the places in the batch, from 0, where something else was found.
    """

    shown = 5

    def __init__(self, faults: Mapping[str, tuple[int, ...]]) -> None:
        self.faults = dict(faults)
        told = (f"{what} ({self._places(places)})" for what, places in self.faults.items())
        super().__init__("events: " + "; ".join(told))

    def _places(self, places: tuple[int, ...]) -> str:
        more = f" and {len(places) - self.shown} more" if len(places) > self.shown else ""
        return "event " + ", ".join(map(str, places[: self.shown])) + more


class Refused(HomewardError):
    """A gate or the scope says no, with reasons; nothing was changed."""

    exit_code = 3

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


def is_full(error: BaseException) -> bool:
    """Whether an error comes of a disk that takes no more, whichever library noticed it.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> is_full(OSError(errno.EACCES, "Permission denied"))
    False
    """
    return any(
        (isinstance(one, OSError) and one.errno in _FULL)
        or getattr(one, "sqlite_errorcode", None) in _SQLITE_FULL
        for one in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what it was raised from, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
