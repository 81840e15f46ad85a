"""One score as one card: information, never an alarm.

References
----------
CDS Hooks 2.0.1 (HL7): cards have a summary of under 140 characters and an indicator; ours is always
``info``, because a chance of a long stay is never critical.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.fhir import words
from service.pages import wording
from service.record.feedback import MEANINGS, Override

SERVICE: Final = "homeward-long-stay"
SYSTEM: Final = words.SYSTEM
LONGEST_SUMMARY: Final = 139
MOST_REASONS: Final = 3
PURPOSE: Final = "Supports planning; it does not decide on treatment or discharge."
_MARKUP: Final = "\\`*_{}[]<>#|~&!:@"
_WWW: Final = "www."


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a card says besides the score.

    Parameters
    ----------
    model_version : str or None
    pages : str
        Address of the worklist page.
    encounter : dict
        Reference to the encounter that the record has open.
    patient : dict or None
        Reference to its patient, where the record said who it is.
    """

    model_version: str | None
    pages: str
    encounter: dict[str, Any]
    patient: dict[str, Any] | None = None


def card(score: Mapping[str, Any], around: Around, *, leaving: bool = False) -> dict[str, Any]:
    """Card of a score.

    Parameters
    ----------
    score : mapping
        As one score of ``POST /v1/scores``.
    around : Around
    leaving : bool
        Whether the patient is being discharged: then what is left to act on is said, no chance.
    """
    actions = actions_of(score)
    made = {
        "uuid": score["score_id"],
        "summary": _leaving(actions) if leaving else _staying(score, actions),
        "indicator": "info",
        "detail": _detail(score, around, leaving=leaving),
        "source": {
            "label": "Homeward",
            "url": f"{around.pages}/model",
            "topic": {"system": f"{SYSTEM}:topic", "code": "long-stay-risk"},
        },
        "overrideReasons": [
            {"system": f"{SYSTEM}:override", "code": code.value, "display": MEANINGS[code]}
            for code in Override
        ],
        "links": [
            {
                "label": "Reasons and history",
                "url": f"{around.pages}/score/{score['score_id']}",
                "type": "absolute",
            }
        ],
    }
    if actions:
        made["selectionBehavior"] = "at-most-one"
        made["suggestions"] = [_task(score["score_id"], actions, around)]
    return made


def actions_of(score: Mapping[str, Any]) -> list[str]:
    """What can be done about the reasons, each once."""
    return list(dict.fromkeys(one["action"] for one in score["reasons"] if one["action"]))


def worth_saying(score: Mapping[str, Any], *, leaving: bool = False) -> bool:
    """Whether there is anything to tell: a chance that is not low, of a horizon still ahead.

    Of somebody who is leaving only what is left to act on is worth it.
    """
    if score["band"] == "low":
        return False
    return bool(actions_of(score)) if leaving else wording.next_horizon(score) is not None


def suggestion_id(score_id: str) -> str:
    """Name of the suggestion of a card, by which its feedback tells that it was taken."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{SYSTEM}:suggestion:{score_id}"))


def _staying(score: Mapping[str, Any], actions: list[str]) -> str:
    summary = f"{wording.headline(score)}."
    if actions and len(summary) + len(actions[0]) + 2 <= LONGEST_SUMMARY:
        summary = f"{summary} {actions[0]}."
    return summary[0].upper() + summary[1:LONGEST_SUMMARY]


def _leaving(actions: list[str]) -> str:
    told = "; ".join(actions)
    most = LONGEST_SUMMARY - len("Before discharge: .")
    return f"Before discharge: {told if len(told) <= most else actions[0][:most]}."


def _detail(score: Mapping[str, Any], around: Around, *, leaving: bool) -> str:
    """What the card says when it is opened; what comes from data is nothing to Markdown."""
    horizons = "; ".join(
        f"{days} or more nights: {wording.in_ten(chance)}"
        for days, chance in score["probability"].items()
        if chance is not None and int(days) > score["days_so_far"]
    )
    reasons = "; ".join(
        _plain(f"{one['label']} {one['value']} ({one['direction']})".replace("  ", " "))
        for one in score["reasons"][:MOST_REASONS]
    )
    missing = _plain(", ".join(score["missing"][:MOST_REASONS]))
    version = "unregistered" if around.model_version is None else _plain(around.model_version)
    parts = [
        "" if leaving else horizons,
        "" if leaving else wording.leaves(score["discharge_day"]),
        f"Associated with it: {reasons}" if reasons else "",
        f"Not known: {missing}" if missing else "",
        f"Model {version}, facts until {wording.moment(score['prediction_time'])}",
        PURPOSE,
    ]
    return "\n\n".join(part for part in parts if part)


def _plain(text: str) -> str:
    r"""Text that GitHub's Markdown shows as it is: no markup, no HTML, no links of its own making.

    >>> _plain("<b> [x](y) www.evil.example")
    '\\<b\\> \\[x\\](y) www\\.evil.example'
    """
    whole = " ".join(text.split())  # a new line would begin a new block
    escaped = "".join("\\" + one if one in _MARKUP else one for one in whole)
    return escaped.replace(_WWW, "www\\.")


def _task(score_id: str, actions: list[str], around: Around) -> dict[str, Any]:
    """A draft that staff may accept; nothing is created without them."""
    resource = {
        "resourceType": "Task",
        "status": "draft",
        "intent": "proposal",
        "description": "; ".join(actions),
        "encounter": around.encounter,
    }
    if around.patient is not None:
        resource["for"] = around.patient
    return {
        "label": "Draft a task for the discharge hub",
        "uuid": suggestion_id(score_id),
        "isRecommended": False,
        "actions": [
            {"type": "create", "description": "A draft Task", "resource": resource},
        ],
    }
