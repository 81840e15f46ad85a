"""What goes over the wire of the live store: events in, the worklist out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from service.wire import Code, Identifier, ModelName, Moment, Number, Score

MOST_EVENTS: Final = 10_000


class LiveEvent(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One fact about a patient, for the live store."""

    subject_id: Identifier
    spell_id: Annotated[
        Identifier | None, Meta(description="null for a fact of no spell (sex, a home visit).")
    ]
    code: Code
    time: Annotated[
        Moment | None, Meta(description="When it happened; null for a fact without a time (sex).")
    ]
    recorded_at: Annotated[
        Moment | UnsetType | None,
        Meta(description="When a computer could first have known it; the time if absent."),
    ] = UNSET
    numeric_value: Number | UnsetType | None = UNSET


class EventsRequest(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """Facts to keep, or to take back: all of them or none."""

    events: Annotated[list[LiveEvent], Meta(min_length=1, max_length=MOST_EVENTS)]


class EventsAnswer(Struct, frozen=True):
    """What became of a batch of events."""

    added: Annotated[int, Meta(description="Events that were new.")]
    known: Annotated[int, Meta(description="Events that the store, or the batch, held already.")]


class RetractedAnswer(Struct, frozen=True):
    """What became of a batch of retractions."""

    retracted: Annotated[int, Meta(description="Events that held until now and do no longer.")]


# ---- the worklist --------------------------------------------------------------------------------


class DataState(Struct, frozen=True):
    """How fresh the data are that a worklist stands on."""

    newest_recorded_at: Annotated[
        datetime | None, Meta(description="Of the inpatients shown; null without one.")
    ]
    age_seconds: float | None
    stale: Annotated[
        bool, Meta(description="Whether a site shown is silent for too long to be scored.")
    ]


class Said(Struct, frozen=True):
    """What was last said of a score of this spell."""

    verdict: str
    reason: str | None
    action: str | None
    expected_discharge_at: datetime | None
    given_at: datetime


class WorklistEntry(Struct, frozen=True, kw_only=True):
    """One inpatient, ranked."""

    rank: Annotated[int, Meta(ge=1, description="Within the site and the section.")]
    within_capacity: Annotated[
        bool, Meta(description="Whether the hub can take the patient on today; true once ready.")
    ]
    section: Literal["stay_risk", "awaiting_discharge"]
    spell_id: str
    site: str | None
    ward: str | None
    bed: str | None
    specialty: str | None
    admitted_at: datetime
    change: Annotated[
        Literal["new", "rising", "steady", "falling"] | None,
        Meta(description="Since 06:00 yesterday; null where either score is missing."),
    ]
    probability_yesterday: dict[str, float | None] | None
    days_since_ready: Annotated[
        int | None, Meta(description="Midnights since the criteria to reside were lost.")
    ]
    expected_discharge_at: Annotated[
        datetime | None, Meta(description="The clinicians' own; noon stands for the day.")
    ]
    feedback: Said | None = None
    score: Score


class RefusedInpatient(Struct, frozen=True):
    """An inpatient without a score, and why."""

    spell_id: str
    site: str | None
    ward: str | None
    reason: Annotated[
        str, Meta(description="out_of_scope, stale, too_incomplete, other_site or bad_value.")
    ]
    detail: str


class WorklistAnswer(Struct, frozen=True):
    """Today's inpatients, ranked: each is either in entries or in refused."""

    at: Annotated[datetime, Meta(description="Moment of the scores; what was known then counts.")]
    model: ModelName
    site: str | None
    ward: str | None
    capacity: Annotated[int, Meta(description="Patients a hub can take on in a day, by site.")]
    inpatients: Annotated[int, Meta(description="Of the site and ward asked for, also refused.")]
    data: DataState
    entries: list[WorklistEntry]
    refused: list[RefusedInpatient]


EXAMPLE_EVENTS: Final[dict[str, Any]] = {
    "events": [
        {
            "subject_id": "RXX|1234567",
            "spell_id": "RXX|V456",
            "code": "SPELL_START",
            "time": "2026-01-12T21:40:00Z",
        },
        {
            "subject_id": "RXX|1234567",
            "spell_id": "RXX|V456",
            "code": "NEWS2",
            "time": "2026-01-14T05:10:00Z",
            "recorded_at": "2026-01-14T05:20:00Z",
            "numeric_value": 6,
        },
        {"subject_id": "RXX|1234567", "spell_id": None, "code": "SEX//2", "time": None},
    ]
}
