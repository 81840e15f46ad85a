"""What an evaluator's page shows: agreement of two models, and what the monitor last found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from feature_store.clock import DAY
from service.pages import wording
from service.pages.agreement import NEEDED, Agreement, agreements, shared_of_lists

if TYPE_CHECKING:
    from service.record import Record

Json = Mapping[str, Any]
DAYS: Final = 14
"""How far back models are compared: as far as a page can read while somebody waits."""
OLD_DAYS: Final = 8
"""A look of the monitor older than that says little of today."""
MOST_DRIFT: Final = 5
_STATES: Final[Mapping[str, str]] = {
    "ok": "Nothing found that asks for action",
    "unknown": "Some things cannot be told yet",
    "watch": "Something to look at",
    "breach": "A limit was broken",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two models on the same patients.

    Parameters
    ----------
    champion, challenger : sequence of str
        Versions that scored.
    agreements : sequence of Agreement
    shared : (float, int) or None
        Share of the champion's lists that the challenger lists too, and how many lists.
    """

    champion: Sequence[str] = ()
    challenger: Sequence[str] = ()
    agreements: Sequence[Agreement] = field(default_factory=tuple)
    shared: tuple[float, int] | None = None


def compare(record: Record, *, now: int, capacity: int) -> Compared | None:
    """Compare what the record holds of both in the last days; None without a shadow; blocks.

    Raises
    ------
    StoreUnavailable
    """
    since = now - DAYS * DAY
    shadow = record.between(since, now, columns=NEEDED, mode="shadow")
    if not shadow["spell"].size:
        return None
    live = record.between(since, now, columns=NEEDED, mode="live")
    return Compared(
        champion=_versions(live),
        challenger=_versions(shadow),
        agreements=agreements(live, shadow),
        shared=shared_of_lists(live, shadow, capacity),
    )


def _versions(columns: Mapping[str, Any]) -> list[str]:
    return sorted({str(one) for one in columns["model_version"] if one is not None})


def compared(found: Compared | None) -> dict[str, Any] | None:
    """The comparison in words."""
    if found is None:
        return None
    shared = found.shared
    return {
        "champion": ", ".join(found.champion) or "not registered",
        "challenger": ", ".join(found.challenger) or "not registered",
        "rows": [_row(one) for one in found.agreements],
        "lists": None if shared is None else {"share": _percent(shared[0]), "count": shared[1]},
    }


def _row(one: Agreement) -> dict[str, Any]:
    told = asdict(one)
    for name in ("champion", "challenger", "close", "same_side"):
        told[name] = _percent(told[name])
    told["low"], told["high"] = _points(one.low), _points(one.high)
    told["mean"] = _points(one.challenger - one.champion)
    return told


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _points(difference: float) -> str:
    """A difference of chances in percentage points.

    >>> _points(0.034), _points(-0.12)
    ('+3', '-12')
    """
    return f"{100 * difference:+.0f}"


# ---- the monitor ---------------------------------------------------------------------------------


def read_monitor(path: Path) -> Json | None:
    """What ``homeward monitor`` last wrote; None if it never did, or not what it writes."""
    try:
        told = json.loads(path.read_bytes())
        return told if {"at", "state", "findings", "calibration"} <= set(told) else None
    except (OSError, ValueError, TypeError):
        return None


def monitored(told: Json | None, now: datetime) -> dict[str, Any] | None:
    """The monitor's look as the page shows it.

    Parameters
    ----------
    told : mapping or None
        Of :func:`read_monitor`.
    now : datetime
    """
    if told is None:
        return None
    age = now - datetime.fromisoformat(told["at"])
    moved = [one for one in told.get("drift", []) if one["state"] != "ok"]
    return {
        "at": wording.moment(told["at"]),
        "is_old": age.days >= OLD_DAYS,
        "age": wording.age(max(age.total_seconds(), 0.0)),
        "state": told["state"],
        "verdict": _STATES.get(told["state"], told["state"]),
        "synthetic": bool(told.get("synthetic")),
        "findings": [one for one in told["findings"] if one["about"] != "drift" or not moved],
        "calibration": [_foreseen(one) for one in told["calibration"]],
        "drift": moved[:MOST_DRIFT],
        "moved": len(moved),
        "watched": len(told.get("drift", [])),
    }


def _foreseen(one: Json) -> dict[str, Any]:
    """One line of calibration with a small drawing: foreseen and come about on one scale."""
    most = max(float(one["foreseen"] or 0), float(one["came_about"] or 0), 1.0)
    alarms = [one[way]["alarm_at"] for way in ("longer", "shorter") if way in one]
    named = ("who", "horizon", "outcomes", "came_about", "foreseen", "ratio")
    return {
        **{name: "few" if one[name] is None else one[name] for name in named},
        "foreseen_width": round(100 * float(one["foreseen"] or 0) / most, 1),
        "came_width": round(100 * float(one["came_about"] or 0) / most, 1),
        "alarm": next((str(at) for at in alarms if at), ""),
    }
