"""Spells in scope as an evaluation needs them: by local day, by unit, with what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_day
from feature_store.compute import compute_features
from feature_store.dataset import Dataset
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import ADMISSION_METHODS, EMERGENCY_METHODS, family_of, value_of
from models.judging.groups import Grouping
from models.scope import ScopeRules
from training.facts import groupings, methods
from training.impact.panel import Int64
from training.split import NO_SITE
from training.survey import Survey, survey

CARE_HOMES: Final = frozenset({"54", "65", "85"})
"""Codes of source and of destination (NHS Data Dictionary)."""

GROUPINGS: Final = ("deprivation", "ethnicity")
NOWHERE: Final = -1
NOT_READY: Final = -1


class Level(StrEnum):
    """What a unit is."""

    SITE = "site"
    WARD = "ward"


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Times within spells, from one local day to another.

    A midnight counts if it lies after ``first`` and not after ``last``: as in a length of stay.

    Parameters
    ----------
    row : ndarray of int64, shape (n,)
        Of the spell.
    first, last : ndarray of int64, shape (n,)
    unit : ndarray of int64, shape (n,)
        Position in the units, ``NOWHERE`` for none.
    """

    row: Int64
    first: Int64
    last: Int64
    unit: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """One row a spell; days are local day numbers.

    Parameters
    ----------
    units : tuple of str
    subject, admitted, left : ndarray of int64, shape (n,)
        ``left`` is the last day of the data for whoever is still in hospital.
    open, died, emergency, from_care_home, to_care_home : ndarray of bool
    unit : ndarray of int64
        Where the patient was at the first midnight (or last, where there was none).
    ready : ndarray of int64
        Day on which criteria to reside were last lost; ``NOT_READY`` if never recorded.
    places, waits : Intervals
        Where each patient was; when without criteria to reside.
    groups : mapping of str to Grouping
    until : int
        Local day in which the data end.
    records_readiness : bool
    """

    units: tuple[str, ...]
    subject: Int64
    admitted: Int64
    left: Int64
    open: NDArray[np.bool_]
    died: NDArray[np.bool_]
    emergency: NDArray[np.bool_]
    from_care_home: NDArray[np.bool_]
    to_care_home: NDArray[np.bool_]
    unit: Int64
    ready: Int64
    places: Intervals
    waits: Intervals
    groups: Mapping[str, Grouping]
    until: int
    records_readiness: bool

    def __len__(self) -> int:
        """Return how many spells there are."""
        return int(self.subject.size)


@dataclass(frozen=True, slots=True, eq=False)
class _Marks:
    """Events of some families, with the row of their spell."""

    row: Int64
    time: Int64
    family: NDArray[np.str_]
    value: NDArray[np.str_]

    def of(self, *families: str) -> _Marks:
        """Those of these families, by spell and time."""
        kept = np.flatnonzero(np.isin(self.family, families))
        kept = kept[np.lexsort((self.time[kept], self.row[kept]))]
        return _Marks(self.row[kept], self.time[kept], self.family[kept], self.value[kept])


_FAMILIES: Final = (
    *("WARD", "DISCHARGE_READY", "CRITERIA_TO_RESIDE"),
    *("DISCHARGE_DESTINATION", "ADMISSION_SOURCE"),
)


def read_stays(dataset: Dataset, level: Level) -> Stays:
    """Read the spells of adults in ordinary admissions (the scope of every model).

    Raises
    ------
    BadInput
        No spell in scope.
    """
    return stays_of(survey(dataset, ScopeRules()), level)


def stays_of(found: Survey, level: Level) -> Stays:
    """Stays of spells already surveyed."""
    marks, groups, emergency = _second_pass(found)
    spells, until = found.spells, int(local_day(np.array([found.until]))[0])
    ended = spells.ended & (spells.end <= found.until)
    admitted = local_day(spells.start)
    left = np.where(ended, local_day(np.where(ended, spells.end, spells.start)), until)
    waits, ready = _waits(marks, left)
    if level is Level.WARD:
        units, places = _wards(marks, left)
    else:
        units, places = _sites(found.site, admitted, left)
    size = len(spells)
    return Stays(
        units=units,
        subject=spells.subject_id,
        admitted=admitted,
        left=left,
        open=~ended,
        died=spells.died & ended,
        emergency=emergency,
        from_care_home=_any(marks.of("ADMISSION_SOURCE"), CARE_HOMES, size),
        to_care_home=_any(marks.of("DISCHARGE_DESTINATION"), CARE_HOMES, size) & ended,
        unit=_first_night(places, admitted),
        ready=ready,
        places=places,
        waits=Intervals(waits.row, waits.first, waits.last, np.full(waits.row.size, NOWHERE)),
        groups=groups,
        until=until,
        records_readiness=bool(waits.row.size),
    )


def _second_pass(found: Survey) -> tuple[_Marks, dict[str, Grouping], NDArray[np.bool_]]:
    """Marks, groups and the manner of admission, shard by shard."""
    size = len(found.spells)
    members = {name: np.full(size, NOWHERE) for name in GROUPINGS}
    labels: dict[str, tuple[str, ...]] = {}
    emergency = np.zeros(size, bool)
    parts = []
    codes = list(ADMISSION_METHODS)
    urgent = [codes.index(code) for code in EMERGENCY_METHODS]
    for events, asked in found.shards():
        first = _last_of_each(asked)
        row = np.searchsorted(found.spells.spell_id, first.spell_id)
        facts = compute_features(events, first, found.told)
        emergency[row] = np.isin(methods(facts, found.told), urgent)
        for grouping in groupings(facts, found.told, first.days_so_far):
            if grouping.name in members:
                members[grouping.name][row] = grouping.member
                labels[grouping.name] = grouping.labels
        parts.append(_marks(events.current(), found))
    columns = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "time", "family", "value")
    )
    groups = {name: Grouping(name, labels[name], member) for name, member in members.items()}
    return _Marks(*columns), groups, emergency


def _last_of_each(asked: Snapshots) -> Snapshots:
    """Last snapshot of each spell: late facts of the person are known by then."""
    last = asked.spell_id.size - 1 - np.unique(asked.spell_id[::-1], return_index=True)[1]
    return asked.take(last)


def _marks(events: Events, found: Survey) -> _Marks:
    family = np.array([family_of(code) for code in events.codes] or [""])
    value = np.array([value_of(code) for code in events.codes] or [""])
    kept = np.isin(family[events.code], _FAMILIES) & np.isin(events.spell_id, found.spells.spell_id)
    chosen = events.take(kept & (events.visible_at <= found.until))
    return _Marks(
        row=np.searchsorted(found.spells.spell_id, chosen.spell_id).astype(np.int64),
        time=chosen.time,
        family=family[chosen.code],
        value=value[chosen.code],
    )


def _any(marks: _Marks, values: frozenset[str], size: int) -> NDArray[np.bool_]:
    told = np.zeros(size, bool)
    told[marks.row[np.isin(marks.value, list(values))]] = True
    return told


def _until_next(row: Int64, day: Int64, left: Int64) -> Int64:
    """Day of the next mark of the same spell, or of leaving."""
    last = left[row]
    if row.size > 1:
        same = row[1:] == row[:-1]
        last[:-1] = np.where(same, day[1:], last[:-1])
    return np.minimum(last, left[row])


def _waits(marks: _Marks, left: Int64) -> tuple[Intervals, Int64]:
    """Intervals without criteria to reside, and the day on which they were last lost."""
    told = marks.of("DISCHARGE_READY", "CRITERIA_TO_RESIDE")
    lost = (told.family == "DISCHARGE_READY") | (told.value == "N")
    day = local_day(told.time)
    last = _until_next(told.row, day, left)
    ready = np.full(left.size, NOT_READY)
    again = np.ones(lost.size, bool)
    again[1:] = (told.row[1:] != told.row[:-1]) | ~lost[:-1]
    # Of several marks in a row that say the same, the first is when it was lost.
    ready[told.row[lost & again]] = day[lost & again]
    final = np.ones(lost.size, bool)
    final[:-1] = told.row[1:] != told.row[:-1]
    ready[told.row[final & ~lost]] = NOT_READY
    kept = lost & (last > day)
    return Intervals(told.row[kept], day[kept], last[kept], np.full(kept.sum(), NOWHERE)), ready


def _sites(
    site: NDArray[np.str_], admitted: Int64, left: Int64
) -> tuple[tuple[str, ...], Intervals]:
    units = tuple(sorted(set(site.tolist()) - {NO_SITE}))
    unit = np.array([units.index(name) if name in units else NOWHERE for name in site.tolist()])
    return units, Intervals(np.arange(site.size), admitted, left, unit)


def _wards(marks: _Marks, left: Int64) -> tuple[tuple[str, ...], Intervals]:
    told = marks.of("WARD")
    units = tuple(sorted(set(told.value.tolist())))
    day = local_day(told.time)
    unit = np.searchsorted(np.array(units or ("",)), told.value)
    return units, Intervals(told.row, day, _until_next(told.row, day, left), unit)


def _first_night(places: Intervals, admitted: Int64) -> Int64:
    """Unit at the first midnight; the last unit of the first day for who left before it."""
    unit = np.full(admitted.size, NOWHERE)
    first = places.first <= admitted[places.row]
    unit[places.row[first]] = places.unit[first]  # the last of a day wins: rows are in time order
    return unit
