"""From the worklist's answer to what a page shows: pure, no clock, no request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from feature_store.vocabulary import FAMILIES, LONG_STAY_DAYS
from service.pages import beds, wording

CHART_NIGHTS: Final = 42
"""Right end of the bar of the discharge range; what lies beyond is drawn to the edge."""

CHANGES: Final[Mapping[str, str]] = {
    "new": "New",
    "rising": "Rising",
    "falling": "Falling",
}
"""What is worth a word; a steady risk is not."""
MOST_ACTIONS: Final = 2
MOST_BACKGROUND: Final = 2
MOST_MISSING: Final = 3
SOON_DAYS: Final = 3
"""Of a short look ahead at the beds that long stays hold."""


def row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One inpatient as a row of the list.

    Parameters
    ----------
    entry : mapping
        One of ``entries`` of ``GET /v1/worklist``.
    """
    score = entry["score"]
    told = score["reasons"]
    return {
        "rank": entry["rank"],
        "listed": entry["within_capacity"],
        "awaiting": entry["section"] == "awaiting_discharge",
        "spell": entry["spell_id"],
        "site": entry["site"] or "",
        "ward": entry["ward"] or "",
        "bed": entry["bed"] or "",
        "nights": score["days_so_far"],
        "band": score["band"],
        "headline": wording.headline(score),
        "chance": next_chance(score),
        "horizons": horizons(score),
        "later": later(score),
        "bar": bar(score),
        "leaves": wording.leaves(score["discharge_day"]),
        "leaves_shortly": wording.leaves_shortly(score["discharge_day"]),
        "tenths": tenths(score),
        "before": before(entry),
        "change": CHANGES.get(entry["change"] or "", ""),
        "ready_days": entry["days_since_ready"],
        "expected_day": wording.day(entry["expected_discharge_at"]),
        "overdue": is_overdue(entry),
        "act_on": [_told(one) for one in act_on(told)[:MOST_ACTIONS]],
        "acts_more": max(len(act_on(told)) - MOST_ACTIONS, 0),
        "background": [_told(one) for one in background(told)[:MOST_BACKGROUND]],
        "missing": [_label(family) for family in score["missing"][:MOST_MISSING]],
        "feedback": entry["feedback"],
        "score_id": score["score_id"],
        "completeness": round(score["completeness"] * 10),
    }


def is_overdue(entry: Mapping[str, Any]) -> bool:
    """Whether the day on which staff expected the patient to leave is over."""
    expected = wording.local_day(entry["expected_discharge_at"])
    now = wording.local_day(entry["score"]["prediction_time"])
    return expected is not None and now is not None and expected < now


def _told(reason: Mapping[str, Any]) -> dict[str, Any]:
    return {**reason, "text": wording.reason(reason["label"], reason["value"])}


def tenths(score: Mapping[str, Any]) -> float | None:
    """Dots to fill for the next horizon; None once none is left."""
    days = wording.next_horizon(score)
    return None if days is None else wording.tenths(score["probability"][str(days)])


def before(entry: Mapping[str, Any]) -> str:
    """What was said of the same horizon yesterday morning, where that is another word.

    >>> score = {"days_so_far": 2, "probability": {"7": 0.7}}
    >>> before({"score": score, "probability_yesterday": {"7": 0.4}})
    '4 in 10'
    >>> before({"score": score, "probability_yesterday": None})
    ''
    """
    days = wording.next_horizon(entry["score"])
    chance = (entry["probability_yesterday"] or {}).get(str(days))
    said = "" if chance is None else wording.in_ten(chance)
    return "" if said == wording.in_ten(entry["score"]["probability"].get(str(days), 1.0)) else said


def _label(family: str) -> str:
    """A family in ward words."""
    known = FAMILIES.get(family)
    return family if known is None else known.label


def next_chance(score: Mapping[str, Any]) -> float:
    """Chance of passing the next horizon, to sort by; 1 once none is left."""
    days = wording.next_horizon(score)
    return 1.0 if days is None else float(score["probability"][str(days)])


def horizons(score: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Every horizon and what is to be said of it.

    >>> horizons({"days_so_far": 8, "probability": {"7": 1.0, "14": 0.42, "21": None}})
    [(7, 'passed'), (14, '4 in 10'), (21, 'cannot be told')]
    """
    said = []
    for days in LONG_STAY_DAYS:
        chance = score["probability"].get(str(days))
        if days <= score["days_so_far"]:
            said.append((days, "passed"))
        else:
            said.append((days, "cannot be told" if chance is None else wording.in_ten(chance)))
    return said


def later(score: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Horizons beyond the one that the headline speaks of.

    >>> later({"days_so_far": 8, "probability": {"7": 1.0, "14": 0.42, "21": 0.2}})
    [(21, '2 in 10')]
    """
    first = wording.next_horizon(score)
    return [one for one in horizons(score) if first is not None and one[0] > first]


def bar(score: Mapping[str, Any]) -> dict[str, float | None]:
    """Places of the discharge range on a scale of 0 to 100, for a small drawing."""
    day = score["discharge_day"]

    def place(nights: int | None) -> float | None:
        return None if nights is None else round(100 * min(nights, CHART_NIGHTS) / CHART_NIGHTS, 1)

    start = place(day["p10"])
    end = place(day["p90"])
    return {
        "now": place(score["days_so_far"]),
        "start": start,
        "width": None if start is None else round((100.0 if end is None else end) - start, 1),
        "half": place(day["p50"]),
    }


def act_on(reasons: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Reasons that lengthen the stay and that a ward or hub can act on."""
    return [one for one in reasons if one["actionable"] and one["direction"] == "longer"]


def background(reasons: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every other reason."""
    taken = act_on(reasons)
    return [one for one in reasons if one not in taken]


def worklist(
    answer: Mapping[str, Any], row: Callable[[Mapping[str, Any]], Mapping[str, Any]] = row
) -> dict[str, Any]:
    """The whole list, in its two sections, with what surrounds it."""
    rows = [row(entry) for entry in answer["entries"]]
    scores = [entry["score"] for entry in answer["entries"]]
    data = answer["data"]
    return {
        "at": wording.moment(answer["at"]),
        "age": None if data["age_seconds"] is None else wording.age(data["age_seconds"]),
        "stale": data["stale"],
        "model": answer["model"],
        "site": answer["site"],
        "ward": answer["ward"],
        "capacity": answer["capacity"],
        "inpatients": answer["inpatients"],
        "at_risk": [one for one in rows if not one["awaiting"]],
        "awaiting": [one for one in rows if one["awaiting"]],
        "listed": sum(one["listed"] and not one["awaiting"] for one in rows),
        "moved": sum(one["change"] in {"New", "Rising"} for one in rows),
        "long_now": sum(score["days_so_far"] >= LONG_STAY_DAYS[0] for score in scores),
        "long_soon": beds.beds_on(scores, LONG_STAY_DAYS[0], SOON_DAYS),
        "refused": answer["refused"],
        "wards": sorted({one["ward"] for one in rows if one["ward"]}),
        "sites": sorted({one["site"] for one in rows if one["site"]}),
    }
