"""Material for a data protection impact assessment: every field that is read, why, how long kept.

Generated from the vocabulary and the feature definitions of one model, so that it cannot say less
than what is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from feature_store.definitions import Feature, FeatureSet, Scope
from feature_store.vocabulary import FAMILIES, SPELL_END, SPELL_START, family_of
from homeward.assurance.items import State, read_table
from models.bundle import Bundle
from models.scope import FACTS as SCOPE_FACTS
from training.facts import fact_set

_BESIDE: Final = (
    (SPELL_START, "says that a patient is in hospital and since when"),
    (SPELL_END, "says that a stay is over: the outcome, never a feature of this stay"),
    ("DISCHARGE_METHOD", "tells death in hospital apart: an outcome of its own"),
    *((family, "to show where the patient is") for family in ("SITE", "WARD", "BED", "SPECIALTY")),
    (
        "EXPECTED_DISCHARGE",
        "staff's own date, shown and compared with; never a feature of this stay",
    ),
    (
        "DISCHARGE_READY",
        "to show who awaits discharge, and to judge delays; never a feature of this stay",
    ),
    (
        "CRITERIA_TO_RESIDE",
        "to show who awaits discharge, and to judge delays; never a feature of this stay",
    ),
    (
        "DISCHARGE_DESTINATION",
        "to judge impact: new care-home placement; never a feature of this stay",
    ),
    ("ADMISSION_SOURCE", "to judge impact: new care-home placement"),
)
"""What is read beside the model, by service, monitor and impact."""

_STORED: Final = "live store: events; training extract"
_SCORED: Final = f"{_STORED}; record: feature values and reasons (as features)"


def field_register(bundle: Bundle) -> list[dict[str, Any]]:
    """Fields of a model, in order of their names.

    Returns
    -------
    list of dict
        ``field, label, source, purposes, features, protected, used_by_the_model, kept_in``.
    """
    purposes: dict[str, list[str]] = defaultdict(list)
    for family, purpose in _purposes(bundle.model.feature_set):
        if purpose not in purposes[family]:
            purposes[family].append(purpose)
    readers = _readers(bundle.model.feature_set)
    return [
        _field(family, purposes[family], readers.get(family, [])) for family in sorted(purposes)
    ]


def _field(name: str, purposes: list[str], readers: list[Feature]) -> dict[str, Any]:
    family = FAMILIES.get(name)
    return {
        "field": name,
        "label": family.label if family else "a code of the dataset, not in the vocabulary",
        "source": family.source if family else "",
        "purposes": purposes,
        "features": [feature.label for feature in readers],
        "protected": bool(family and family.protected) or any(one.protected for one in readers),
        "used_by_the_model": bool(readers),
        "kept_in": _SCORED if readers else _STORED,
    }


def _readers(features: FeatureSet) -> dict[str, list[Feature]]:
    found = defaultdict(list)
    for feature in features.features:
        for family in dict.fromkeys(map(family_of, feature.codes)):
            found[family].append(feature)
    return found


def _purposes(features: FeatureSet) -> Iterator[tuple[str, str]]:
    """Families with each purpose that they are read for."""
    for feature in features.features:
        history = " of earlier stays" if feature.scope is Scope.HISTORY else ""
        for code in feature.codes:
            yield family_of(code), f"to score: {feature.kind.value}{history}"
    for fact in SCOPE_FACTS.features:
        for code in fact.codes:
            yield code, "to refuse whom the model is not for"
    for fact in fact_set(()).features:
        yield fact.name, "to judge accuracy by group and site"
    yield from _BESIDE


def assessment(bundle: Bundle) -> dict[str, Any]:
    """Flows, stores, register, and what is left to the organisation; plain data."""
    surroundings = read_table("dpia")
    return {
        "flows": surroundings["flows"],
        "stores": surroundings["stores"],
        "fields": field_register(bundle),
        "items": [
            {"ref": "", "state": State.ORGANISATION.value, "answers": [], "evidence": []}
            | {"asks": one["asks"], "for_the_deploying_organisation": one["help"]}
            for one in surroundings["organisation"]
        ],
    }
