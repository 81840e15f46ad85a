"""What goes over the wire: the request and the answer of ``POST /v1/scores``, and the others.

Strict: unknown fields are refused, numbers are numbers (a boolean, NaN or text is not), moments are
RFC 3339 text with an offset (an epoch integer or a local time is not). ``UNSET`` tells a field that
was not sent from one sent as null.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from models.forecast import Reason
from service.identifiers import OPAQUE
from service.problems import ProblemDocument
from service.record.feedback import Action, Override, Verdict

MOST_SPELLS: Final = 1000
MOST_EVENTS: Final = 20_000  # of one spell with its history: a month in intensive care fits twice
_LARGEST = 3e38  # numeric_value is a 32-bit float, as in MEDS

Identifier = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="Opaque; never an NHS number (text of that shape is refused).",
        extra_json_schema={"pattern": OPAQUE},
    ),
]
Moment = Annotated[
    datetime, Meta(tz=True, description="RFC 3339 with an offset, year 1900 to 2199.")
]
Code = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="FAMILY or FAMILY//value, as in the vocabulary.",
        extra_json_schema={"pattern": OPAQUE},
    ),
]
Number = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]


class Event(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One fact."""

    code: Code
    time: Annotated[
        Moment | None, Meta(description="When it happened; null for a fact without a time (sex).")
    ]
    recorded_at: Annotated[
        Moment | UnsetType | None,
        Meta(description="When a computer could first have known it; the time if absent."),
    ] = UNSET
    numeric_value: Number | UnsetType | None = UNSET
    spell_id: Annotated[
        Identifier | UnsetType | None,
        Meta(
            description="Spell it belongs to. Absent: at or after this spell's SPELL_START it "
            "belongs to this spell, before it to the patient's history."
        ),
    ] = UNSET


class Spell(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One spell with its events, in any order, and as much history as there is."""

    spell_id: Identifier
    subject_id: Identifier
    events: Annotated[list[Event], Meta(max_length=MOST_EVENTS)]


class ScoresRequest(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """The question: how long might these stays be, as known at one moment."""

    prediction_time: Moment
    spells: Annotated[list[Spell], Meta(min_length=1, max_length=MOST_SPELLS)]


class ModelName(Struct, frozen=True):
    """Which model answered."""

    name: str
    version: str | None
    alias: str | None


class DischargeDay(Struct, frozen=True):
    """Day of stay on which the patient leaves, in midnights; null beyond what can be told."""

    p10: int | None
    p50: int | None
    p90: int | None


class Score(Struct, frozen=True):
    """The answer about one spell."""

    score_id: str
    spell_id: str
    prediction_time: datetime
    days_so_far: Annotated[int, Meta(description="Midnights since admission.")]
    probability: Annotated[
        dict[str, float | None],
        Meta(description="P(length of stay >= days); never rising; null where not knowable."),
    ]
    band: Literal["high", "medium", "low"]
    discharge_day: DischargeDay
    probability_of_death_in_hospital: float | None
    reasons: list[Reason]
    base_value: float
    log_odds: Annotated[
        float, Meta(description="base_value plus the effects of all reasons (?reasons=all).")
    ]
    missing: list[str]
    completeness: Annotated[float, Meta(ge=0, le=1)]
    ignored_events: Annotated[
        int, Meta(description="Events that happened or were recorded after prediction_time.")
    ]
    probability_of_leaving: Annotated[
        dict[str, float | None] | UnsetType,
        Meta(
            description="Of a spell of the live store: chance that it ends before the 1st (24h), "
            "2nd (48h), 3rd (72h) and 5th (5d) midnight from now; null where not knowable."
        ),
    ] = UNSET


class RefusedSpell(Struct, frozen=True):
    """No number for this spell, and why."""

    spell_id: str
    reason: Annotated[
        str,
        Meta(
            description="out_of_scope, not_admitted, already_discharged, too_incomplete, bad_value,"
            " other_site"
        ),
    ]
    detail: str


class ScoresAnswer(Struct, frozen=True):
    """The answer: every spell of the request is either in scores or in refused, in order."""

    model: ModelName
    scores: list[Score]
    refused: list[RefusedSpell]


class Feedback(Struct, forbid_unknown_fields=True, frozen=True):
    """What is said of a score."""

    verdict: Verdict
    reason: Annotated[
        Override | None, Meta(description="Why it was overridden; needed then, and only then.")
    ] = None
    action: Annotated[Action | None, Meta(description="What was done about it.")] = None
    expected_discharge_at: Annotated[
        Moment | None,
        Meta(description="When the clinicians themselves expect the patient to leave."),
    ] = None


class FeedbackAnswer(Struct, frozen=True):
    """Feedback as it is kept."""

    feedback_id: str
    score_id: str
    given_at: datetime
    verdict: str
    reason: str | None
    action: str | None
    expected_discharge_at: datetime | None


class ModelAnswer(Struct, frozen=True):
    """The model that is being served."""

    name: str
    version: str | None
    alias: str | None
    intended_purpose: str
    trained_on: dict[str, Any]
    card: dict[str, Any]
    feature_set_hash: str
    features: list[dict[str, Any]]


class Check(Struct, frozen=True):
    """One thing that readiness depends on, or that an operator should know."""

    name: str
    state: Literal["ok", "degraded", "failing"]
    detail: str


class Readiness(Struct, frozen=True):
    """The service can answer; degraded: it can, and an operator should look."""

    status: Literal["ready", "degraded"]
    checks: list[Check]
    model: ModelName


class NotReady(ProblemDocument, frozen=True, kw_only=True):
    """The service cannot answer yet, and what it waits for."""

    checks: list[Check]


class Liveness(Struct, frozen=True):
    """The process runs."""

    status: Literal["live"] = "live"


encode: Final = msgspec.json.Encoder().encode
