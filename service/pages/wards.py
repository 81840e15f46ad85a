"""Wards and the site: how many, how risky, and which beds long stays will hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from feature_store.vocabulary import LONG_STAY_DAYS, TIME_ZONE
from service.pages import beds, view

BARS_HEIGHT, BARS_FLOOR, BAR_STEP, BAR_WIDTH = 80.0, 100.0, 44, 30
"""Of the drawing of beds ahead, in its own units."""


def beds_and_wards(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Beds that long stays will hold: the whole, and ward by ward.

    Parameters
    ----------
    answer : mapping
        Of ``GET /v1/worklist``.
    """
    entries = answer["entries"]
    scores = [entry["score"] for entry in entries]
    by_ward: dict[tuple[str, str], list[Any]] = {}
    for entry in entries:
        by_ward.setdefault((entry["site"] or "", entry["ward"] or ""), []).append(entry)
    first = datetime.fromisoformat(answer["at"]).astimezone(ZoneInfo(TIME_ZONE))
    return {
        "list": view.worklist(answer),
        "ahead": [_ahead(scores, horizon) for horizon in LONG_STAY_DAYS],
        "untold": beds.untold(scores),
        "days": [f"{first + timedelta(days=n):%a %d}" for n in range(1, beds.AHEAD_DAYS + 1)],
        "wards": [_ward(site, ward, of) for (site, ward), of in sorted(by_ward.items())],
    }


def _ahead(scores: Sequence[Mapping[str, Any]], horizon: int) -> dict[str, Any]:
    """Beds of one horizon, now and ahead, with the places of a drawing of them."""
    days = beds.long_stay_beds(scores, horizon)
    now = sum(score["days_so_far"] >= horizon for score in scores)
    most = max([now, *(one.high for one in days)], default=0) or 1

    def height(count: float) -> float:
        return round(BARS_HEIGHT * count / most, 1)

    bars = [
        {
            "x": place * BAR_STEP,
            "label": place * BAR_STEP + BAR_WIDTH / 2,
            "count": round(count),
            "height": height(count),
            "top": BARS_FLOOR - height(count),
            "low": BARS_FLOOR - height(low),
            "high": BARS_FLOOR - height(high),
        }
        for place, (count, low, high) in enumerate(
            [(now, now, now), *((one.expected, one.low, one.high) for one in days)]
        )
    ]
    return {"horizon": horizon, "now": now, "beds": days, "bars": bars}


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
        "soon": beds.beds_on(scores, shortest, view.SOON_DAYS),
    }
