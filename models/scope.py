"""Whom the model speaks about. Outside it the answer is a refusal with a reason, never a number.

Facts that are absent never refuse: a missing age is missing, not under 18, and an admission method
coded as not known is not one out of scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from feature_store.compute import compute_features
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

_FACTS: Final = FeatureSet(
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
        facts = compute_features(events, snapshots, _FACTS)
        reasons = (
            (facts[:, 0] < self.least_age_years, f"under {self.least_age_years} at admission"),
            (_outside(facts[:, 1], _CLASSES, self.classifications), "not an ordinary admission"),
            (
                _outside(facts[:, 2], _METHODS, (*self.methods, _NOT_KNOWN)),
                "admission method not in scope",
            ),
            (
                _within(facts[:, 3], len(_MENTAL_HEALTH)) & (not self.mental_health),
                "mental-health specialty",
            ),
        )
        answers: list[Refusal | None] = [None] * len(snapshots)
        for mask, detail in reversed(reasons):
            refusal = Refusal("out_of_scope", detail)
            for row in np.flatnonzero(mask):
                answers[row] = refusal
        return answers


def _outside(
    column: np.ndarray[Any, Any], names: tuple[str, ...], allowed: tuple[str, ...]
) -> np.ndarray[Any, Any]:
    inside = [position for position, name in enumerate(names) if name in allowed]
    return np.asarray(~np.isnan(column) & ~np.isin(column, inside))


def _within(column: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    return np.asarray(~np.isnan(column) & (column < size))
