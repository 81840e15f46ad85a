"""A feature set made ready to run: which code feeds which series, which feature reads which."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import HOUR
from feature_store.definitions import CLOCK_READS, Feature, FeatureSet, Read, Scope
from feature_store.kernel import address
from feature_store.vocabulary import family_of, value_of

_READS: Final = {read: number for number, read in enumerate(Read)}
_SCOPES: Final = {scope: number for number, scope in enumerate(Scope)}

Int32 = NDArray[np.int32]
Feed = tuple[tuple[int, ...], tuple[int, ...]]

MOST_REMEMBERED: Final = 10_000
"""Codes a plan remembers: bounded, since a sender may invent them."""


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """What codes feed: of a code with number k, entries ``start[k]`` to ``start[k + 1]``.

    Parameters
    ----------
    number : ndarray of int32
        Of each code of one set of events.
    start : ndarray of int32
    series, category : ndarray of int32
        A series fed, and the code's category there; -1 without one.
    at : tuple of int
        Addresses of the last three.
    """

    number: Int32
    start: Int32
    series: Int32
    category: Int32
    at: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Book:
    """Codes met so far, by number, and what they feed."""

    numbers: dict[str, int]
    start: Int32
    series: Int32
    category: Int32
    at: tuple[int, ...]

    @classmethod
    def of(cls, numbers: dict[str, int], start: Int32, series: Int32, category: Int32) -> _Book:
        """Note where the links lie."""
        at = (address(start), address(series), address(category))
        return cls(numbers, start, series, category, at)


_NONE: Final = np.zeros(0, np.int32)
_EMPTY: Final = _Book.of({}, np.zeros(1, np.int32), _NONE, _NONE)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Series and readings of a feature set.

    Features over the same codes, scope and window share a series, so a window is walked once.

    Parameters
    ----------
    scope, window : ndarray, shape (n_series,)
    feature_series, feature_read : ndarray of int32, shape (n_features,)
    feeds : dict
        Series that each code or family feeds, with the categories read there.
    at : tuple of int
        As the kernel takes it: addresses of the first four, and how many series there are.
    books : deque
    """

    scope: Int32
    window: NDArray[np.int64]
    feature_series: Int32
    feature_read: Int32
    feeds: dict[str, list[tuple[int, dict[str, int] | None]]]
    at: tuple[int, ...]
    books: deque[_Book] = field(default_factory=lambda: deque((_EMPTY,), maxlen=1))

    def links(self, codes: tuple[str, ...]) -> Links:
        """Bind the plan to the codes of one set of events; codes recur and are remembered."""
        book = self.books[-1]
        try:
            numbers = [book.numbers[code] for code in codes]
        except KeyError:
            book = self._learn(book, codes)
            numbers = [book.numbers[code] for code in codes]
        number = np.array(numbers, np.int32)
        return Links(number, book.start, book.series, book.category, book.at)

    def reads(self, code: str) -> bool:
        """Whether any feature reads the events of a code."""
        return bool(self._look_up(code)[0])

    def _learn(self, book: _Book, codes: tuple[str, ...]) -> _Book:
        """Write a new book: threads may be reading the old one."""
        if len(book.numbers) + len(codes) > MOST_REMEMBERED:
            book = _EMPTY
        fresh = [code for code in dict.fromkeys(codes) if code not in book.numbers]
        numbers = book.numbers | {
            code: number for number, code in enumerate(fresh, len(book.numbers))
        }
        fed = [self._look_up(code) for code in fresh]
        ends = book.start[-1] + np.cumsum([len(series) for series, _ in fed], dtype=np.int32)
        series = [number for one, _ in fed for number in one]
        category = [position for _, one in fed for position in one]
        learnt = _Book.of(
            numbers,
            np.concatenate([book.start, ends]).astype(np.int32),
            np.concatenate([book.series, np.array(series, np.int32)]),
            np.concatenate([book.category, np.array(category, np.int32)]),
        )
        self.books.append(learnt)
        return learnt

    def _look_up(self, code: str) -> Feed:
        """Series that a code feeds, and its category in each."""
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
    reads = [_READS[feature.read] for feature in feature_set.features]
    columns = (
        np.array(scope, np.int32),
        np.array(window, np.int64),
        np.array(feature_series, np.int32),
        np.array(reads, np.int32),
    )
    return Plan(*columns, feeds, (*(address(column) for column in columns), len(numbers)))


def _microseconds(feature: Feature) -> int:
    return 0 if feature.window_hours is None else round(feature.window_hours * HOUR)
