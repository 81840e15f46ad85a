"""Beds for made-up patients: people look for a bed, and the simulator knows of wards only."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import Final

import numpy as np

from feature_store.events import NO_SPELL, Events, concatenate
from feature_store.spells import STILL_HERE
from feature_store.vocabulary import SPELL_END, family_of

BEDS_IN_A_BAY: Final = 6
Visit = tuple[int, int, int]
"""From when, until when, and the row of the event that says so."""


def with_beds(events: Events) -> Events:
    """Add the lowest free bed to each move to a ward; a bed is free again when its patient left.

    Parameters
    ----------
    events : Events
        Of synthetic patients, each ward with as many beds as it takes.
    """
    visits = _visits(events)
    beds = {row: bed for ward in visits.values() for row, bed in _allotted(ward)}
    rows = sorted(beds)
    added = Events.build(
        subject_id=events.subject_id[rows],
        time=events.time[rows],
        code=[f"BED//{bed_name(beds[row])}" for row in rows],
        spell_id=events.spell_id[rows],
        recorded_at=events.recorded_at[rows],
    )
    return concatenate([events, added])


def bed_name(place: int) -> str:
    """Bay and bed.

    >>> bed_name(0), bed_name(7)
    ('A1', 'B2')
    """
    bay, bed = divmod(place, BEDS_IN_A_BAY)
    return f"{chr(ord('A') + bay % 26)}{bed + 1 + bay // 26 * BEDS_IN_A_BAY}"


def _visits(events: Events) -> dict[int, list[Visit]]:
    """Stays on wards, by the code of the ward."""
    is_ward = np.array([family_of(code) == "WARD" for code in events.codes], np.bool_)
    is_end = np.array([code == SPELL_END for code in events.codes], np.bool_)
    told = (is_ward | is_end)[events.code] & (events.spell_id != NO_SPELL)
    rows = np.flatnonzero(told)
    rows = rows[np.lexsort((is_end[events.code[rows]], events.time[rows], events.spell_id[rows]))]
    visits: dict[int, list[Visit]] = {}
    for row, after in pairwise([*rows.tolist(), -1]):
        ward = int(events.code[row])
        if is_ward[ward]:
            goes_on = after >= 0 and events.spell_id[after] == events.spell_id[row]
            until = int(events.time[after]) if goes_on else STILL_HERE
            visits.setdefault(ward, []).append((int(events.time[row]), until, row))
    return visits


def _allotted(visits: list[Visit]) -> list[tuple[int, int]]:
    """Row and bed of each visit to one ward."""
    free: list[int] = []
    taken: list[tuple[int, int]] = []
    allotted = []
    for start, until, row in sorted(visits):
        while taken and taken[0][0] <= start:
            heappush(free, heappop(taken)[1])
        bed = heappop(free) if free else len(taken)
        heappush(taken, (until, bed))
        allotted.append((row, bed))
    return allotted
