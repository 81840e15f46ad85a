"""Times of HL7 v2 to moments: local unless an offset is said."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from feature_store.clock import to_microseconds
from feature_store.vocabulary import TIME_ZONE

_ZONE: Final = ZoneInfo(TIME_ZONE)
_TIME = re.compile(
    r"(?P<day>\d{8})(?:(?P<hour>\d\d)(?P<minute>\d\d)?(?:(?P<second>\d\d)(?:\.(?P<part>\d{1,6}))?)?)?"
    r"(?P<offset>[+-]\d{4})?",
    re.ASCII,
)


def to_utc(text: str) -> int | None:
    """UTC microseconds of an HL7 time, or None where it is none; a day alone is its midnight.

    Without an offset it is the wall clock of Europe/London. Of the hour that happens twice in
    autumn the first is meant; a time in the hour that spring leaves out has the offset before the
    change: such a clock had not been put forward yet.

    References
    ----------
    HL7 v2.4, 2.9.47: YYYY[MM[DD[HHMM[SS[.S[S[S[S]]]]]]]][+/-ZZZZ].

    >>> to_utc("202607011000") == to_utc("20260701090000.0000+0000")
    True
    >>> to_utc("20260732"), to_utc("2026")
    (None, None)
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day = to_date(found["day"])
    if day is None:
        return None
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    part = int((found["part"] or "").ljust(6, "0"))
    try:
        clock = time(hour, minute, second, part, tzinfo=_zone(found["offset"]))
        return to_microseconds(datetime.combine(day, clock).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None) -> timezone | ZoneInfo:
    if offset is None:
        return _ZONE
    span = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return timezone(-span if offset[0] == "-" else span)


def to_date(text: str) -> date | None:
    """Calendar day at the head of an HL7 time, or None where there is none."""
    day = text[:8]
    if not (len(day) == len("YYYYMMDD") and day.isascii() and day.isdigit()):
        return None
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return None
