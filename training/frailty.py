"""The Hospital Frailty Risk Score, as it could be known while the patient is in hospital.

The published score counts the ICD-10 codes of the stay itself, written after discharge: a
description, not a forecast. Here a code counts only from the moment it was recorded, so it is the
codes of the past two years' stays, and whatever was coded early in this one.

References
----------
Gilbert et al. 2018, Lancet 391:1775, appendix table A2 (109 three-character codes, each counted
once).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from feature_store.definitions import Feature, FeatureSet, Read, Scope
from feature_store.events import Int64
from feature_store.vocabulary import family_of, value_of
from models.judging.estimate import Float64
from training.material import Material, features_by_part
from training.split import Part, Split
from training.survey import Survey

_POINTS: Final = (
    (7.1, "F00"),
    (4.4, "G81"),
    (4.0, "G30"),
    (3.7, "I69"),
    (3.6, "R29"),
    (3.2, "N39 F05 W19 S00"),
    (3.0, "R31"),
    (2.9, "B96"),
    (2.7, "R41"),
    (2.6, "R26 I67 R56"),
    (2.5, "R40"),
    (2.4, "T83 S06"),
    (2.3, "S42 E87 M25 E86"),
    (2.2, "R54"),
    (2.1, "Z50 F03 W18"),
    (2.0, "Z75 F01 S80 L03"),
    (1.9, "H54 E53"),
    (1.8, "Z60 G20 R55 S22 K59 N17"),
    (1.7, "L89 Z22 B95"),
    (1.6, "L97 R44 K26 I95 N19 A41"),
    (1.5, "Z87 J96 X59 M19 G40"),
    (1.4, "M81 S72 S32 E16 R94 N18"),
    (1.3, "R33 R69 N28"),
    (1.2, "R32 G31 Y95 S09 R45 G45"),
    (1.1, "Z74 M79 W06 S01 A04 A09 J18"),
    (1.0, "J69 R47 E55 Z93 R02"),
    (0.9, "R63 H91 W10 W01 E05 M41"),
    (0.8, "R13 Z99 U80 M80 K92 I63"),
    (0.7, "N20 F10 Y84 R00 J22"),
    (0.6, "Z73 R79"),
    (0.5, "Z91 S51 F32 M48"),
    (0.4, "E83 M15 D64 L08"),
    (0.3, "R11 K52"),
    (0.1, "R50"),
)
"""Points, and the categories that carry them."""

WEIGHTS: Final[Mapping[str, float]] = {
    category: points for points, categories in _POINTS for category in categories.split()
}
"""ICD-10 category (three characters) to points."""

HIGH: Final = 15.0
INTERMEDIATE: Final = 5.0
"""The published risk groups begin here."""

_TWO_YEARS_HOURS: Final = 730 * 24.0
_FAMILY: Final = "DIAGNOSIS"


def frailty_set(codes: Iterable[str]) -> FeatureSet:
    """Count of each category among the diagnosis codes of a dataset; empty where it has none."""
    kept: dict[str, list[str]] = {}
    for code in codes:
        category = value_of(code).upper()[:3]
        if family_of(code) == _FAMILY and category in WEIGHTS:
            kept.setdefault(category, []).append(code)
    return FeatureSet(
        tuple(
            Feature(
                name=category,
                label=category,
                read=Read.COUNT,
                codes=tuple(sorted(kept[category])),
                scope=Scope.ANY,
                window_hours=_TWO_YEARS_HOURS,
            )
            for category in sorted(kept)
        )
    )


def frailty_scores(counts: Float64, counted: FeatureSet) -> Float64:
    """Points of each snapshot, shape (n,), of what was recorded by then; 0 where nothing was."""
    points = np.array([WEIGHTS[name] for name in counted.names])
    return np.asarray(np.nan_to_num(counts > 0) @ points)


def gather_frailty(found: Survey, split: Split, *parts: Part) -> list[Float64] | None:
    """Scores of each part's snapshots, in the order of its material; None without codes."""
    counted = frailty_set(found.dataset.descriptions())
    if not len(counted):
        return None
    scores = [
        [frailty_scores(counts, counted) for _, counts in shard]
        for shard in features_by_part(found, split, counted, parts)
    ]
    return [np.concatenate(of_part) for of_part in zip(*scores, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Frailty:
    """Chance of a long stay by the score and the day of stay.

    Parameters
    ----------
    fitted : mapping of int to LogisticRegression
        By horizon.
    """

    fitted: Mapping[int, LogisticRegression]

    @classmethod
    def fit(cls, material: Material, scores: Float64, horizons: tuple[int, ...]) -> Frailty:
        """Turn points into chances, on the training snapshots.

        Points are no chance, and a frail patient on day 6 is not one on day 0: so the score, its
        published groups and the day of stay go into a regression.
        """
        fitted = {}
        for days in horizons:
            target = material.target(days)
            known = ~np.isnan(target)
            design = _design(scores, material.days_so_far, days)
            fitted[days] = LogisticRegression(max_iter=500).fit(design[known], target[known])
        return cls(fitted)

    def predict(self, material: Material, scores: Float64) -> dict[int, Float64]:
        """P(length of stay >= horizon) of each snapshot, by horizon."""
        return {
            days: np.asarray(
                regression.predict_proba(_design(scores, material.days_so_far, days))[:, 1]
            )
            for days, regression in self.fitted.items()
        }


def _design(scores: Float64, days_so_far: Int64, horizon: int) -> Float64:
    day = np.minimum(days_so_far, horizon)[:, None] == np.arange(horizon)
    groups = scores[:, None] >= np.array([INTERMEDIATE, HIGH])
    return np.column_stack([np.minimum(scores, 2 * HIGH) / HIGH, groups, day])
