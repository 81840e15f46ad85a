"""The verdict on a silent time, as the first part of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.page import bullets, heading, paragraph, table, warning
from training.monitor.checks import Verdict

WORDS: Final = {
    Verdict.GO: "Go: nothing found in the silent time speaks against showing scores.",
    Verdict.NOT_YET: "Not yet: do not show scores.",
    Verdict.CANNOT_SAY: "Cannot say: do not show scores on the strength of this.",
}
NOT_SHOWN: Final = (
    "that showing scores helps anybody: that is for homeward impact, by a protocol agreed before",
    "what staff will make of the reasons, and whether they have time for the list",
    "whether it is safe: that is for a clinical safety officer (homeward assure has the material)",
)


def golive_parts(told: Mapping[str, Any]) -> Iterable[str]:
    """Verdict, reasons and every check of a shadow report."""
    silent = told["silent"]
    yield heading("May scores be shown?")
    yield warning(WORDS[Verdict(told["verdict"])])
    if told["reasons"]:
        yield bullets(told["reasons"])
    if silent["first"]:
        yield paragraph(
            f"Scores that nobody saw, {silent['first']} to {silent['last']} ({silent['days']} "
            f"days), kept as {' and '.join(silent['modes'])}, of model version "
            f"{', '.join(silent['versions'])}."
        )
    if "shadow" in silent["modes"]:
        yield paragraph(
            "These are scores of a challenger. If the champion's scores of the same patients were "
            "shown, their outcomes are those of patients whom staff may have acted on."
        )
    yield table(
        ("Asked", "Answer", "Why"),
        [(one["about"], one["verdict"], one["text"]) for one in told["checks"]],
    )
    if told["agreement"]:
        yield from _staff(told["agreement"])
    yield heading("What this verdict cannot show")
    yield bullets(NOT_SHOWN)


def _staff(told: Mapping[str, Any]) -> Iterable[str]:
    yield heading("Beside staff's expected dates")
    rows = [
        (name, *(interval(told[key][who]) for who in ("forecast", "staff")))
        for name, key in (
            ("Nights off, on average", "nights_off"),
            ("Share within one night", "within_one_night"),
            (f"AUROC, {told['horizon']} nights or more", "auroc"),
        )
    ]
    yield table(("", "Forecast (middle of its range)", "Staff's date"), rows)
    spells = "few" if told["spells"] is None else f"{told['spells']:,}"
    yield paragraph(
        f"{spells} stays, each at the first score at which staff had said; stays and dates are "
        "counted to 28 nights. The two are within a night of each other in "
        f"{interval(told['alike'])} of them."
    )


def interval(figure: Mapping[str, Any]) -> str:
    """Figure with its interval.

    >>> interval({"value": 0.5, "low": 0.4, "high": 0.61})
    '0.50 (0.40 to 0.61)'
    """
    if figure["value"] is None:
        return "not known"
    if figure["low"] is None:
        return f"{figure['value']:.2f}"
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
