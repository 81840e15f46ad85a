"""Wards and the site: how many, how risky, and which beds long stays will hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from feature_store.vocabulary import LONG_STAY_DAYS, TIME_ZONE
from service.pages import beds, view

SOON_DAYS: Final = 3


def beds_and_wards(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Beds that long stays will hold: the whole, and ward by ward.

    Parameters
    ----------
    answer : mapping
        Of ``GET /v1/worklist``.
    """
    entries = answer["entries"]
    scores = [entry["score"] for entry in entries]
    ahead, untold = [], 0
    for horizon in LONG_STAY_DAYS:
        days, left_out = beds.long_stay_beds(scores, horizon)
        untold = max(untold, left_out)
        now = sum(score["days_so_far"] >= horizon for score in scores)
        ahead.append({"horizon": horizon, "now": now, "beds": days})
    by_ward: dict[tuple[str, str], list[Any]] = {}
    for entry in entries:
        by_ward.setdefault((entry["site"] or "", entry["ward"] or ""), []).append(entry)
    first = datetime.fromisoformat(answer["at"]).astimezone(ZoneInfo(TIME_ZONE))
    return {
        "list": view.worklist(answer),
        "ahead": ahead,
        "untold": untold,
        "days": [f"{first + timedelta(days=n):%a %d}" for n in range(1, beds.AHEAD_DAYS + 1)],
        "wards": [_ward(site, ward, of) for (site, ward), of in sorted(by_ward.items())],
    }


def _ward(site: str, ward: str, entries: list[Any]) -> dict[str, Any]:
    scores = [entry["score"] for entry in entries]
    shortest = LONG_STAY_DAYS[0]
    return {
        "site": site,
        "ward": ward,
        "query": urlencode({"site": site, "ward": ward}),
        "scored": len(entries),
        "high": sum(score["band"] == "high" for score in scores),
        "rising": sum(entry["change"] in {"new", "rising"} for entry in entries),
        "ready": sum(entry["section"] == "awaiting_discharge" for entry in entries),
        "now": sum(score["days_so_far"] >= shortest for score in scores),
        "soon": beds.long_stay_beds(scores, shortest)[0][SOON_DAYS - 1],
    }
