"""From surveyed snapshots to what a model is fitted and judged on: features, outcomes, facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from feature_store.automatic import derive_features
from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.events import Events, Int64, concatenate
from feature_store.nhs import NHS
from feature_store.outcome import Outcomes, outcomes_of
from feature_store.snapshots import Snapshots
from models.judging.estimate import Float64
from training.config import Features
from training.split import PARTS, Part, Split
from training.survey import MOST_EVENTS_HELD, Survey

Columns = TypeVar("Columns", Snapshots, Outcomes)

_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Snapshots of one part of the split, with features and outcomes.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, n_features)
    snapshots : Snapshots
    outcomes : Outcomes
        As known at the end of the part.
    facts : ndarray of float64, shape (n, n_facts)
        Of :mod:`training.facts`: for groups, lists and the rule.
    """

    matrix: Float64
    snapshots: Snapshots
    outcomes: Outcomes
    facts: Float64

    def __len__(self) -> int:
        """Return how many snapshots there are."""
        return len(self.snapshots)

    @property
    def days_so_far(self) -> Int64:
        """Local midnights since admission, of each snapshot."""
        return self.snapshots.days_so_far

    def target(self, horizon: int) -> Float64:
        """1 or 0 by length of stay >= ``horizon``; NaN if not known, or if already passed."""
        return np.where(self.days_so_far < horizon, self.outcomes.long_stay(horizon), np.nan)


def choose_features(found: Survey, split: Split, choice: Features) -> FeatureSet:
    """Features to use, chosen on the training patients alone, by what was known in their period.

    Raises
    ------
    BadInput
        No feature varies among the training snapshots.
    """
    events, snapshots = _training_events(found, split)
    feature_set = derive_features(
        events,
        snapshots,
        clock=found.dataset.manifest.clock,
        described=None if choice is Features.AUTOMATIC else NHS,
        labels=found.dataset.descriptions(),
    )
    if choice is Features.NHS:
        wanted = set(NHS.names)
        kept = [column for column, name in enumerate(feature_set.names) if name in wanted]
        feature_set = feature_set.take(kept)
    if not len(feature_set):
        msg = (
            "training: features that vary expected, found every one constant or missing; "
            "check that the mapping brings facts known during the stay"
        )
        raise BadInput(msg)
    return feature_set


def _training_events(found: Survey, split: Split) -> tuple[Events, Snapshots]:
    """Events and snapshots of training patients, of a share of them if there are very many."""
    share = min(1.0, MOST_EVENTS_HELD / max(found.dataset.manifest.counts.get("events", 0), 1))
    events, snapshots = [], []
    for shard, asked in found.shards():
        kept = asked.take(rows_of(asked, split, Part.TRAIN))
        kept = kept.take(_mixed(kept.subject_id) < share)
        known = np.isin(shard.subject_id, kept.subject_id) & (
            shard.visible_at <= split.until[Part.TRAIN]
        )
        events.append(shard.take(known))
        snapshots.append(kept)
    return concatenate(events).in_order(), _joined(Snapshots, snapshots)


def _mixed(subject_id: Int64) -> Float64:
    """A number from 0 to 1 for each patient, the same in every run."""
    return (subject_id.astype(np.uint64) * _MIXER >> np.uint64(11)).astype(np.float64) / 2.0**53


def gather(
    found: Survey, split: Split, feature_set: FeatureSet, *, parts: Sequence[Part] = PARTS
) -> Mapping[Part, Material]:
    """Features, outcomes and facts of each part."""
    size = len(feature_set)
    collected: dict[Part, list[Material]] = {part: [] for part in parts}
    for shard in features_by_part(found, split, feature_set.beside(found.told, "fact"), parts):
        for part, (snapshots, matrix) in zip(parts, shard, strict=True):
            outcomes = outcomes_of(snapshots, found.spells, until=split.until[part])
            material = Material(matrix[:, :size], snapshots, outcomes, facts=matrix[:, size:])
            collected[part].append(material)
    return {part: _stack(materials) for part, materials in collected.items()}


def features_by_part(
    found: Survey, split: Split, feature_set: FeatureSet, parts: Sequence[Part]
) -> Iterator[list[tuple[Snapshots, Float64]]]:
    """Of each shard, the snapshots of each part and their features."""
    asked = [
        [shard.take(rows_of(shard, split, part)) for part in parts] for shard in found.snapshots
    ]
    matrices = found.features([_joined(Snapshots, own) for own in asked], feature_set)
    for own, matrix in zip(asked, matrices, strict=True):
        edges = np.cumsum([len(snapshots) for snapshots in own])[:-1]
        yield list(zip(own, np.split(matrix, edges), strict=True))


def rows_of(asked: Snapshots, split: Split, part: Part) -> NDArray[np.bool_]:
    """Snapshots of a part's spells, asked before what the part may know ends."""
    row = np.searchsorted(split.spell_id, asked.spell_id)
    member: NDArray[np.bool_] = split.part[row] == PARTS.index(part)
    return member & (asked.prediction_time < split.until[part])


def _stack(materials: Sequence[Material]) -> Material:
    return Material(
        matrix=np.concatenate([material.matrix for material in materials]),
        snapshots=_joined(Snapshots, [material.snapshots for material in materials]),
        outcomes=_joined(Outcomes, [material.outcomes for material in materials]),
        facts=np.concatenate([material.facts for material in materials]),
    )


def _joined(kind: type[Columns], parts: Sequence[Columns]) -> Columns:
    """Columns end to end."""
    return kind(
        *(np.concatenate([getattr(part, entry.name) for part in parts]) for entry in fields(kind))
    )
