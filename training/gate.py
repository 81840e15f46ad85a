"""A gate of promotion: what it is called, what it says, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

INTERCEPT: Final = (-0.2, 0.2)
"""Bounds of calibration in the large: there a stated 50 % is off by 5 points."""


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105 - not a password
    CAUTION = "caution"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Gate:
    """One line of the table.

    Parameters
    ----------
    name : str
    verdict : Verdict
    reason : str
    """

    name: str
    verdict: Verdict
    reason: str
