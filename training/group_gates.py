"""Gates by group of patients: chances that are right for some must be right for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.card_findings import interval
from training.gate import INTERCEPT, Gate, Verdict

EARLY_DAYS: Final = 3
"""Midnights before a horizon: time for a hub to do something. On the eve nearly all are flagged."""

MISSED_GAP: Final = 0.1
"""How many fewer of a group's long stays may be alerted to in time than of everybody's."""

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


def check_missed(evaluation: Mapping[str, Any], days: str) -> list[Gate]:
    """Long stays that nobody was alerted to in time, in groups that should be served alike."""
    if days not in evaluation["groups"]:
        return []
    overall = evaluation["lead"][days]["alert"]["at_least"][str(EARLY_DAYS)]["value"]
    by_name = evaluation["groups"][days]
    return [
        _shortfall(name, found, overall)
        for name in EQUAL
        if name in by_name and (found := [row for row in by_name[name] if _alerted(row)])
    ]


def _alerted(row: Mapping[str, Any]) -> bool:
    """Whether it is known how many of a group's long stays were alerted to."""
    if row["too_few"] or row["group"] == "not recorded":
        return False
    metrics = row["metrics"]
    return "flagged_early" in metrics and metrics["flagged_early"]["low"] is not None


def _shortfall(name: str, rows: list[Mapping[str, Any]], overall: float) -> Gate:
    """The group served worst, beside everybody; it fails where its whole interval is too low."""
    worst = min(rows, key=lambda row: float(row["metrics"]["flagged_early"]["value"]))
    figure = worst["metrics"]["flagged_early"]
    verdict = Verdict.PASS
    if overall - figure["value"] > MISSED_GAP:
        verdict = Verdict.FAIL if overall - figure["high"] > MISSED_GAP else Verdict.CAUTION
    reason = (
        f"of long stays, alerted to {EARLY_DAYS} midnights before or earlier: "
        f"{worst['group']} {interval(figure)}, everybody {overall:.3f}; "
        f"beyond chance at most {MISSED_GAP} fewer"
    )
    return Gate(f"long stays missed alike by {name}", verdict, reason)
