"""Numbers as people say them: "7 in 10", never a bare decimal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from feature_store.vocabulary import LONG_STAY_DAYS, TIME_ZONE

_LOCAL: Final = ZoneInfo(TIME_ZONE)
_FEW, _MOST = 0.05, 0.95
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def in_ten(chance: float) -> str:
    """A chance as a natural frequency; the ends are not rounded to certainty.

    >>> in_ten(0.71), in_ten(0.02), in_ten(0.97)
    ('7 in 10', 'fewer than 1 in 20', 'more than 19 in 20')

    References
    ----------
    Gigerenzer & Edwards 2003, BMJ 327:741 (natural frequencies are understood, percentages not).
    """
    if chance < _FEW:
        return "fewer than 1 in 20"
    if chance > _MOST:
        return "more than 19 in 20"
    return f"{tenths(chance)} in 10"


def next_horizon(score: Mapping[str, Any]) -> int | None:
    """First horizon that the stay has not reached and for which there is a chance.

    >>> next_horizon({"days_so_far": 8, "probability": {"7": 1.0, "14": 0.4, "21": None}})
    14
    """
    for days in LONG_STAY_DAYS:
        if days > score["days_so_far"] and score["probability"].get(str(days)) is not None:
            return days
    return None


def headline(score: Mapping[str, Any]) -> str:
    """What the score says, in one line.

    >>> headline({"days_so_far": 2, "probability": {"7": 0.71, "14": 0.4, "21": 0.2}})
    '7 in 10 patients like this stay 7 or more nights'
    """
    days = next_horizon(score)
    if days is None:
        return f"In hospital for {nights(score['days_so_far'])} already"
    chance = in_ten(score["probability"][str(days)])
    return f"{chance} patients like this stay {days} or more nights"


def nights(count: int) -> str:
    """A length of stay.

    >>> nights(0), nights(1), nights(12)
    ('no nights', '1 night', '12 nights')
    """
    if count == 0:
        return "no nights"
    return "1 night" if count == 1 else f"{count} nights"


def leaves(day: Mapping[str, int | None]) -> str:
    """The discharge range in words.

    >>> leaves({"p10": 4, "p50": 9, "p90": 27})
    '8 in 10 leave between day 4 and day 27, half by day 9'
    >>> leaves({"p10": 4, "p50": None, "p90": None})
    '9 in 10 are still here on day 4; beyond that cannot be told'
    """
    first, half, last = day["p10"], day["p50"], day["p90"]
    if first is None:
        return "The day of leaving cannot be told"
    if half is None:
        return f"9 in 10 are still here on day {first}; beyond that cannot be told"
    if last is None:
        return f"9 in 10 are still here on day {first}, half leave by day {half}"
    return f"8 in 10 leave between day {first} and day {last}, half by day {half}"


def leaves_shortly(day: Mapping[str, int | None]) -> str:
    """The discharge range beside its bar.

    >>> leaves_shortly({"p10": 4, "p50": 9, "p90": 27})
    'Leaves day 4 to 27, half by 9'
    >>> leaves_shortly({"p10": 4, "p50": 9, "p90": None})
    'Leaves day 4 or later, half by 9'
    >>> leaves_shortly({"p10": None, "p50": None, "p90": None})
    'Day of leaving cannot be told'
    """
    first, half, last = day["p10"], day["p50"], day["p90"]
    if first is None:
        return "Day of leaving cannot be told"
    end = "or later" if last is None else f"to {last}"
    return f"Leaves day {first} {end}" + ("" if half is None else f", half by {half}")


def reason(label: str, value: str) -> str:
    """A reason and what it was, as a ward would say it.

    >>> reason("Therapy referral, hours since", "116.4 h"), reason("Age", "84 years")
    ('Therapy referral, 4 days ago', 'Age: 84 years')
    >>> reason("Hours since admission", "136.3 h")
    'Admitted, 5 days ago'
    >>> reason("Lactate, hours since last taken", "5.2 h"), reason("Known dementia", "")
    ('Lactate, last taken 5 hours ago', 'Known dementia')
    """
    what, _, since = label.partition(", hours since")
    hours = value.removesuffix(" h")
    if label == "Hours since admission":
        what = "Admitted"
    if what != label and hours != value and hours.replace(".", "", 1).isdigit():
        taken = f"{since.strip()} " if since else ""
        return f"{what}, {taken}{age(float(hours) * HOUR)} ago"
    return f"{label}: {value}" if value else label


def tenths(chance: float) -> float:
    """How many of ten dots to fill; the ends stay short of certainty.

    >>> tenths(0.71), tenths(0.02), tenths(0.97)
    (7, 0.5, 9.5)
    """
    if chance < _FEW or chance > _MOST:
        return 0.5 if chance < _FEW else 9.5
    return min(max(round(chance * 10), 1), 9)


def age(seconds: float) -> str:
    """How old data are.

    >>> age(40), age(720), age(3 * 3600), age(3 * 86400)
    ('less than a minute', '12 minutes', '3 hours', '3 days')
    """
    if seconds < MINUTE:
        return "less than a minute"
    for size, name, until in ((MINUTE, "minute", HOUR), (HOUR, "hour", 2 * DAY)):
        if seconds < until:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{int(seconds // DAY)} days"


def moment(text: str | None) -> str:
    """A moment on the clocks of the ward.

    >>> moment("2026-07-14T05:10:00Z"), moment(None)
    ('Tue 14 Jul 06:10', 'not known')
    """
    if text is None:
        return "not known"
    return f"{datetime.fromisoformat(text).astimezone(_LOCAL):%a %d %b %H:%M}"


def day(text: str | None) -> str:
    """The day of a moment on the calendar of the ward; nothing where there is none.

    >>> day("2026-07-14T05:10:00Z"), day(None)
    ('Tue 14 Jul', '')
    """
    found = local_day(text)
    return "" if found is None else f"{found:%a %d %b}"


def local_day(text: str | None) -> date | None:
    """The same as a date."""
    return None if text is None else datetime.fromisoformat(text).astimezone(_LOCAL).date()
