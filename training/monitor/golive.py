"""May scores be shown: the verdict on a silent time, with its reasons.

Each check says go, not yet or cannot say, from what the monitor found in scores that nobody saw.
One "not yet" decides; without one, "cannot say" does. Whatever is only for reading is a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from feature_store.clock import to_moment
from models.judging.groups import rounded
from models.judging.lead import judge_lead
from training.monitor.accuracy import daily_lists
from training.monitor.agreement import agreement, expected_by_staff
from training.monitor.checks import (
    LEAST_EVENTS,
    Check,
    Silence,
    Verdict,
    asked,
    beside_staff,
    burden,
    days_of,
    early,
    enough,
    groups,
    of_findings,
)
from training.monitor.lived import Lived, horizons


def judge_silence(silence: Silence, told: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict, as plain data.

    Parameters
    ----------
    silence : Silence
    told : mapping
        What :func:`training.monitor.look.look` found in the same scores.

    Returns
    -------
    dict
        ``verdict, reasons, checks, silent, lead, agreement``.
    """
    lived = silence.lived
    days = next(iter(horizons(lived)), None)
    lead = None if days is None else _lead(silence, days)
    staff = None
    if days is not None:
        expected = expected_by_staff(silence.events, lived)
        staff = agreement(lived, expected, days, silence.bootstrap)
    checks = [
        *enough(lived, days),
        *of_findings(told["findings"]),
        groups(told["groups"]),
        burden(told["use"], silence.capacity),
        early(lead),
        beside_staff(staff),
        asked(silence),
    ]
    verdict = verdict_of(checks)
    return {
        "verdict": verdict.value,
        "reasons": [one.text for one in checks if one.verdict is verdict is not Verdict.GO],
        "checks": [
            {"about": one.about, "verdict": one.verdict.value, "text": one.text} for one in checks
        ],
        "silent": _silent(lived),
        "lead": lead,
        "agreement": staff,
    }


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """One "not yet" decides, then one "cannot say".

    >>> verdict_of([Check("a", Verdict.GO, ""), Check("b", Verdict.CANNOT_SAY, "")]).value
    'cannot say'
    """
    found = {check.verdict for check in checks}
    for one in (Verdict.NOT_YET, Verdict.CANNOT_SAY):
        if one in found:
            return one
    return Verdict.GO


def _silent(lived: Lived) -> dict[str, Any]:
    moments = lived.snapshots.prediction_time
    first, last = (
        to_moment(int(one[0])).date().isoformat() if one.size else None
        for one in (moments[:1], moments[-1:])
    )
    return {
        "modes": sorted({str(one) for one in lived.told["mode"]}),
        "versions": sorted({str(one or "not told") for one in lived.told["model_version"]}),
        "first": first,
        "last": last,
        "days": days_of(lived),
    }


def _lead(silence: Silence, days: int) -> dict[str, Any] | None:
    """Nights between the first list that named a long stay and the horizon."""
    rows, lists = daily_lists(silence.lived, days, silence.capacity)
    part = silence.lived.take(rows)
    if int((part.outcome(days) == 1).sum()) == 0:
        return None
    told = judge_lead(
        lists.listed(part.chance(days)),
        part.outcome(days),
        days,
        part.snapshots,
        bootstrap=silence.bootstrap,
    )
    if told.spells < LEAST_EVENTS:
        return None
    return {"horizon": days, "capacity": silence.capacity, "spells": rounded(told.spells)} | {
        name: figure for name, figure in told.to_json().items() if name != "at_least"
    }
