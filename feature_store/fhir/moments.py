"""Dates and times of FHIR elements to UTC microseconds; never earlier than the element says."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from feature_store.clock import to_microseconds
from feature_store.errors import BadInput
from feature_store.vocabulary import TIME_ZONE

_YEARS: Final = range(1900, 2101)
_ZONE: Final = ZoneInfo(TIME_ZONE)


def exact(value: Any, place: str) -> int:
    """Moment of a time with offset, in UTC microseconds.

    Raises
    ------
    BadInput
        A date without a time, or a year that no record has.
    """
    if not isinstance(value, datetime) or value.tzinfo is None:
        kind = _kind(value)
        msg = f"{place}: a time with offset expected, found {kind}"
        raise BadInput(msg)
    check_year(value, place)
    return to_microseconds(value)


def latest(value: Any, place: str) -> int:
    """Last moment that a time, or a date of any precision, can mean, in UTC microseconds.

    >>> latest(date(2026, 1, 14), "Condition.recordedDate") == to_microseconds(
    ...     datetime(2026, 1, 15, tzinfo=_ZONE)
    ... )
    True

    Raises
    ------
    BadInput
        A year that no record has.
    """
    if isinstance(value, datetime):
        return exact(value, place)
    if isinstance(value, str):
        value = _last_day(value, place)
    if not isinstance(value, date):
        kind = _kind(value)
        msg = f"{place}: a date or a time with offset expected, found {kind}"
        raise BadInput(msg)
    check_year(value, place)
    return to_microseconds(datetime.combine(value + timedelta(days=1), time(), _ZONE))


def check_year(value: date, place: str) -> None:
    """Refuse a year that no record of a patient now alive or lately treated has.

    Raises
    ------
    BadInput
    """
    if value.year not in _YEARS:
        msg = f"{place}: a year from {_YEARS.start} to {_YEARS.stop - 1} expected, found another"
        raise BadInput(msg)


def _last_day(text: str, place: str) -> date:
    """Last day of ``YYYY`` or ``YYYY-MM``."""
    try:
        year, _, month = text.partition("-")
        first = date(int(year), int(month or 12), 1)
        return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    except (ValueError, OverflowError) as error:
        msg = f"{place}: a date of FHIR expected, found something else"
        raise BadInput(msg) from error


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a date" if isinstance(value, date | str) else type(value).__name__
