"""The floor: a FastAPI endpoint that validates the same body with pydantic and returns a constant.

What a team would have after an hour, before any model: whatever the service does beyond it has to
be paid for by reading and answering faster. The constant is an answer that the service really gave,
validated on its way out, as FastAPI does when an endpoint declares what it returns.

Served by ``uvicorn benchmarks.floor:app`` with the answer in the file that ``FLOOR_ANSWER`` names.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Unknown fields are refused, as the service refuses them."""

    model_config = ConfigDict(extra="forbid")


class Event(Strict):
    """One fact."""

    code: str = Field(min_length=1, max_length=128)
    time: AwareDatetime | None
    recorded_at: AwareDatetime | None = None
    numeric_value: float | None = None
    spell_id: str | None = Field(default=None, min_length=1, max_length=64)


class Spell(Strict):
    """One spell with its events."""

    spell_id: str = Field(min_length=1, max_length=64)
    subject_id: str = Field(min_length=1, max_length=64)
    events: list[Event]


class ScoresRequest(Strict):
    """The question."""

    prediction_time: AwareDatetime
    spells: list[Spell] = Field(min_length=1, max_length=1000)


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str | None
    alias: str | None


class DischargeDay(BaseModel):
    """Day of stay on which the patient leaves."""

    p10: int | None
    p50: int | None
    p90: int | None


class Reason(BaseModel):
    """One contribution."""

    feature: str
    label: str
    value: str
    effect: float
    direction: str
    kind: str
    actionable: bool
    action: str | None


class Score(BaseModel):
    """The answer about one spell."""

    score_id: str
    spell_id: str
    prediction_time: AwareDatetime
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


class RefusedSpell(BaseModel):
    """No number, and why."""

    spell_id: str
    reason: str
    detail: str


class ScoresAnswer(BaseModel):
    """The answer."""

    model: ModelName
    scores: list[Score]
    refused: list[RefusedSpell]


app = FastAPI()
CONSTANT = ScoresAnswer.model_validate_json(Path(os.environ["FLOOR_ANSWER"]).read_bytes())


@app.post("/v1/scores")
async def scores(request: ScoresRequest) -> ScoresAnswer:  # noqa: ARG001 - validated, not used
    """Return the constant."""
    return CONSTANT
