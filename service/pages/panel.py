"""From a patient's record to what the patient's page shows: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from feature_store.vocabulary import LONG_STAY_DAYS
from service.pages import view, wording
from service.pages.desk import Json, Patient

LEFT, RIGHT, FLOOR, HEIGHT = 60.0, 560.0, 150.0, 140.0
MOST_REASONS: Final = 3
MOST_EVENTS: Final = 30
MOST_TICKS: Final = 5


def panel(patient: Patient, meanings: Mapping[str, str]) -> dict[str, Any]:
    """Everything that the page shows of a patient.

    Parameters
    ----------
    patient : Patient
    meanings : mapping of str to str
        Code of a verdict, reason or action to its words.
    """
    reasons = patient.entry["score"]["reasons"]
    return {
        "one": view.row(patient.entry),
        "groups": [
            ("Act on", _with_events(view.act_on(reasons), patient.events)),
            ("Background", _with_events(view.background(reasons), patient.events)),
        ],
        "history": [_past(score) for score in patient.history],
        "lines": lines(patient.history),
        "ticks": ticks(patient.history),
        "said": [_said(item, meanings) for item in patient.feedback],
        "synthetic": patient.synthetic,
    }


def lines(history: Sequence[Json]) -> list[dict[str, Any]]:
    """Chance of each horizon through the stay, as points of a drawing."""
    return [_line(history, days) for days in LONG_STAY_DAYS]


def ticks(history: Sequence[Json]) -> list[dict[str, Any]]:
    """Days below the drawing: the first, the last and some between."""
    every = max(len(history) // MOST_TICKS, 1)
    chosen = {*range(0, max(len(history) - every, 1), every), len(history) - 1}
    return [
        {
            "x": round(_across(place, history), 1),
            "day": wording.day(history[place]["prediction_time"]),
        }
        for place in sorted(chosen)
        if history
    ]


def _across(place: int, history: Sequence[Json]) -> float:
    return LEFT + place * (RIGHT - LEFT) / max(len(history) - 1, 1)


def _line(history: Sequence[Json], days: int) -> dict[str, Any]:
    known = [
        (place, score["probability"][str(days)])
        for place, score in enumerate(history)
        if score["probability"].get(str(days)) is not None
    ]
    at = [(_across(place, history), FLOOR - HEIGHT * chance) for place, chance in known]
    last = at[-1] if at else (LEFT, FLOOR)
    return {
        "days": days,
        "dots": [(round(x, 1), round(y, 1)) for x, y in at],
        "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in at),
        "x": round(last[0] + 4, 1),
        "y": round(last[1] + 4, 1),
    }


def _with_events(reasons: Sequence[Json], events: Sequence[Json]) -> list[dict[str, Any]]:
    """Reasons, each with the facts of its family that it can rest on, newest first."""
    return [
        {
            **reason,
            "text": wording.reason(reason["label"], reason["value"]),
            "events": [
                {
                    "what": event["what"],
                    "value": event["value"],
                    "time": wording.moment(event["time"]),
                    "known": wording.moment(event["recorded_at"]),
                }
                for event in reversed(events)
                if event["family"] == reason.get("family")
            ][:MOST_EVENTS],
        }
        for reason in reasons
    ]


def _past(score: Json) -> dict[str, Any]:
    return {
        "at": wording.moment(score["prediction_time"]),
        "nights": score["days_so_far"],
        "said": [said for _, said in view.horizons(score)],
        "reasons": "; ".join(
            wording.reason(one["label"], one["value"]) for one in score["reasons"][:MOST_REASONS]
        ),
        "model": score["model_version"] or "",
    }


def _said(item: Json, meanings: Mapping[str, str]) -> dict[str, str]:
    codes = (item["verdict"], item["reason"], item["action"])
    words = [meanings.get(code, code) for code in codes if code]
    return {"at": wording.moment(item["given_at"]), "text": "; ".join(words)}
