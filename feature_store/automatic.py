"""Features for codes nobody has described, derived from the data: any extract trains at once.

For each family of codes: numbers give latest, lowest, highest, change, counts in windows and time
since; a value gives its latest category; families with many values at once (diagnoses, drugs) give
a count and a flag for each common value. Outcome families are never read from the same spell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from feature_store.compute import compute_features
from feature_store.definitions import CLOCK_READS, Feature, FeatureSet, Read, Scope
from feature_store.events import NO_SPELL, Events
from feature_store.manifest import Clock
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import (
    DISPLAY_FAMILIES,
    FAMILIES,
    OUTCOME_FAMILIES,
    PROTECTED_FAMILIES,
    SPELL_START,
    family_of,
    value_of,
)

LEAST_EVENTS: Final = 20
"""A value seen less often in the training events has no feature of its own."""

LEAST_IN_CATEGORY: Final = 5
"""A value of one category seen less often is 'other'. Low, as trees are given shrunken rates of the
values too (``models/encoding.py``): a rare one costs nothing, and many together say a lot."""

MOST_CATEGORIES: Final = 1000
MOST_FLAGS: Final = 60
MOST_MEASURES: Final = 60
MOST_FAMILIES: Final = 400
SEVERAL: Final = 1.5
"""Mean distinct values a spell from which a family is read as flags rather than as one category."""

_WINDOWS: Final = (24.0, 72.0)


UNREAD: Final = OUTCOME_FAMILIES | PROTECTED_FAMILIES | DISPLAY_FAMILIES | {SPELL_START}
"""Families nothing is derived from. Protected attributes serve to judge a model by group; a model
that learnt from them would pass on the waits that groups meet today."""


_TIMES_OF_DAY: Final = frozenset(
    {Read.DAYS_SO_FAR, Read.HOURS_SO_FAR, Read.ADMISSION_HOUR, Read.HOUR}
)
"""What a clock can tell that runs true within a patient and shares no calendar with others."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One family as it occurs in the training events."""

    family: str
    values: tuple[str, ...]  # commonest first
    numbers: bool
    repeats: float  # events a spell that has any
    several: bool


def derive_features(
    events: Events,
    snapshots: Snapshots,
    *,
    clock: Clock = Clock.EXACT,
    described: FeatureSet | None = None,
    labels: Mapping[str, tuple[str, str]] | None = None,
) -> FeatureSet:
    """Features that this data can fill: the described ones first, then derived ones.

    Parameters
    ----------
    events : Events
        Of training subjects only: what is chosen here is part of the fit.
    snapshots : Snapshots
        Training snapshots, to see which features are ever present and vary.
    clock : Clock
        Without timestamps the calendar and time-of-day features are left out.
    described : FeatureSet, optional
        Features written by hand (:data:`feature_store.nhs.NHS`); their families are not derived.
    labels : mapping of str to (str, str), optional
        Code to (description, unit).

    Returns
    -------
    FeatureSet
        Without features that are always missing or always the same in the training snapshots.
    """
    handmade = tuple(described.features) if described else ()
    told = {
        family_of(code)
        for feature in handmade
        for code in feature.codes
        if feature.scope is not Scope.HISTORY
    }
    derived = (
        feature
        for seen in _families(events.current())
        if seen.family not in told and seen.family not in UNREAD
        for feature in _derive(seen, clock, labels or {})
    )
    if clock is not Clock.EXACT:
        allowed = _TIMES_OF_DAY if clock.mornings else {Read.DAYS_SO_FAR}
        handmade = tuple(
            feature
            for feature in handmade
            if feature.read not in CLOCK_READS or feature.read in allowed
        )
    candidates = FeatureSet(tuple(_named_once((*handmade, *derived))))
    return candidates.take(_informative(events, snapshots, candidates))


def _named_once(features: Iterable[Feature]) -> Iterator[Feature]:
    """Two codes that differ only in punctuation would share a name: the later ones get a number."""
    taken: set[str] = set()
    for feature in features:
        name, turn = feature.name, 1
        while name in taken:
            turn += 1
            name = f"{feature.name}__{turn}"
        taken.add(name)
        yield replace(feature, name=name)


def _families(events: Events) -> Iterator[_Seen]:
    family = np.array([family_of(code) for code in events.codes])
    count = np.bincount(events.code, minlength=len(events.codes))
    numbered = np.bincount(
        events.code[~np.isnan(events.numeric_value)], minlength=len(events.codes)
    )
    size = {name: int(count[family == name].sum()) for name in np.unique(family)}
    # A fact of no spell (a sex, an ethnicity) stands for itself, by patient.
    owner = np.where(events.spell_id == NO_SPELL, ~events.subject_id, events.spell_id)
    owner = np.unique(owner, return_inverse=True)[1].ravel()
    told = owner * max(len(events.codes), 1) + events.code
    for name in sorted(sorted(size), key=lambda one: -size[one])[:MOST_FAMILIES]:
        members = np.flatnonzero(family == name)
        common = members[np.argsort(-count[members], kind="stable")]
        rows = np.isin(events.code, members)
        spells = np.unique(owner[rows]).size or 1
        several = np.unique(told[rows]).size / spells > SEVERAL
        numbers = bool(numbered[members].sum() * 2 > size[name])
        least = LEAST_EVENTS if several or numbers else LEAST_IN_CATEGORY
        yield _Seen(
            family=str(name),
            values=tuple(value_of(events.codes[code]) for code in common if count[code] >= least),
            numbers=numbers,
            repeats=size[name] / spells,
            several=several,
        )


def _derive(seen: _Seen, clock: Clock, labels: Mapping[str, tuple[str, str]]) -> Iterator[Feature]:
    if seen.numbers and any(seen.values):  # LAB//sodium, LAB//urea: each code is a measurement
        for value in seen.values[:MOST_MEASURES]:
            measure = _Series(f"{seen.family}//{value}", seen.family, labels)
            yield from _number(measure, repeated=seen.repeats > 1)
        return
    series = _Series(seen.family, seen.family, labels)
    if seen.numbers:
        yield from _number(series, repeated=seen.repeats > 1)
    elif any(seen.values):
        yield from _values(series, seen)
    yield from _times(series, seen, clock)


def _values(series: _Series, seen: _Seen) -> Iterator[Feature]:
    """One category, or a flag a value where a spell has several."""
    if not seen.several:
        yield series.feature("", "", Read.CATEGORY, categories=seen.values[:MOST_CATEGORIES])
        return
    for value in seen.values[:MOST_FLAGS]:
        flag = _Series(f"{seen.family}//{value}", seen.family, series.labels)
        yield flag.feature("", "", Read.COUNT)
        yield flag.feature("_before", ", before this stay", Read.COUNT, scope=Scope.HISTORY)


def _times(series: _Series, seen: _Seen, clock: Clock) -> Iterator[Feature]:
    """How often, and how long ago: only of what happens more than once a spell."""
    timed = clock.mornings and seen.repeats > 1
    if seen.several or timed:
        yield series.feature("_count", ", times", Read.COUNT)
    if timed:
        for hours in _WINDOWS:
            says = f", times in {hours:.0f} h"
            yield series.feature(f"_count_{hours:.0f}h", says, Read.COUNT, window_hours=hours)
        yield series.feature("_hours_since", ", hours since", Read.HOURS_SINCE, unit="h")


def _number(series: _Series, *, repeated: bool) -> Iterator[Feature]:
    unit = series.unit
    yield series.feature("", "", Read.LATEST, unit=unit)
    if repeated:
        yield series.feature("_minimum", ", lowest", Read.MINIMUM, unit=unit)
        yield series.feature("_maximum", ", highest", Read.MAXIMUM, unit=unit)
        yield series.feature("_change", ", change", Read.CHANGE, unit=unit)
    yield series.feature(
        "_before", ", before this stay", Read.LATEST, unit=unit, scope=Scope.HISTORY
    )


@dataclass(frozen=True, slots=True)
class _Series:
    """A family or a code, and what to call it."""

    code: str
    family: str
    labels: Mapping[str, tuple[str, str]]

    @property
    def unit(self) -> str:
        return self.labels.get(self.code, ("", ""))[1]

    def feature(self, suffix: str, says: str, read: Read, **more: Any) -> Feature:
        name = "".join(letter if letter.isalnum() else "_" for letter in self.code.lower())
        words = FAMILIES.get(self.family)
        told = self.labels.get(self.code, ("", ""))[0] or (words.label if words else "")
        label = told or self.code.replace("//", ": ").replace("_", " ").lower()
        label = label[:1].upper() + label[1:]
        return Feature(
            name=name + suffix,
            label=label + says,
            read=read,
            codes=(self.code,),
            concept=label,
            **more,
        )


def _informative(events: Events, snapshots: Snapshots, candidates: FeatureSet) -> list[int]:
    rows = np.linspace(0, len(snapshots) - 1, min(len(snapshots), 50_000)).astype(np.intp)
    matrix = compute_features(events, snapshots.take(rows), candidates)
    kept = []
    for column in range(len(candidates)):
        values = matrix[:, column]
        present = values[~np.isnan(values)]
        varies = present.size and (present.min() < present.max() or present.size < values.size)
        if varies:
            kept.append(column)
    return kept
