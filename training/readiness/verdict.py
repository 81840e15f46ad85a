"""From counts to a plain verdict, with what to mend first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """What a finding means for starting."""

    STOPS = "stops"
    LIMITS = "limits"
    NOTE = "note"


class Verdict(StrEnum):
    """Can this site start."""

    READY = "ready"
    WITH_LIMITS = "ready with limits"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to mend or to know.

    Parameters
    ----------
    weight : Weight
    text : str
        What was found, with figures.
    mend : str
        What to do about it.
    """

    weight: Weight
    text: str
    mend: str


def verdict_of(points: Sequence[Point]) -> Verdict:
    """The worst point decides.

    >>> verdict_of([Point(Weight.NOTE, "", "")]).value, verdict_of([]).value
    ('ready', 'ready')
    """
    weights = {point.weight for point in points}
    if Weight.STOPS in weights:
        return Verdict.NOT_YET
    return Verdict.WITH_LIMITS if Weight.LIMITS in weights else Verdict.READY


def in_order(points: Sequence[Point]) -> list[Point]:
    """What stops first, then what limits, then notes."""
    return sorted(points, key=lambda point: list(Weight).index(point.weight))
