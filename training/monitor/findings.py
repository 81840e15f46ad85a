"""What was found, in words, and how bad it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad; in order."""

    OK = "ok"
    UNKNOWN = "unknown"
    WATCH = "watch"
    BREACH = "breach"


_ORDER = tuple(State)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    about : str
        ``calibration``, ``discrimination``, ``coverage``, ``drift``, ``feed``, ``untreated``.
    state : State
    text : str
        One sentence with its figures.
    """

    about: str
    state: State
    text: str


def worst(findings: Iterable[Finding]) -> State:
    """State of the whole: that of its worst part.

    >>> worst([Finding("feed", State.OK, ""), Finding("drift", State.WATCH, "")]).value
    'watch'
    """
    return max((one.state for one in findings), key=_ORDER.index, default=State.UNKNOWN)
