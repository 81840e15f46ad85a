"""From contributions of features to reasons in ward language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from feature_store.definitions import Feature, FeatureSet, Read, Scope
from feature_store.kernel import address
from feature_store.vocabulary import family_of
from models.forecast import Direction, Reason
from models.kernel import Teller, library
from models.kernel_model import Laid
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


_LONGER, _SHORTER = Direction.LONGER, Direction.SHORTER


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """What can be said of one feature, worked out once."""

    name: str
    label: str
    kind: str
    actionable: bool
    missing: str
    action: str | None
    action_when_missing: str | None
    speech: Callable[[float], str]

    @classmethod
    def of(cls, feature: Feature) -> _Words:
        """Words of a feature."""
        return cls(
            feature.name,
            feature.label,
            feature.kind.value,
            feature.actionable,
            feature.missing,
            feature.action or None,
            feature.action_when_missing or None,
            feature.speech(),
        )

    def reason(self, value: float, effect: float) -> Reason:
        """Say why, of a value that has this effect."""
        said = self.speech(value) if value == value else ""  # noqa: PLR0124 - not NaN
        longer = effect >= 0
        action = self.action if said else self.action_when_missing
        return Reason(
            feature=self.name,
            label=self.label,
            value=said or self.missing,
            effect=effect,
            direction=_LONGER if longer else _SHORTER,
            kind=self.kind,
            actionable=self.actionable,
            action=action if longer else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Speech:
    """A feature set as the kernel takes it: ward concepts (0 is what is not shown) and families."""

    words: tuple[_Words, ...]
    concepts: int
    families: tuple[str, ...]
    laid: Laid


@lru_cache(maxsize=16)
def _speech(feature_set: FeatureSet, importance: tuple[float, ...] | None = None) -> _Speech:
    """Prepare a feature set; without the importance of its features nothing can be missing."""
    concepts: dict[str, int] = {NOT_SHOWN: 0}
    families: dict[str, int] = {}
    concept = [
        0
        if feature.protected
        else concepts.setdefault(feature.concept or feature.label, len(concepts))
        for feature in feature_set.features
    ]
    family = [
        families.setdefault(family_of(feature.codes[0]) if feature.codes else "", len(families))
        for feature in feature_set.features
    ]
    laid = Laid.out(
        Teller(),
        {
            "concept": np.array(concept, np.int32),
            "family": np.array(family, np.int32),
            "share": _share(feature_set, importance),
        },
        features=len(feature_set),
        concepts=len(concepts),
        families=len(families),
        worth_naming=_WORTH_NAMING,
    )
    words = tuple(_Words.of(feature) for feature in feature_set.features)
    return _Speech(words, len(concepts), tuple(families), laid)


def _share(feature_set: FeatureSet, importance: tuple[float, ...] | None) -> Float64:
    """How much each feature tells, among those that could be missing."""
    askable = [
        feature.read in ASKABLE and feature.scope is not Scope.HISTORY and not feature.protected
        for feature in feature_set.features
    ]
    gain = np.where(askable, np.zeros(len(askable)) if importance is None else importance, 0.0)
    return np.asarray(gain / max(float(gain.sum()), 1e-12))


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
    speech = _speech(feature_set)
    n, wanted = len(matrix), speech.concepts if most is None else min(most, speech.concepts)
    told, effects = np.empty((2, n, wanted), np.int32), np.empty((n, wanted))
    causes = np.ascontiguousarray(explanation.effects)
    if not told.size:
        return [()] * n
    start = address(told)
    library().homeward_tell(
        *(speech.laid.address, address(causes), n, wanted, most is None),
        *(start, start + told.nbytes // 2, address(effects)),
    )
    concepts, speakers = told
    values = matrix[np.arange(n)[:, None], speakers]
    columns = (concepts.tolist(), speakers.tolist(), values.tolist(), effects.tolist())
    return [_told(speech.words, *row) for row in zip(*columns, strict=True)]


def _told(
    words: tuple[_Words, ...],
    concepts: list[int],
    speakers: list[int],
    values: list[float],
    effects: list[float],
) -> tuple[Reason, ...]:
    return tuple(
        [
            words[speaker].reason(value, effect) if concept else _not_shown(effect)
            for concept, speaker, value, effect in zip(
                concepts, speakers, values, effects, strict=True
            )
            if concept >= 0
        ]
    )


def _not_shown(effect: float) -> Reason:
    return Reason(
        feature="not_shown",
        label=NOT_SHOWN,
        value="",
        effect=effect,
        direction=Direction.LONGER if effect >= 0 else Direction.SHORTER,
        kind="person",
        actionable=False,
        action=None,
    )


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
    speech = _speech(feature_set, importance)
    rows = np.ascontiguousarray(matrix)
    missing = np.empty((len(rows), len(speech.families)), np.int32)
    completeness = np.empty(len(rows))
    if rows.size:
        library().homeward_find_missing(
            *(speech.laid.address, address(rows), len(rows)),
            *(address(missing), address(completeness)),
        )
    families = speech.families
    names = [
        tuple([families[family] for family in line if family >= 0]) for line in missing.tolist()
    ]
    return names, completeness
