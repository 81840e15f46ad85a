"""The answer: what Homeward says about one spell at one moment. Plain, frozen, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct


class Direction(StrEnum):
    """Which way a reason moves the stay."""

    LONGER = "longer"
    SHORTER = "shorter"


class Band(StrEnum):
    """Risk in a word, from the chance of passing the next horizon."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """One contribution to the model's log-odds: an association, not a cause."""

    # As it goes over the wire: an answer holds many, and the OpenAPI document says this of them.
    feature: str
    label: str
    value: Annotated[str, Meta(description="In ward language; says so where missing.")]
    effect: Annotated[float, Meta(description="On the log-odds scale; positive: longer.")]
    direction: Direction
    kind: Annotated[str, Meta(description="What it is about: clinical, home and support, ...")]
    actionable: Annotated[
        bool, Meta(description="Something a ward or hub can act on; otherwise background.")
    ]
    action: Annotated[str | None, Meta(description="The first thing to do, where there is one.")]


class DischargeRange(Struct, frozen=True, kw_only=True, gc=False):
    """Day of stay on which the patient leaves, in midnights since admission.

    None where it lies beyond what the model has seen.
    """

    p10: int | None
    p50: int | None
    p90: int | None


class Forecast(Struct, frozen=True, kw_only=True, gc=False):
    """A score.

    Parameters
    ----------
    days_so_far : int
        Midnights since admission.
    probability : mapping of int to float or None
        P(length of stay >= days) for each horizon: never rising, 1 for a horizon passed, None for
        one the training data could not show.
    band : Band
    discharge_day : DischargeRange
    probability_of_death_in_hospital : float or None
        None where the training data had too few deaths to learn from.
    reasons : tuple of Reason
        Largest effects first.
    base_value, log_odds : float
        All effects plus ``base_value`` sum to ``log_odds``.
    missing : tuple of str
        Families of facts that would sharpen this score, most useful first.
    completeness : float
        Share of the model's usable information that was there, 0 to 1.
    features : bytes
        Values of the feature set as used, float64, little-endian: with ``days_so_far`` they are
        all that the model knew. Clinical, so never shown.
    """

    days_so_far: int
    probability: Mapping[int, float | None]
    band: Band
    discharge_day: DischargeRange
    probability_of_death_in_hospital: float | None
    reasons: tuple[Reason, ...]
    base_value: float
    log_odds: float
    missing: tuple[str, ...]
    completeness: float
    features: bytes

    def __repr__(self) -> str:
        """Tell of no patient: a forecast may end up in a trace."""
        return f"Forecast(days_so_far={self.days_so_far}, ...)"


@dataclass(frozen=True, slots=True)
class Refusal:
    """No number, and why.

    Parameters
    ----------
    reason : str
        ``out_of_scope``, ``not_admitted``, ``already_discharged``.
    detail : str
        One sentence without values from the record.
    """

    reason: str
    detail: str
