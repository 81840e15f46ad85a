"""Local midnights and mornings of UTC moments: the only place that knows about time zones."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from feature_store.events import NO_TIME, Int64
from feature_store.kernel import address, load
from feature_store.vocabulary import TIME_ZONE

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONE = ZoneInfo(TIME_ZONE)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC of an aware moment.

    >>> to_microseconds(datetime(1970, 1, 2, tzinfo=UTC)) == DAY
    True

    Raises
    ------
    ValueError
        For a naive moment: without a zone it is not a moment.
    """
    if moment.tzinfo is None:
        msg = "an aware moment expected, got one without a time zone"
        raise ValueError(msg)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_moment(microseconds: int) -> datetime:
    """Inverse of :func:`to_microseconds`, in UTC.

    >>> to_moment(DAY).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _offset(microseconds: int) -> int:
    offset = to_moment(microseconds).astimezone(_ZONE).utcoffset()
    if offset is None:  # pragma: no cover - a ZoneInfo always has one
        return 0
    return offset // timedelta(microseconds=1)


@lru_cache(maxsize=8)
def _changes(first_year: int, last_year: int) -> tuple[Int64, Int64]:
    """Moments at which the local offset changes, and the offset from each.

    Steps of four weeks find each change (no zone changes twice in so short a time), halving finds
    its second.
    """
    begin = to_microseconds(datetime(first_year, 1, 1, tzinfo=UTC))
    end = to_microseconds(datetime(last_year + 1, 1, 1, tzinfo=UTC))
    moments, offsets = [begin], [_offset(begin)]
    for left in range(begin, end, 28 * DAY):
        right = min(left + 28 * DAY, end)
        if _offset(right) == offsets[-1]:
            continue
        low, high = left, right
        while high - low > SECOND:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(middle) == offsets[-1] else (low, middle)
        moments.append(high // SECOND * SECOND)  # the one whole second in (low, high]
        offsets.append(_offset(right))
    return np.array(moments, np.int64), np.array(offsets, np.int64)


def local_microseconds(times: Int64) -> Int64:
    """Microseconds of the local wall clock; ``NO_TIME`` stays.

    Parameters
    ----------
    times : ndarray of int64
        UTC microseconds, any year that ``datetime`` can tell.
    """
    times = np.asarray(times, dtype=np.int64, order="C")
    local = np.empty_like(times, order="C")
    ends = (address(times), times.size)
    convert = load().homeward_local
    clock = latest_clock()  # held: another thread may put a new one in its place meanwhile
    if not convert(*ends, *clock.at, address(local)):
        clock = clock_for(times)
        convert(*ends, *clock.at, address(local))
    return local


@dataclass(frozen=True, slots=True, eq=False)
class WallClock:
    """Changes of the local offset, good for moments from ``first`` to ``last``.

    Parameters
    ----------
    changes, offsets : ndarray of int64
        UTC microseconds of each change, and the offset from there.
    at : tuple of int
        As the kernel takes it: addresses of both, how many, ``first`` and ``last``. Whoever hands
        them to it keeps the clock until it is done.
    """

    changes: Int64
    offsets: Int64
    at: tuple[int, ...]


def latest_clock() -> WallClock:
    """Return the clock used last: the next moments are likely to lie in it too."""
    return _latest[-1]


def clock_for(times: Int64) -> WallClock:
    """Make a clock of whole years around these moments; it is the latest from now on."""
    known = times[times != NO_TIME]
    first, last = (int(known.min()), int(known.max())) if known.size else (0, 0)
    years = max(to_moment(first).year - 1, MINYEAR + 1), min(to_moment(last).year + 1, MAXYEAR - 1)
    changes, offsets = _changes(*years)
    end = to_microseconds(datetime(years[1] + 1, 1, 1, tzinfo=UTC)) - 1
    ends = min(first, int(changes[0])), max(last, end)
    at = (address(changes), address(offsets), changes.size, *ends)
    made = WallClock(changes, offsets, at)
    _latest.append(made)
    return made


_latest: Final[deque[WallClock]] = deque(maxlen=1)
clock_for(np.zeros(1, np.int64))


def local_day(times: Int64) -> Int64:
    """Number of the local calendar day since 1970-01-01."""
    return local_microseconds(times) // DAY


def midnights_between(start: Int64, end: Int64) -> Int64:
    """Local midnights passed between two moments: the NHS way to count days of stay.

    >>> start = np.array([to_microseconds(datetime(2026, 3, 28, 23, 30, tzinfo=UTC))])
    >>> int(midnights_between(start, start + HOUR)[0])  # clocks go forward that night
    1
    """
    return local_day(end) - local_day(start)


def at_local_hour(day: Int64, hour: int) -> Int64:
    """UTC moment of ``hour``:00 on the wall clock of these local days.

    ``hour`` must be one that exists once on every day (in London: not 1).
    """
    wall = np.asarray(day, dtype=np.int64) * DAY + hour * HOUR
    guess = wall - (local_microseconds(wall) - wall)
    return wall - (local_microseconds(guess) - guess)


def local_hour(times: Int64) -> NDArray[np.float64]:
    """Hour of the local day, 0 to 24."""
    return (local_microseconds(times) % DAY) / HOUR


def local_weekday(times: Int64) -> Int64:
    """Local day of the week, Monday 0 (1970-01-01 was a Thursday)."""
    return (local_day(times) + 3) % 7
