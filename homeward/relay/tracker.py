"""A notice, and the seam of whoever takes notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What there is to tell."""

    HIGH = "risk.high"
    """A spell's score is high, for the first time in the stay."""
    RISING = "risk.rising"
    """Its chance of a long stay rose notably since yesterday morning; once a day at most."""
    WITHDRAWN = "risk.withdrawn"
    """A spell that was told of was never one: cancelled, or entered in error."""
    READY = "worklist.ready"
    """A worklist can be fetched; once an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell: who is meant and where to ask, never what is known of the patient.

    Parameters
    ----------
    notice_id : str
        The same at every attempt, and whoever noticed it: a receiver that knows it has it already.
    kind : Kind
    at : datetime
        Moment of the scores that it follows from, UTC.
    spell_id, score_id : str or None
        As in the worklist; None where no spell is meant.
    site : str or None
        To choose receivers by; not sent.
    """

    notice_id: str
    kind: Kind
    at: datetime
    spell_id: str | None = None
    score_id: str | None = None
    site: str | None = None


class Outcome(StrEnum):
    """What became of telling."""

    TAKEN = "taken"
    AGAIN = "again"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tracker said.

    Parameters
    ----------
    outcome : Outcome
        ``AGAIN`` is tried again later, ``REFUSED`` is not.
    why : str
        For an operator; never what a receiver wrote, which may quote a patient.
    after_seconds : float
        How long the receiver wants to be left alone.
    """

    outcome: Outcome
    why: str = ""
    after_seconds: float = 0.0


class Tracker(Protocol):
    """Somewhere that people look: it is told, and says whether it took what it was told."""

    @property
    def name(self) -> str:
        """Of this one among all: deliveries are kept by it."""

    def wants(self, notice: Notice) -> bool:
        """Whether it is to be told of this."""

    def tell(self, notice: Notice) -> Reply:
        """Tell it; may block. The same notice may come again, after a crash at the wrong moment."""
