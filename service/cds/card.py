"""One score as one card: information, never an alarm.

References
----------
CDS Hooks 2.0.1 (HL7): cards have a summary of under 140 characters and an indicator; ours is always
``info``, because a chance of a long stay is never critical.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from service.pages import wording
from service.record.feedback import MEANINGS, Override

SERVICE: Final = "homeward-long-stay"
SYSTEM: Final = "urn:homeward"
LONGEST_SUMMARY: Final = 139
MOST_REASONS: Final = 3


def card(score: Mapping[str, Any], *, model_version: str | None, worklist: str) -> dict[str, Any]:
    """Card of a score.

    Parameters
    ----------
    score : mapping
        As one score of ``POST /v1/scores``.
    model_version : str or None
    worklist : str
        Address of the worklist page.
    """
    summary = f"{wording.headline(score)}."
    actions = [one["action"] for one in score["reasons"] if one["action"]]
    if actions and len(summary) + len(actions[0]) + 2 <= LONGEST_SUMMARY:
        summary = f"{summary} {actions[0]}."
    made = {
        "uuid": score["score_id"],
        "summary": summary[0].upper() + summary[1:LONGEST_SUMMARY],
        "indicator": "info",
        "detail": _detail(score, model_version),
        "source": {
            "label": "Homeward",
            "topic": {"system": f"{SYSTEM}:topic", "code": "long-stay-risk"},
        },
        "overrideReasons": [
            {"system": f"{SYSTEM}:override", "code": code.value, "display": MEANINGS[code]}
            for code in Override
        ],
        "links": [
            {
                "label": "Reasons and history",
                "url": f"{worklist}/score/{score['score_id']}",
                "type": "absolute",
            }
        ],
    }
    if actions:
        made |= {"selectionBehavior": "at-most-one", "suggestions": [_task(score, actions)]}
    return made


def _detail(score: Mapping[str, Any], model_version: str | None) -> str:
    """What the card says when it is opened; plain text, nothing that Markdown would read."""
    horizons = "; ".join(
        f"{days} or more nights: {wording.in_ten(chance)}"
        for days, chance in score["probability"].items()
        if chance is not None and int(days) > score["days_so_far"]
    )
    reasons = "; ".join(
        f"{one['label']} {one['value']} ({one['direction']})"
        for one in score["reasons"][:MOST_REASONS]
    )
    missing = ", ".join(score["missing"][:MOST_REASONS])
    parts = [
        horizons,
        wording.leaves(score["discharge_day"]),
        f"Associated with it: {reasons}" if reasons else "",
        f"Not known: {missing}" if missing else "",
        f"Model {model_version}, facts until {wording.moment(score['prediction_time'])}",
        "Supports planning; it does not decide on treatment or discharge.",
    ]
    return "\n\n".join(_plain(part) for part in parts if part)


def _plain(text: str) -> str:
    return "".join("\\" + one if one in "\\`*_{}[]<>#|~" else one for one in text)


def _task(score: Mapping[str, Any], actions: list[str]) -> dict[str, Any]:
    """A draft that staff may accept; nothing is created without them."""
    made = uuid.uuid5(uuid.NAMESPACE_URL, f"{SYSTEM}:suggestion:{score['score_id']}")
    encounter = {"identifier": {"system": f"{SYSTEM}:spell", "value": score["spell_id"]}}
    resource = {
        "resourceType": "Task",
        "status": "draft",
        "intent": "proposal",
        "description": "; ".join(dict.fromkeys(actions)),
        "encounter": encounter,
    }
    return {
        "label": "Draft a task for the discharge hub",
        "uuid": str(made),
        "isRecommended": False,
        "actions": [
            {"type": "create", "description": "A draft Task", "resource": resource},
        ],
    }


def worth_saying(score: Mapping[str, Any]) -> bool:
    """Whether there is anything to tell: a chance that is not low, of a horizon still ahead."""
    return wording.next_horizon(score) is not None and score["band"] != "low"
