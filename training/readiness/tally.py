"""One pass over the events: what is there, when it became known, what cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import DAY, HOUR, local_day
from feature_store.events import NO_SPELL, NO_TIME, Events, Int64
from feature_store.spells import find_spells
from feature_store.vocabulary import FAMILIES, SPELL_START, family_of
from training.survey import Survey

DELAYS: Final = (0.25, 1.0, 4.0, 24.0, 72.0)
"""Hours at which recording delays are counted."""

LONGEST_DAYS: Final = 730
_EARLY: Final = -DAY


@dataclass(slots=True)
class Tally:
    """Counts over all shards.

    Parameters
    ----------
    spells : Counter
        By (month, site): spells in scope.
    seen : Counter
        By (family, month, site): of those, spells with a fact of the family.
    delays : dict
        Family to counts of events by delay, in the bands of ``DELAYS``.
    faults : Counter
        Kind of fault to events or spells.
    events : int
    """

    spells: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    delays: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0


def tally(found: Survey) -> Tally:
    """Count everything once, shard by shard."""
    told = Tally()
    month = _months(found.spells.start)
    for shard, _ in found.shards():
        events = shard.current()
        told.events += len(events)
        _count_presence(told, events, found, month)
        _count_delays(told, events)
        _count_faults(told, events, until=found.until)
    told.spells.update(zip(month.tolist(), found.site.tolist(), strict=True))
    return told


def _months(moments: Int64) -> NDArray[Any]:
    return local_day(moments).astype("datetime64[D]").astype("datetime64[M]").astype(str)


def _of_families(events: Events) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    of_code = np.array([family_of(code) for code in events.codes] or [""])
    for family in sorted(set(of_code.tolist())):
        yield family, np.isin(events.code, np.flatnonzero(of_code == family))


def _count_presence(told: Tally, events: Events, found: Survey, month: NDArray[Any]) -> None:
    for family, rows in _of_families(events):
        has = np.unique(events.spell_id[rows & (events.spell_id != NO_SPELL)])
        place = np.searchsorted(found.spells.spell_id, has)
        place = place[place < len(found.spells)]
        here = np.isin(found.spells.spell_id[place], has)
        kept = np.unique(place[here])
        pairs = zip(month[kept].tolist(), found.site[kept].tolist(), strict=True)
        told.seen.update((family, *pair) for pair in pairs)


def _count_delays(told: Tally, events: Events) -> None:
    timed = events.time != NO_TIME
    hours = (events.recorded_at - np.where(timed, events.time, events.recorded_at)) / HOUR
    for family, rows in _of_families(events):
        band = np.searchsorted(DELAYS, hours[rows & timed], side="left")
        counted = np.bincount(band, minlength=len(DELAYS) + 1)
        told.delays[family] = told.delays.get(family, np.zeros_like(counted)) + counted


def _count_faults(told: Tally, events: Events, *, until: int) -> None:
    timed = events.time != NO_TIME
    faults = told.faults
    keys = [getattr(events, name) for name in ("subject_id", "time", "code", "spell_id")]
    rows = np.column_stack([*keys, events.numeric_value.view(np.int32)])
    faults["events said twice"] += len(events) - np.unique(rows, axis=0).shape[0]
    faults["recorded before they happened"] += int(
        (timed & (events.recorded_at < events.time)).sum()
    )
    faults["after the end of the data"] += int((timed & (events.time > until)).sum())
    spells = find_spells(events)
    stay = spells.length_of_stay_days[spells.ended]
    faults[f"stays of more than {LONGEST_DAYS} nights"] += int((stay > LONGEST_DAYS).sum())
    faults["spells of one patient that overlap"] += _overlaps(spells.subject_id, spells)
    before = _before_admission(events, spells)
    faults["facts of a spell a day or more before its admission"] += before
    faults["values outside the plausible range"] += _implausible(events)


def _overlaps(subject: Int64, spells: Any) -> int:
    order = np.lexsort((spells.start, subject))
    same = subject[order][1:] == subject[order][:-1]
    return int((same & (spells.start[order][1:] < spells.end[order][:-1])).sum())


def _before_admission(events: Events, spells: Any) -> int:
    rows = (events.spell_id != NO_SPELL) & (events.time != NO_TIME)
    place = np.searchsorted(spells.spell_id, events.spell_id[rows])
    known = place < len(spells)
    start = np.full(place.size, np.iinfo(np.int64).min)
    start[known] = spells.start[place[known]]
    mine = known & (spells.spell_id[np.minimum(place, len(spells) - 1)] == events.spell_id[rows])
    opens = events.rows_of(SPELL_START)[rows]
    return int((mine & ~opens & (events.time[rows] - start < _EARLY)).sum())


def _implausible(events: Events) -> int:
    count = 0
    for position, code in enumerate(events.codes):
        family = FAMILIES.get(family_of(code))
        if family is None or not np.isfinite([family.low, family.high]).any():
            continue
        values = events.numeric_value[events.code == position]
        count += int(((values < family.low) | (values > family.high)).sum())
    return count
