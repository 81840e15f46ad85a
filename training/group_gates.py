"""Gates by group of patients: chances that are right for some must be right for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.card_findings import interval
from training.gate import INTERCEPT, Gate, Verdict

MISSED_GAP: Final = 0.15
"""How far groups may lie apart in the share of their long stays that nobody was alerted to in time."""

EQUAL: Final = ("sex", "ethnicity", "deprivation", "language")
"""Groupings whose long stays should be missed alike. Age and dementia say what a stay will be."""

NOT_PEOPLE: Final = frozenset({"elapsed", "month"})
"""Groupings that say when, not who: outside the bounds they are a caution."""


def check_groups(groups: Mapping[str, Any]) -> list[Gate]:
    """Calibration of each group large enough to judge; it fails where its interval lies outside."""
    told = []
    for days, by_name in sorted(groups.items(), key=lambda one: int(one[0])):
        judged = [
            (name, row)
            for name, rows in by_name.items()
            for row in rows
            if not row["too_few"] and "calibration_intercept" in row["metrics"]
        ]
        off = [(name, row) for name, row in judged if _off(row["metrics"])]
        who = [entry for entry in off if entry[0] not in NOT_PEOPLE]
        verdict = Verdict.FAIL if who else Verdict.CAUTION if off else Verdict.PASS
        words = "; ".join(
            f"{name} {row['group']} {interval(row['metrics']['calibration_intercept'])}"
            for name, row in who or off
        )
        told.append(
            Gate(
                f"calibrated in each group at {days} midnights",
                verdict,
                f"in the large, beyond chance outside {INTERCEPT[0]} to {INTERCEPT[1]}: {words}"
                if off
                else f"{len(judged)} groups large enough to judge, none outside beyond chance",
            )
        )
    return told


def _off(metrics: Mapping[str, Any]) -> bool:
    figure = metrics["calibration_intercept"]
    low, high = INTERCEPT
    return figure["low"] is not None and (figure["low"] > high or figure["high"] < low)


def check_missed(by_name: Mapping[str, Any]) -> list[Gate]:
    """Long stays that nobody was alerted to, in groups that should be served alike."""
    return [
        _gap(name, found)
        for name in EQUAL
        if len(found := [row for row in by_name.get(name, ()) if _alerted(row)]) > 1
    ]


def _alerted(row: Mapping[str, Any]) -> bool:
    """Whether it is known how many of a group's long stays were alerted to."""
    if row["too_few"] or row["group"] == "not recorded":
        return False
    metrics = row["metrics"]
    return "flagged_early" in metrics and metrics["flagged_early"]["low"] is not None


def _gap(name: str, rows: list[Mapping[str, Any]]) -> Gate:
    told = [(row["metrics"]["flagged_early"], row["group"]) for row in rows]
    worst, best = (pick(told, key=lambda one: one[0]["value"]) for pick in (min, max))
    gap = best[0]["value"] - worst[0]["value"]
    apart = best[0]["low"] > worst[0]["high"]
    verdict = Verdict.PASS
    if gap > MISSED_GAP:
        verdict = Verdict.FAIL if apart else Verdict.CAUTION
    reason = (
        f"of long stays, alerted to 3 midnights before or earlier: {worst[1]} {interval(worst[0])}, "
        f"{best[1]} {interval(best[0])}; at most {MISSED_GAP} apart, or not beyond chance"
    )
    return Gate(f"long stays missed alike by {name}", verdict, reason)
