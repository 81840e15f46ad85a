"""What is sent and what comes back; the service's own words, in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct


class Event(Struct, frozen=True, omit_defaults=True):
    """One fact; ``time`` None for one without a time (sex)."""

    code: str
    time: datetime | None
    numeric_value: float | None = None
    recorded_at: datetime | None = None
    spell_id: str | None = None


class Spell(Struct, frozen=True):
    """One spell with its events, in any order, and as much history as there is."""

    spell_id: str
    subject_id: str
    events: Sequence[Event]


class Model(Struct, frozen=True):
    """Which model answered."""

    name: str
    version: str | None
    alias: str | None


class DischargeDay(Struct, frozen=True):
    """Day of stay on which the patient leaves; None beyond what can be told."""

    p10: int | None
    p50: int | None
    p90: int | None


class Reason(Struct, frozen=True):
    """One contribution to the score: an association, not a cause."""

    feature: str
    label: str
    value: str
    effect: float
    direction: str
    kind: str
    actionable: bool
    action: str | None


class Score(Struct, frozen=True):
    """The answer about one spell; ``probability`` by days, as in ``probability["7"]``."""

    score_id: str
    spell_id: str
    prediction_time: datetime
    days_so_far: int
    probability: dict[str, float | None]
    band: str
    discharge_day: DischargeDay
    probability_of_death_in_hospital: float | None
    reasons: list[Reason]
    base_value: float
    log_odds: float
    missing: list[str]
    completeness: float
    ignored_events: int
    probability_of_leaving: dict[str, float | None] | None = None  # of spells of the live store


class Refused(Struct, frozen=True):
    """No number for this spell, and why."""

    spell_id: str
    reason: str
    detail: str


class Scores(Struct, frozen=True):
    """Every spell that was asked about is in ``scores`` or in ``refused``."""

    model: Model
    scores: list[Score]
    refused: list[Refused]


class Kept(Struct, frozen=True):
    """Feedback as the service keeps it."""

    feedback_id: str
    score_id: str
    given_at: datetime


class Fault(Struct, frozen=True):
    """One thing wrong with a request: where, and what was expected."""

    pointer: str
    detail: str


class Document(Struct, frozen=True):
    """Body of an answer that is a problem (RFC 9457)."""

    status: int
    title: str
    detail: str = ""
    request_id: str = ""
    errors: tuple[Fault, ...] = ()


class Problem(Exception):
    """The service answered, and not with what was asked for: ``status``, ``errors`` and so on."""

    def __init__(self, told: Document) -> None:
        self.status, self.title, self.detail = told.status, told.title, told.detail
        self.request_id, self.errors = told.request_id, told.errors
        super().__init__(f"{told.status} {told.title} (request {told.request_id})")


class Unreachable(Exception):
    """Nobody answered, however often it was tried."""
