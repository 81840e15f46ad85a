"""The gates of promotion: a table of checks, each with its reason.

A gate passes, passes with caution, or fails; one that fails stops the promotion. Values out of
bounds fail where the figure itself must lie inside; where few held-out events make a figure
uncertain, it fails only if its whole interval lies outside, and is a caution otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from feature_store.errors import BadInput
from models.bundle import Bundle
from models.card import check_card
from models.card_findings import interval
from models.golden import TOLERANCE, golden_gap
from training.baselines import NAMES
from training.gate import INTERCEPT, Gate, Verdict
from training.group_gates import check_groups, check_missed

FIRST: Final = "7"
"""Horizon whose figures must themselves lie inside the bounds."""

LEAST_GAIN: Final = -0.01
"""How far below 0 the interval of the gain over a baseline may reach, if the gain is positive."""

WORSE_THAN_CHAMPION: Final = -0.01
"""How far below 0 the interval of the difference from the champion may reach."""

SLOPE: Final = (0.8, 1.2)
LEAST_EVENTS: Final = 100
"""Held-out snapshots that reach the first horizon, and that do not: the rule of PROBAST reviews."""

TOO_GOOD: Final = 0.95
"""AUROC of day 0 above which a leak is likelier than a good model (docs/training.md)."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the gates look at.

    Parameters
    ----------
    bundle : Bundle
        The candidate.
    champion : mapping or None
        Candidate against champion (:mod:`training.comparison`), where there is one.
    not_comparable : str
        Why there is a champion and no comparison.
    """

    bundle: Bundle
    champion: Mapping[str, Any] | None = None
    not_comparable: str = ""


def check_gates(case: Case) -> list[Gate]:
    """Every gate, in the order of the table; none is left out because another failed."""
    return [gate for check in CHECKS for gate in check(case)]


def failed(gates: list[Gate]) -> list[Gate]:
    """Those that stop a promotion."""
    return [gate for gate in gates if gate.verdict is Verdict.FAIL]


def _learnt(case: Case) -> list[Gate]:
    name, small = "enough to learn from", case.bundle.provenance.get("too_small", "")
    if small:
        return [Gate(name, Verdict.FAIL, f"below the least that Homeward asks for: {small}")]
    return [Gate(name, Verdict.PASS, "no part of the data is below the least size")]


def _judged(case: Case) -> list[Gate]:
    horizon = case.bundle.evaluation["horizons"].get(FIRST)
    if horizon is None:
        why = case.bundle.evaluation["left_out"].get(FIRST, "not judged")
        return [Gate("enough events", Verdict.FAIL, f"{FIRST} midnights not judged: {why}")]
    fewest = min(horizon["events"], horizon["rows"] - horizon["events"])
    verdict = Verdict.PASS if fewest >= LEAST_EVENTS else Verdict.FAIL
    reason = (
        f"{horizon['events']} of {horizon['rows']} held-out snapshots; {LEAST_EVENTS} a side needed"
    )
    return [Gate("enough events", verdict, reason)]


def _baselines(case: Case) -> list[Gate]:
    horizon = case.bundle.evaluation["horizons"].get(FIRST, {"against": {}})
    return [
        Gate(
            f"better than {NAMES.get(name, name)}", _gain(gaps["auroc"]), _gain_words(gaps["auroc"])
        )
        for name, gaps in horizon["against"].items()
        if name != "champion"  # a gate of its own: a successor must not be worse, that is all
    ] or [Gate("better than the baselines", Verdict.FAIL, "no baseline was judged")]


def _gain(gap: Mapping[str, Any]) -> Verdict:
    if gap["value"] is None or gap["low"] is None or gap["value"] <= 0 or gap["low"] < LEAST_GAIN:
        return Verdict.FAIL
    return Verdict.PASS if gap["low"] > 0 else Verdict.CAUTION


def _gain_words(gap: Mapping[str, Any]) -> str:
    return (
        f"AUROC at {FIRST} midnights {interval(gap)} higher, paired; above 0 needed, the interval "
        f"not below {LEAST_GAIN}"
    )


def _calibration(case: Case) -> list[Gate]:
    bounds = {"calibration_slope": SLOPE, "calibration_intercept": INTERCEPT}
    words = {
        "calibration_slope": "calibration slope",
        "calibration_intercept": "calibration in the large",
    }
    return [
        Gate(
            f"{words[name]} at {days} midnights",
            _within(horizon["metrics"][name], bound, strict=days == FIRST),
            f"{interval(horizon['metrics'][name])}; {bound[0]} to {bound[1]} needed",
        )
        for days, horizon in sorted(case.bundle.evaluation["horizons"].items(), key=_by_days)
        for name, bound in bounds.items()
    ]


def _by_days(entry: tuple[str, Any]) -> int:
    """JSON sorts 14 before 7; people do not."""
    return int(entry[0])


def _within(figure: Mapping[str, Any], bound: tuple[float, float], *, strict: bool) -> Verdict:
    low, high = bound
    if figure["value"] is None:
        return Verdict.FAIL
    if low <= figure["value"] <= high:
        return Verdict.PASS
    reaches = figure["low"] is not None and figure["low"] <= high and figure["high"] >= low
    return Verdict.CAUTION if reaches and not strict else Verdict.FAIL


def _too_good(case: Case) -> list[Gate]:
    groups = case.bundle.evaluation["groups"].get(FIRST, {}).get("elapsed", [])
    first = next(
        (group for group in groups if group["group"] == "day 0" and not group["too_few"]), None
    )
    if first is None:
        return [
            Gate("not too good to be true", Verdict.CAUTION, "day 0 could not be judged by itself")
        ]
    area = first["metrics"]["auroc"]["value"]
    verdict = Verdict.FAIL if area > TOO_GOOD else Verdict.PASS
    reason = f"AUROC of day 0 {area:.3f}; above {TOO_GOOD} look for a leak first"
    return [Gate("not too good to be true", verdict, reason)]


def _leaks(case: Case) -> list[Gate]:
    """What the firewall saw and somebody allowed."""
    leaks = case.bundle.provenance.get("leaks", [])
    if not leaks:
        return [Gate("no suspect of a leak", Verdict.PASS, "the firewall saw no sign of one")]
    silent = [leak["feature"] for leak in leaks if not leak.get("allowed")]
    words = "; ".join(f"{leak['feature']}: {leak.get('allowed') or 'no reason'}" for leak in leaks)
    verdict = Verdict.FAIL if silent else Verdict.CAUTION
    return [Gate("no suspect of a leak", verdict, f"allowed in spite of a sign: {words}")]


def _golden(case: Case) -> list[Gate]:
    gap = golden_gap(case.bundle.model, case.bundle.evaluation["golden"])
    verdict = Verdict.PASS if gap <= TOLERANCE else Verdict.FAIL
    return [
        Gate(
            "golden scores reproduce", verdict, f"largest difference {gap:.1e}; {TOLERANCE} allowed"
        )
    ]


def _card(case: Case) -> list[Gate]:
    try:
        check_card(case.bundle.card)
    except BadInput as error:
        return [Gate("card complete", Verdict.FAIL, str(error))]
    return [Gate("card complete", Verdict.PASS, "every section filled")]


def _champion(case: Case) -> list[Gate]:
    name = "not worse than the champion"
    if case.not_comparable:
        return [Gate(name, Verdict.FAIL, case.not_comparable)]
    if case.champion is None:
        return [Gate(name, Verdict.PASS, "there is no champion yet")]
    metrics = case.champion["horizons"].get(FIRST)
    if metrics is None:
        return [Gate(name, Verdict.FAIL, f"{FIRST} midnights were not judged in both")]
    gap = metrics["auroc"]["difference"]
    fine = gap["low"] is not None and (gap["low"] >= WORSE_THAN_CHAMPION or gap["value"] >= 0)
    reason = (
        f"AUROC at {FIRST} midnights {interval(gap)} higher on {case.champion['rows']} snapshots "
        f"in "
        f"common; 0 or more needed, or an interval not below {WORSE_THAN_CHAMPION}"
    )
    return [Gate(name, Verdict.PASS if fine else Verdict.FAIL, reason)]


CHECKS: Final[tuple[Callable[[Case], list[Gate]], ...]] = (
    _learnt,
    _judged,
    _baselines,
    _calibration,
    lambda case: check_groups(case.bundle.evaluation["groups"]),
    lambda case: check_missed(case.bundle.evaluation, FIRST),
    _leaks,
    _too_good,
    _golden,
    _card,
    _champion,
)
