"""From a worklist to what is to be told: pure, and the same whoever looks and however often.

A notice's identifier is made of what it says, not of when it was noticed. So a second look, a
second process or a restart finds the same notices, and the outbox keeps each of them once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from feature_store.vocabulary import TIME_ZONE
from homeward.relay.tracker import Kind, Notice

Json = Mapping[str, Any]
_LOCAL: Final = ZoneInfo(TIME_ZONE)
_ID_DIGITS: Final = 32


def notices_of(
    worklist: Json, number_of: Callable[[str], int], turns: Mapping[int, int]
) -> list[Notice]:
    """Everything that a worklist gives reason to tell.

    Parameters
    ----------
    worklist : mapping
        Answer of ``GET /v1/worklist``, unfiltered.
    number_of : callable
        Pseudonym of a spell, by its name: what identifiers are made of may be seen by strangers.
    turns : mapping of int to int
        How often a spell was withdrawn so far; who came back is told of anew.
    """
    at = datetime.fromisoformat(worklist["at"])
    told = [_of_list(at)]
    for entry in worklist["entries"]:
        if entry["section"] == "stay_risk":
            spell = number_of(entry["spell_id"])
            told += _of_entry(entry, at, (spell, turns.get(spell, 0)))
    return told


def _of_list(at: datetime) -> Notice:
    hour = at.astimezone(_LOCAL).strftime("%Y-%m-%dT%H%z")
    return Notice(notice_id=_identifier(Kind.READY, hour), kind=Kind.READY, at=at)


def _of_entry(entry: Json, at: datetime, stay: tuple[int, int]) -> Iterator[Notice]:
    about = {key: entry[key] for key in ("spell_id", "site")}
    about["score_id"] = entry["score"]["score_id"]
    if entry["score"]["band"] == "high" and _has_one_ahead(entry["score"]):
        identifier = _identifier(Kind.HIGH, *stay)
        yield Notice(notice_id=identifier, kind=Kind.HIGH, at=at, **about)
    if entry["change"] == "rising":
        identifier = _identifier(Kind.RISING, *stay, at.astimezone(_LOCAL).date())
        yield Notice(notice_id=identifier, kind=Kind.RISING, at=at, **about)


def _has_one_ahead(score: Json) -> bool:
    """Whether a horizon is still to come: who passed the last is no news."""
    so_far = score["days_so_far"]
    return any(
        int(days) > so_far and chance is not None for days, chance in score["probability"].items()
    )


def withdrawal(spell_id: str, stay: tuple[int, int], *, at: datetime, site: str | None) -> Notice:
    """Notice that a spell which was told of does not exist.

    Parameters
    ----------
    spell_id : str
    stay : (int, int)
        Pseudonym, and how often it was withdrawn before.
    at : datetime
    site : str or None
    """
    identifier = _identifier(Kind.WITHDRAWN, *stay)
    return Notice(notice_id=identifier, kind=Kind.WITHDRAWN, at=at, spell_id=spell_id, site=site)


def _identifier(*about: object) -> str:
    """Letters and digits alone: a dot would move the borders of what is signed.

    >>> _identifier("risk.high", 7, 0) == _identifier("risk.high", 7, 0)
    True
    """
    told = "\0".join(map(str, about)).encode()
    return f"msg_{hashlib.sha256(told).hexdigest()[:_ID_DIGITS]}"
