"""From contributions of features to reasons in ward language."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from feature_store.definitions import FeatureSet, Read, Scope
from feature_store.vocabulary import family_of
from models.forecast import Direction, Reason
from models.stay import Explanation
from models.survival import Float64

NOT_SHOWN: Final = "other factors, not shown"
"""Protected attributes count in the sum; none of them is ever a reason."""

ASKABLE: Final = frozenset(
    {Read.LATEST, Read.EARLIEST, Read.MINIMUM, Read.MAXIMUM, Read.MEAN, Read.CATEGORY}
)
"""Readings that somebody could go and take. A change needs two of them, and the time since a
referral that was never made is a fact, not a gap."""

_WORTH_NAMING: Final = 0.005
"""Share of the model's information below which a missing fact is not worth asking for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Concepts:
    """Columns of a feature set by ward concept; concept 0 is what is not shown."""

    of_feature: np.ndarray[tuple[int], np.dtype[np.int64]]
    count: int


@lru_cache(maxsize=16)
def _concepts(feature_set: FeatureSet) -> _Concepts:
    names: dict[str, int] = {NOT_SHOWN: 0}
    of_feature = [
        0 if feature.protected else names.setdefault(feature.concept or feature.label, len(names))
        for feature in feature_set.features
    ]
    return _Concepts(np.array(of_feature, np.int64), len(names))


def reasons_for(
    explanation: Explanation, matrix: Float64, feature_set: FeatureSet, *, most: int | None
) -> list[tuple[Reason, ...]]:
    """Reasons of each row, largest first.

    Features of one concept (a NEWS2 and its change) are one reason: their effects are added, and
    the strongest of them speaks.

    Parameters
    ----------
    explanation : Explanation
    matrix : ndarray of float64, shape (n, n_features)
    feature_set : FeatureSet
    most : int or None
        How many; None for all, with one entry for what is not shown, so that the effects and the
        base value sum to the log-odds.
    """
    concepts = _concepts(feature_set)
    by_concept = np.zeros((matrix.shape[0], concepts.count))
    np.add.at(by_concept.T, concepts.of_feature, explanation.effects.T)
    ranked = np.argsort(-np.abs(by_concept), axis=1, kind="stable")
    wanted = concepts.count if most is None else most
    answers = []
    for row, order in enumerate(ranked):
        picked = [concept for concept in order if concept or most is None]
        reasons = (
            _reason(
                concept,
                float(by_concept[row, concept]),
                concepts,
                explanation.effects[row],
                matrix[row],
                feature_set,
            )
            for concept in picked[:wanted]
            if most is None or by_concept[row, concept] != 0.0
        )
        answers.append(tuple(reasons))
    return answers


def _reason(
    concept: int,
    effect: float,
    concepts: _Concepts,
    effects: Float64,
    values: Float64,
    feature_set: FeatureSet,
) -> Reason:
    direction = Direction.LONGER if effect >= 0 else Direction.SHORTER
    if concept == 0:
        return Reason(
            feature="not_shown",
            label=NOT_SHOWN,
            value="",
            effect=effect,
            direction=direction,
            kind="person",
            actionable=False,
            action=None,
        )
    members = np.flatnonzero(concepts.of_feature == concept)
    speaker = int(members[np.argmax(np.abs(effects[members]))])
    feature = feature_set.features[speaker]
    value = feature.describe(float(values[speaker]))
    action = feature.action if value else feature.action_when_missing
    return Reason(
        feature=feature.name,
        label=feature.label,
        value=value or feature.missing,
        effect=effect,
        direction=direction,
        kind=feature.kind.value,
        actionable=feature.actionable,
        action=(action or None) if direction is Direction.LONGER else None,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Information:
    """How much each feature tells, among those that could be missing."""

    share: Float64
    family: tuple[str, ...]


@lru_cache(maxsize=16)
def _information(feature_set: FeatureSet, importance: tuple[float, ...]) -> _Information:
    askable = np.array(
        [
            feature.read in ASKABLE and feature.scope is not Scope.HISTORY and not feature.protected
            for feature in feature_set.features
        ]
    )
    gain = np.where(askable, np.array(importance), 0.0)
    families = tuple(
        family_of(feature.codes[0]) if feature.codes else "" for feature in feature_set.features
    )
    return _Information(gain / max(float(gain.sum()), 1e-12), families)


def missing_in(
    matrix: Float64, feature_set: FeatureSet, importance: tuple[float, ...]
) -> tuple[list[tuple[str, ...]], Float64]:
    """What was not there, most useful first, and how complete each row was.

    Returns
    -------
    missing : list of tuple of str
        Families of facts.
    completeness : ndarray of float64, shape (n,)
        Share of the model's askable information (gain) that was present; an absent history is a
        fact, not a gap.
    """
    information = _information(feature_set, importance)
    absent = np.isnan(matrix)
    lost = absent * information.share
    names = []
    for row in lost:
        by_family: dict[str, float] = {}
        for column in np.flatnonzero(row):
            family = information.family[column]
            by_family[family] = by_family.get(family, 0.0) + float(row[column])
        ranked = sorted(by_family, key=lambda family: -by_family[family])
        names.append(tuple(family for family in ranked if by_family[family] >= _WORTH_NAMING))
    return names, 1.0 - lost.sum(axis=1)
