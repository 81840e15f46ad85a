"""Local times of any zone to moments, with a stated rule for the nights the clocks change.

In autumn an hour happens twice: a local time in it is *ambiguous* and means the first or the second
of its two moments. In spring an hour does not happen: a local time in it is *nonexistent* and is
read with the offset that held before the change (01:30 is the moment an hour after 00:30).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from feature_store.clock import DAY
from feature_store.events import NO_TIME

if TYPE_CHECKING:
    from feature_store.events import Int64
    from feature_store.ingest.rows import Mask

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock, on purpose
_MICROSECOND = timedelta(microseconds=1)


def to_utc(wall: Int64, zone: str) -> tuple[Int64, Int64, Mask]:
    """Moments of local wall-clock times.

    Parameters
    ----------
    wall : ndarray of int64, shape (n,)
        Microseconds since 1970 on the wall clock, years 1 to 9998; ``NO_TIME`` stays.
    zone : str
        IANA name.

    Returns
    -------
    first, second : ndarray of int64, shape (n,)
        UTC microseconds; they differ where the time is ambiguous. A nonexistent time has the
        offset before the change in both.
    nonexistent : ndarray of bool, shape (n,)
    """
    place = ZoneInfo(zone)
    first, second = wall.copy(), wall.copy()
    nonexistent = np.zeros(wall.size, dtype=bool)
    known = wall != NO_TIME
    days, day_of = np.unique(wall[known] // DAY, return_inverse=True)
    offsets = [_offsets_of_day(int(day), place) for day in days]
    quiet = np.array([len(found) == 1 for found in offsets], dtype=bool)
    constant = np.array([next(iter(found)) for found in offsets], dtype=np.int64)
    rows = np.flatnonzero(known)
    calm = rows[quiet[day_of]]
    first[calm] = second[calm] = wall[calm] - constant[day_of[quiet[day_of]]]
    for row in rows[~quiet[day_of]]:  # two days a year
        first[row], second[row], nonexistent[row] = _one(int(wall[row]), place)
    return first, second, nonexistent


def _offset(wall: int, place: ZoneInfo, fold: int) -> int:
    local = (_EPOCH + wall * _MICROSECOND).replace(tzinfo=place, fold=fold)
    offset = local.utcoffset()
    return 0 if offset is None else offset // _MICROSECOND


def _offsets_of_day(day: int, place: ZoneInfo) -> set[int]:
    """Offsets at both ends of a local day: one, unless the clocks change."""
    return {_offset(day * DAY + end, place, fold) for end in (0, DAY) for fold in (0, 1)}


def _one(wall: int, place: ZoneInfo) -> tuple[int, int, bool]:
    before, after = _offset(wall, place, 0), _offset(wall, place, 1)
    if after > before:  # spring: what fold=0 says is the offset before the change
        return wall - before, wall - before, True
    return wall - before, wall - after, False
