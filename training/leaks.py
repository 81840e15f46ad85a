"""What one feature alone gives away: too good at the door, or there only because a stay ended.

A leak is a fact that the model could not have had on the day, whatever its time stamp claims. Four
signs are looked for, each against a bound of ``[firewall]`` in the settings (docs/training.md):

- by itself, learnt on training spells, it ranks later admissions too well;
- it is there for spells that have ended and not for patients still in hospital after the same
  number of days, or the other way round: somebody filled it in after discharge;
- nearly all of its events are recorded in the last day of a stay, or after it;
- the fitted model hangs on it alone.

A suspect is not yet a leak: a person may allow it, with a reason that travels with the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, poisson

from feature_store.definitions import CLOCK_READS, Feature, FeatureSet, Read, Scope
from feature_store.events import Int64
from feature_store.vocabulary import LONG_STAY_DAYS, family_of
from models.judging.estimate import Float64
from training.config import FirewallSettings
from training.material import Material
from training.ranking import rank_alone

LEAST_SIDE: Final = 30
"""Later spells on each side of a horizon, without which a feature alone is not judged."""

LEAST_OPEN: Final = 20
"""Patients still in hospital at the end of the data, without which presence is not compared."""

BEYOND_CHANCE: Final = 4.0
"""Standard errors that a difference in presence must exceed: hundreds of features are looked at."""

RARE: Final = 2 * float(norm.sf(BEYOND_CHANCE))
"""The same for facts too rare for standard errors: the chance of a count as far off, by Poisson."""

LEAST_EVENTS: Final = 50
LEAST_FEATURES: Final = 5
"""Features of a model, below which a large share of its gain is no surprise."""


class Sign(StrEnum):
    """How a leak shows."""

    ALONE = "too good alone"
    PRESENCE = "presence tells the end"
    ENDING = "recorded around the end"
    GAIN = "carries the model"


@dataclass(frozen=True, slots=True)
class Suspect:
    """One feature, one sign.

    Parameters
    ----------
    feature : str
    sign : Sign
    figure, bound : float
        What was measured, and the most that passes.
    evidence : str
        The same for a reader; no patient value.
    """

    feature: str
    sign: Sign
    figure: float
    bound: float
    evidence: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "sign": self.sign.value}


def suspects_alone(
    learn: Material, later: Material, feature_set: FeatureSet, bounds: FirewallSettings
) -> Iterator[Suspect]:
    """Features that by themselves rank later admissions too well.

    Each is turned into a table of shares (thirty-two ranges or its categories, missing is one) on
    the first snapshots of ``learn``, and judged on those of ``later``. A feature is a suspect when
    the lower end of its 95 % interval passes the bound.
    """
    learn, later = (_admissions(material) for material in (learn, later))
    for days in LONG_STAY_DAYS:
        target, truth = learn.target(days), later.target(days)
        if min((truth == 1.0).sum(), (truth == 0.0).sum()) < LEAST_SIDE:
            continue
        for column, feature in _facts(feature_set):
            ranked = rank_alone(
                (learn.matrix[:, column], target),
                (later.matrix[:, column], truth),
                categories=len(feature.categories),
            )
            if ranked.low > bounds.auroc:
                evidence = (
                    f"alone it ranks stays of {days} midnights at admission with AUROC "
                    f"{ranked.area:.3f} ({ranked.low:.3f} or more) on later spells; at most "
                    f"{bounds.auroc:g} is believed"
                )
                yield Suspect(feature.name, Sign.ALONE, ranked.area, bounds.auroc, evidence)


def suspects_by_presence(
    seen: Material, feature_set: FeatureSet, bounds: FirewallSettings
) -> Iterator[Suspect]:
    """Features there for spells that ended and not for those still open, or the reverse.

    The last snapshot of each patient still in hospital is set beside the snapshots of ended spells
    at the same day of stay (Mantel and Haenszel's weights): up to that day nothing told the two
    apart, so neither should what had been recorded.
    """
    open_rows, ended_rows, strata = _matched(seen)
    if open_rows.size < LEAST_OPEN:
        return
    columns = [column for column, _ in _facts(feature_set)]
    weight, variance = 0.0, np.zeros(len(columns))
    shares, counts = np.zeros((2, len(columns))), np.zeros((2, len(columns)))
    for stratum in np.unique(strata[open_rows]):
        sides = [rows[strata[rows] == stratum] for rows in (open_rows, ended_rows)]
        if not sides[1].size:
            continue
        there = np.stack([_present(seen.matrix, rows, feature_set, columns) for rows in sides])
        sizes = np.array([rows.size for rows in sides], dtype=float)
        here = sizes.prod() / sizes.sum()
        pooled = sizes @ there / sizes.sum()
        weight, shares = weight + here, shares + here * there
        counts += sizes[0] * np.stack([there[0], pooled])
        variance += here * pooled * (1.0 - pooled)
    if not weight:
        return
    shares, error = shares / weight, np.sqrt(variance) / weight
    gap, most = np.abs(shares[0] - shares[1]), shares.max(axis=0)
    relative = np.divide(gap, most, out=np.zeros_like(gap), where=most > 0)
    sure = (gap > BEYOND_CHANCE * error) & (_tail(*counts) < RARE)
    for place in np.flatnonzero((relative > bounds.presence) & sure):
        name = feature_set.names[columns[place]]
        evidence = (
            f"recorded for {shares[1, place]:.0%} of spells that ended and {shares[0, place]:.0%} "
            f"of {open_rows.size} patients still in hospital, at the same day of stay"
        )
        yield Suspect(name, Sign.PRESENCE, float(relative[place]), bounds.presence, evidence)


def _tail(found: Float64, expected: Float64) -> Float64:
    """Chance of counts as far from the expected, on the side where they are.

    >>> _tail(np.array([5.0, 0.0]), np.array([0.5, 90.0])).round(5).tolist()
    [0.00017, 0.0]
    """
    above, below = poisson.sf(np.round(found) - 1, expected), poisson.cdf(found, expected)
    return np.asarray(np.where(found > expected, above, below))


def suspects_by_ending(
    endings: Mapping[str, tuple[int, int]], feature_set: FeatureSet, bounds: FirewallSettings
) -> Iterator[Suspect]:
    """Features whose events are nearly all recorded in a stay's last day, or after it.

    Parameters
    ----------
    endings : mapping of str to (int, int)
        By code, in ended stays of three days or more: all events, and those around the end.
    feature_set : FeatureSet
    bounds : FirewallSettings
    """
    for _, feature in _facts(feature_set):
        told = [
            counts
            for code, counts in endings.items()
            if code in feature.codes or family_of(code) in feature.codes
        ]
        events, late = (sum(pair[side] for pair in told) for side in (0, 1))
        if feature.scope is Scope.HISTORY or events < LEAST_EVENTS:
            continue
        if late / events > bounds.ending:
            evidence = (
                f"{late / events:.0%} of its {events} events in stays of three days or more were "
                f"recorded in the last day or after the end; at most {bounds.ending:.0%} passes"
            )
            yield Suspect(feature.name, Sign.ENDING, late / events, bounds.ending, evidence)


def suspects_by_gain(
    importance: Sequence[float], feature_set: FeatureSet, bounds: FirewallSettings
) -> list[Suspect]:
    """Features that the fitted trees hang on; time passed is a fact of the question, not one."""
    total = sum(importance)
    if len(feature_set) < LEAST_FEATURES or not total:
        return []
    return [
        Suspect(
            feature.name,
            Sign.GAIN,
            importance[column] / total,
            bounds.gain,
            f"{importance[column] / total:.0%} of the model's gain is its own; at most "
            f"{bounds.gain:.0%} is believed",
        )
        for column, feature in _facts(feature_set)
        if importance[column] / total > bounds.gain
    ]


def _facts(feature_set: FeatureSet) -> list[tuple[int, Feature]]:
    """Features that read events; the clock cannot leak."""
    return [
        (column, feature)
        for column, feature in enumerate(feature_set.features)
        if feature.read not in CLOCK_READS
    ]


def _admissions(material: Material) -> Material:
    """First snapshot of each spell, of those asked at admission."""
    rows = np.unique(material.snapshots.spell_id, return_index=True)[1]
    rows = rows[material.days_so_far[rows] <= 1]
    return Material(
        material.matrix[rows],
        material.snapshots.take(rows),
        material.outcomes.take(rows),
        material.facts[rows],
    )


def _matched(seen: Material) -> tuple[Int64, Int64, Int64]:
    """Rows: the last of each open spell, all of the ended; and the day of stay of every row."""
    spell = seen.snapshots.spell_id
    newest = np.lexsort((seen.snapshots.prediction_time, spell))
    changes = spell[newest][1:] != spell[newest][:-1]
    last, first = newest[np.append(changes, [True])], newest[np.append([True], changes)]
    if not len(seen):
        last = first = newest
    at_the_door = np.zeros(len(seen), np.int64)
    at_the_door[first] = 1  # asked at another hour of the day than the mornings
    censored = seen.outcomes.censored
    return last[censored[last]], np.flatnonzero(~censored), seen.days_so_far * 2 + at_the_door


def _present(
    matrix: Float64, rows: NDArray[np.intp], feature_set: FeatureSet, columns: list[int]
) -> Float64:
    """Share of rows in which something had been recorded; a count of 0 says that nothing had."""
    counted = np.array([feature_set.features[column].read is Read.COUNT for column in columns])
    values = matrix[rows][:, columns]
    shares: Float64 = (~np.isnan(values) & ~(counted & (values == 0.0))).mean(axis=0)
    return shares
