"""A feature set made ready to run: which code feeds which series, which feature reads which."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import HOUR
from feature_store.definitions import CLOCK_READS, Feature, FeatureSet, Read, Scope
from feature_store.vocabulary import family_of, value_of

_READS: Final = {read: number for number, read in enumerate(Read)}
_SCOPES: Final = {scope: number for number, scope in enumerate(Scope)}

Int32 = NDArray[np.int32]
Feed = tuple[tuple[int, ...], tuple[int, ...]]

MOST_REMEMBERED: Final = 10_000
"""Codes a plan remembers: bounded, since a sender may invent them."""


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """For each code of one set of events: the series it feeds, and its category there."""

    start: Int32
    series: Int32
    category: Int32


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Series and readings of a feature set.

    Features over the same codes, scope and window share a series, so a window is walked once.
    """

    scope: Int32
    window: NDArray[np.int64]
    feature_series: Int32
    feature_read: Int32
    feeds: dict[str, list[tuple[int, dict[str, int] | None]]]
    remembered: dict[str, Feed] = field(default_factory=dict)

    def links(self, codes: tuple[str, ...]) -> Links:
        """Bind the plan to the codes of one set of events."""
        fed = [self.feed_of(code) for code in codes]
        start = np.zeros(len(fed) + 1, np.int32)
        np.cumsum([len(series) for series, _ in fed], out=start[1:])
        series = [number for numbers, _ in fed for number in numbers]
        category = [position for _, positions in fed for position in positions]
        return Links(start, np.array(series, np.int32), np.array(category, np.int32))

    def feed_of(self, code: str) -> Feed:
        """Series that a code feeds, and its category in each; remembered, as codes recur."""
        known = self.remembered.get(code)
        if known is None:
            if len(self.remembered) >= MOST_REMEMBERED:
                self.remembered.clear()
            known = self.remembered[code] = self._look_up(code)
        return known

    def _look_up(self, code: str) -> Feed:
        family = family_of(code)
        keys = (code,) if family == code else (code, family)
        feeds = [feed for key in keys for feed in self.feeds.get(key, ())]
        value = value_of(code)
        return tuple(number for number, _ in feeds), tuple(
            -1 if categories is None else categories.get(value, len(categories))
            for _, categories in feeds
        )


@lru_cache(maxsize=64)
def plan_of(feature_set: FeatureSet) -> Plan:
    """Make a plan; the same set gives the same plan."""
    numbers: dict[tuple[object, ...], int] = {}
    feeds: dict[str, list[tuple[int, dict[str, int] | None]]] = {}
    scope, window, feature_series = [], [], []
    for feature in feature_set.features:
        if feature.read in CLOCK_READS:
            feature_series.append(-1)
            continue
        key = (feature.codes, feature.scope, feature.window_hours, feature.categories)
        if key not in numbers:
            numbers[key] = len(numbers)
            scope.append(_SCOPES[feature.scope])
            window.append(_microseconds(feature))
            categories = {
                value: position for position, value in enumerate(feature.categories)
            } or None
            for code in dict.fromkeys(feature.codes):
                feeds.setdefault(code, []).append((numbers[key], categories))
        feature_series.append(numbers[key])
    return Plan(
        scope=np.array(scope, np.int32),
        window=np.array(window, np.int64),
        feature_series=np.array(feature_series, np.int32),
        feature_read=np.array([_READS[feature.read] for feature in feature_set.features], np.int32),
        feeds=feeds,
    )


def _microseconds(feature: Feature) -> int:
    return 0 if feature.window_hours is None else round(feature.window_hours * HOUR)
