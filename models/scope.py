"""Whom the model speaks about. Outside it the answer is a refusal with a reason, never a number.

Facts that are absent never refuse: a missing age is missing, not under 18, and an admission method
coded as not known is not one out of scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from feature_store.compute import Matrix, compute_features
from feature_store.definitions import Feature, FeatureSet, Read, Scope
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import (
    ADMISSION_METHODS,
    ADULT_AGE_YEARS,
    ELECTIVE_METHODS,
    EMERGENCY_METHODS,
)
from models.forecast import Refusal

_METHODS: Final = tuple(ADMISSION_METHODS)
_NOT_KNOWN: Final = "99"
_CLASSES: Final = ("1", "2", "3", "4", "5")
_MENTAL_HEALTH: Final = (
    "700",
    "710",
    "711",
    "712",
    "713",
    "715",
    "720",
    "721",
    "722",
    "723",
    "724",
    "725",
    "726",
    "727",
    "730",
)

FACTS: Final = FeatureSet(
    (
        Feature(name="age", label="Age", read=Read.LATEST, codes=("AGE",), scope=Scope.ANY),
        Feature(
            name="classification",
            label="Patient classification",
            read=Read.CATEGORY,
            codes=("PATIENT_CLASSIFICATION",),
            categories=_CLASSES,
        ),
        Feature(
            name="method",
            label="Method",
            read=Read.CATEGORY,
            codes=("ADMISSION_METHOD",),
            categories=_METHODS,
        ),
        Feature(
            name="mental_health",
            label="Mental-health specialty",
            read=Read.CATEGORY,
            codes=("SPECIALTY",),
            categories=_MENTAL_HEALTH,
        ),
    )
)
"""What a scope is judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRules:
    """Scope of a model, kept in its bundle.

    Parameters
    ----------
    least_age_years : int
    methods : tuple of str
        Admission methods in scope (NHS Data Dictionary, ADMISSION METHOD CODE).
    classifications : tuple of str
        Patient classifications in scope; a day case who stays overnight becomes ordinary.
    mental_health : bool
        Whether 700-series specialties are in scope.
    """

    least_age_years: int = ADULT_AGE_YEARS
    methods: tuple[str, ...] = tuple(sorted(EMERGENCY_METHODS | ELECTIVE_METHODS))
    classifications: tuple[str, ...] = ("1",)
    mental_health: bool = False

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Inverse of ``dataclasses.asdict``."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()
        }
        return cls(**plain)

    def out_of_scope(self, events: Events, snapshots: Snapshots) -> Sequence[Refusal | None]:
        """Why each snapshot is out of scope, or None; by what was known at its prediction time."""
        return self.judge(compute_features(events, snapshots, FACTS))

    def judge(self, facts: Matrix) -> Sequence[Refusal | None]:
        """Why each row of ``FACTS`` is out of scope, or None.

        Parameters
        ----------
        facts : ndarray of float64, shape (n, len(FACTS))
        """
        details = (self._detail(*row) for row in facts.tolist())
        return [None if detail is None else Refusal("out_of_scope", detail) for detail in details]

    def _detail(
        self, age: float, classification: float, method: float, mental_health: float
    ) -> str | None:
        # What is missing compares with nothing, and so refuses nothing.
        kind, way = _named(classification, _CLASSES), _named(method, _METHODS)
        if age < self.least_age_years:
            return f"under {self.least_age_years} at admission"
        if kind not in {None, *self.classifications}:
            return "not an ordinary admission"
        if way not in {None, _NOT_KNOWN, *self.methods}:
            return "admission method not in scope"
        mental = mental_health < len(_MENTAL_HEALTH) and not self.mental_health
        return "mental-health specialty" if mental else None


def _named(place: float, names: tuple[str, ...]) -> str | None:
    """Name at a place; none where it is missing, an empty one for any other value."""
    if place != place:  # noqa: PLR0124 - NaN is the only value unlike itself
        return None
    return names[int(place)] if place < len(names) else ""
