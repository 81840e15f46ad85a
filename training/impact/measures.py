"""What is measured: outcomes with their definitions, when each is due, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Kind(StrEnum):
    """How an outcome comes about."""

    CENSUS = "census"  # beds at midnight, per 100 beds that the unit usually fills
    COHORT = "cohort"  # mean over the patients who began to count in the point


class Clock(StrEnum):
    """What puts a patient into the cohort of a point."""

    ADMITTED = "admitted"
    READY = "ready"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One outcome.

    Parameters
    ----------
    name, label, unit : str
    kind : Kind
    clock : Clock
        Of a cohort.
    follow_up : int
        Days after a patient begins to count at which the outcome is due; no sooner.
    nights : int
        Of a census: nights so far from which a patient counts.
    less_is_better : bool
    balancing : bool
        Shown beside every other, whatever a protocol asks for.
    """

    name: str
    label: str
    unit: str
    kind: Kind = Kind.COHORT
    clock: Clock = Clock.ADMITTED
    follow_up: int = 0
    nights: int = 0
    less_is_better: bool = True
    balancing: bool = False


_BEDS: Final = "beds at midnight per 100 usually occupied"


def _long_stay(nights: int) -> Measure:
    return Measure(
        name=f"bed_days_{nights}",
        label=f"Beds of patients with {nights} nights or more",
        unit=_BEDS,
        kind=Kind.CENSUS,
        nights=nights,
    )


MEASURES: Final = MappingProxyType(
    {
        one.name: one
        for one in (
            *(_long_stay(nights) for nights in (7, 14, 21)),
            Measure(
                name="bed_days_not_residing",
                label="Beds of patients without criteria to reside",
                unit=_BEDS,
                kind=Kind.CENSUS,
            ),
            Measure(
                name="ready_delay",
                label="Nights from discharge-ready to leaving, counted to 28",
                unit="nights",
                clock=Clock.READY,
                follow_up=28,
            ),
            Measure(
                name="length_of_stay",
                label="Length of stay, counted to 60 nights",
                unit="nights",
                follow_up=60,
            ),
            Measure(
                name="days_at_home",
                label="Days at home within 90 days of admission",
                unit="days",
                follow_up=90,
                less_is_better=False,
            ),
            Measure(
                name="readmission_30",
                label="Emergency readmission within 30 days of leaving",
                unit="share of those who left alive",
                clock=Clock.LEFT,
                follow_up=30,
                balancing=True,
            ),
            Measure(
                name="death_30",
                label="Death in hospital within 30 nights of admission",
                unit="share of those admitted",
                follow_up=30,
                balancing=True,
            ),
            Measure(
                name="new_care_home",
                label="Discharge to a care home, of those not admitted from one",
                unit="share of those who left alive",
                clock=Clock.LEFT,
                balancing=True,
            ),
        )
    }
)

BALANCING: Final = tuple(one.name for one in MEASURES.values() if one.balancing)
"""A shorter stay by death, by coming back or by a care home is no success."""
