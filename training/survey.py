"""One pass over a dataset: its spells, the snapshots in scope, and who was refused.

Each shard holds whole patients, so it can be read, counted and let go. A small dataset is kept in
memory between passes; a large one is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import DAY
from feature_store.compute import compute_features
from feature_store.dataset import Dataset
from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.landmarks import known_snapshots
from feature_store.manifest import Clock
from feature_store.shards import Shard, compute_shards
from feature_store.snapshots import Snapshots
from feature_store.spells import Spells
from models.judging.estimate import Float64
from models.scope import ScopeRules
from training.endings import Endings, endings_of, united
from training.facts import fact_set, site_names, sites
from training.split import NO_SITE

MOST_EVENTS_HELD: Final = 6_000_000

Engine = Callable[[Dataset, Sequence[Snapshots], FeatureSet], Iterator[Float64]]
"""Features of each shard's snapshots, shard after shard, as ``compute_shards`` gives them."""

_WATCHED_DAYS: Final = 400
"""A source without dates has no calendar that could end: its spells are complete."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What a dataset holds, in scope.

    Parameters
    ----------
    dataset : Dataset
    held : tuple of Events
        Shards kept in memory; empty where they are read again.
    snapshots : tuple of Snapshots
        In scope, by shard.
    spells : Spells
        Those with a snapshot in scope, ordered by ``spell_id``.
    site : ndarray of str, shape (n_spells,)
    until : int
        End of the data, UTC microseconds.
    told : FeatureSet
        Facts for groups, lists and the rule.
    refused : dict of str to int
        Snapshots out of scope, by reason.
    endings : mapping of str to (int, int)
        By code: events, and those around the end of a stay (:mod:`training.endings`).
    engine : callable, optional
        What computes the features of many snapshots; this process by default.
    threads : int
        Of this process; each has a shard of its own.
    """

    dataset: Dataset
    held: tuple[Events, ...]
    snapshots: tuple[Snapshots, ...]
    spells: Spells
    site: NDArray[np.str_]
    until: int
    told: FeatureSet
    refused: dict[str, int]
    endings: Endings
    engine: Engine | None = None
    threads: int = 1

    def shards(self) -> Iterator[tuple[Events, Snapshots]]:
        """Events of each shard, with their past, and its snapshots."""
        shards = self.held or self.dataset.read_shards(past=True)
        return zip(shards, self.snapshots, strict=True)

    def features(self, asked: Sequence[Snapshots], feature_set: FeatureSet) -> Iterator[Float64]:
        """Features of some of the snapshots of each shard, shard after shard, by the engine."""
        if self.engine is not None:
            return self.engine(self.dataset, asked, feature_set)
        shards: Sequence[Shard] = self.held or self.dataset.shards
        pairs = zip(shards, asked, strict=True)
        return compute_shards(pairs, feature_set, threads=self.threads)


def survey(
    dataset: Dataset, scope: ScopeRules, *, engine: Engine | None = None, threads: int = 1
) -> Survey:
    """Read a dataset once, in this process.

    Parameters
    ----------
    dataset : Dataset
    scope : ScopeRules
    engine, threads
        Of :class:`Survey`.

    Raises
    ------
    BadInput
        No spell in scope.
    """
    small = dataset.manifest.counts.get("events", 0) <= MOST_EVENTS_HELD
    told = fact_set(dataset.descriptions())
    until = end_of(dataset)
    held: list[Events] = []
    parts: list[_Part] = []
    for events in dataset.read_shards(past=True):
        parts.append(_survey_shard(events, dataset.manifest.clock, scope, told=told, until=until))
        if small:
            held.append(events)
    refused = sum((part.refused for part in parts), Counter[str]())
    if not any(len(part.spells) for part in parts):
        msg = (
            f"{dataset.path.name}: spells in scope expected, found none "
            f"({refused.total()} snapshots out of scope)"
        )
        raise BadInput(msg)
    spells, site = _joined(parts)
    return Survey(
        dataset=dataset,
        held=tuple(held),
        snapshots=tuple(part.snapshots for part in parts),
        spells=spells,
        site=site,
        until=until,
        told=told,
        refused=dict(refused),
        endings=united(part.endings for part in parts),
        engine=engine,
        threads=threads,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What one shard holds."""

    snapshots: Snapshots
    spells: Spells
    site: NDArray[np.str_]
    refused: Counter[str]
    endings: Endings


def _survey_shard(
    events: Events, clock: Clock, scope: ScopeRules, *, told: FeatureSet, until: int
) -> _Part:
    spells, asked = known_snapshots(events, until=until, mornings=clock.mornings)
    reasons = scope.out_of_scope(events, asked)
    kept = asked.take(np.array([reason is None for reason in reasons], dtype=bool))
    first = np.unique(kept.spell_id, return_index=True)[1]
    names = np.array([*site_names(told)[:-1], NO_SITE])
    facts = compute_features(events, kept.take(first), told)
    return _Part(
        snapshots=kept,
        spells=spells.take(np.isin(spells.spell_id, kept.spell_id)),
        site=names[sites(facts, told)],
        refused=Counter(reason.detail for reason in reasons if reason is not None),
        endings=endings_of(events.current(), spells),
    )


def _joined(parts: list[_Part]) -> tuple[Spells, NDArray[np.str_]]:
    """Spells of all shards in order of ``spell_id``, and the site of each."""
    columns = [
        np.concatenate([getattr(part.spells, name) for part in parts])
        for name in ("spell_id", "subject_id", "start", "end", "died")
    ]
    order = np.argsort(columns[0], kind="stable")
    if (np.diff(columns[0][order]) == 0).any():
        msg = (
            "events: spell_id unique over all patients expected, found one that two patients share"
        )
        raise BadInput(msg)
    site = np.concatenate([part.site for part in parts])[order]
    return Spells(*(column[order] for column in columns)), site


def end_of(dataset: Dataset) -> int:
    """End of what a dataset can tell, UTC microseconds."""
    extra = _WATCHED_DAYS * DAY if dataset.manifest.clock is Clock.ORDER else 0
    return dataset.manifest.until + extra
