"""The part of the report about the course of a stay: who leaves soon, the range, who dies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.card_findings import interval
from models.judging import METRICS
from models.page import heading, paragraph, subheading, table

_WORDS: Final = {"24h": "24 hours", "48h": "48 hours", "72h": "72 hours", "5d": "5 days"}


def course_sections(evaluation: Mapping[str, Any]) -> Iterable[str]:
    """Leaving soon, discharge-day range and chance of death.

    Parameters
    ----------
    evaluation : mapping
        From :func:`training.evaluate.evaluate`.
    """
    yield heading("The course of the stay")
    yield subheading("The discharge-day range")
    coverage = evaluation["coverage_80"]
    yield paragraph(
        f"It is meant to hold the day of discharge four times in five. It held it in "
        f"{interval(coverage)} of {coverage['rows']} snapshots; {coverage['unknown']} could not be "
        "followed for long enough. Days are whole numbers, so a little more than 0.8 is expected."
    )
    yield from _leaving(evaluation.get("leaving"))
    yield from _death(evaluation["death"])


def _leaving(told: Mapping[str, Any] | None) -> Iterable[str]:
    if told is None:
        return
    yield subheading("Who leaves soon")
    if "left_out" in told:
        yield paragraph(f"Not judged: {told['left_out']}.")
        return
    yield paragraph(
        "Chance that the spell is over, for whatever cause, within so long of a morning at 06:00; "
        "counted in midnights passed. Not calibrated by itself: it is the near end of the curve "
        "that is calibrated at 7, 14 and 21 midnights."
    )
    within = told["within"]
    shown = ("auroc", "brier", "calibration_slope", "calibration_intercept", "e_average", "e_90")
    yield table(
        ("Within", "Snapshots", "Share", *(METRICS[name].label for name in shown)),
        [
            (
                _WORDS[name],
                str(one["rows"]),
                f"{one['share']:.3f}",
                *(interval(one["metrics"][metric]) for metric in shown),
            )
            for name, one in within.items()
        ],
    )
    yield table(
        ("Leaves", "Mean chance given", "Share that did"),
        [
            (_between(one["from"], one["to"]), f"{one['chance']:.3f}", f"{one['share']:.3f}")
            for one in told["buckets"]
        ],
    )


def _between(begin: str, end: str) -> str:
    if not begin:
        return f"within {_WORDS[end]}"
    return f"{_WORDS[begin]} to {_WORDS[end]}" if end else f"later than {_WORDS[begin]}"


def _death(told: Mapping[str, Any]) -> Iterable[str]:
    yield subheading("Chance of death in hospital")
    if "left_out" in told:
        yield paragraph(f"Not judged: {told['left_out']}.")
        return
    yield paragraph(
        "Judged on snapshots that could be followed for 28 days. It keeps a death from being "
        "taken for a short stay; it is not a prognosis."
    )
    rows = [(METRICS[name].label, interval(figure)) for name, figure in told["metrics"].items()]
    yield table(("Figure", "Homeward"), rows)
