"""Numbers as people say them: "7 in 10", never a bare decimal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
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
    return f"{min(max(round(chance * 10), 1), 9)} in 10"


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
