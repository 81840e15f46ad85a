"""The firewall: every sign of a leak looked for, and a run stopped unless each is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput, Refused
from training.config import FirewallSettings
from training.leaks import Suspect, suspects_alone, suspects_by_ending, suspects_by_presence
from training.material import Material
from training.split import Part
from training.survey import Survey


def find_suspects(
    found: Survey,
    materials: Mapping[Part, Material],
    feature_set: FeatureSet,
    bounds: FirewallSettings,
) -> tuple[Suspect, ...]:
    """Features suspected of a leak before anything is fitted; the held-out part shows no outcome.

    It only shows who is still in hospital, which a leak of presence gives away.
    """
    exact = found.dataset.manifest.clock.mornings
    learn, later = materials[Part.TRAIN], materials[Part.CALIBRATION]
    return (
        *suspects_alone(learn, later, feature_set, bounds),
        *suspects_by_presence(materials[Part.TEST], feature_set, bounds),
        *(suspects_by_ending(found.endings, feature_set, bounds) if exact else ()),
    )


def refuse_leaks(
    suspects: Iterable[Suspect], feature_set: FeatureSet, bounds: FirewallSettings
) -> None:
    """Stop unless every suspect is allowed.

    Raises
    ------
    Refused
        With the evidence, one reason a suspect.
    BadInput
        A feature is allowed that the model does not have: a slip must not pass for a decision.
    """
    unknown = sorted(set(bounds.allow) - set(feature_set.names))
    if unknown:
        msg = (
            f"--allow-leak: a feature of this model expected, found none called "
            f"{', '.join(unknown)}; the names are those that a refusal or the card gives"
        )
        raise BadInput(msg)
    reasons = [
        f"leak suspected: {suspect.feature} ({suspect.sign}): {suspect.evidence}"
        for suspect in suspects
        if suspect.feature not in bounds.allow
    ]
    if reasons:
        advice = (
            "when could a computer first have known it? Say so in the mapping (known, recorded), "
            "leave it out, or take it knowingly with --allow-leak FEATURE:reason "
            "(docs/training.md)"
        )
        raise Refused([*reasons, advice])


def leaks_told(suspects: Iterable[Suspect], bounds: FirewallSettings) -> list[dict[str, Any]]:
    """Suspects as plain data, each with the reason for which it was allowed."""
    return [
        {**suspect.to_json(), "allowed": bounds.allow.get(suspect.feature, "")}
        for suspect in suspects
    ]
