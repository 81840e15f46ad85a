"""Why Homeward stops, as exceptions that a door can turn into an exit code or a status.

HomewardError
├── BadInput      exit 2, HTTP 422: what was given cannot be used; nothing was changed
│   └── BadRows   the same, for rows of an extract, one line of evidence a kind
└── Refused       exit 3: understood, and declined by a gate or by scope

Messages say what, where, expected, the *kind* of thing found and what to do. They never carry a
value from a record: a message may end in a log.
"""

from collections.abc import Sequence


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


class Refused(HomewardError):
    """A gate or the scope says no, with reasons; nothing was changed."""

    exit_code = 3

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))
