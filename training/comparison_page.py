"""Two runs beside each other as one HTML page that an evaluator reads without Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.card_findings import SYNTHETIC, interval
from models.judging import METRICS
from models.page import heading, page, paragraph, subheading, table, warning
from training.comparison import better_words
from training.impact.charts import Bar, interval_chart
from training.report import GROUP_WORDS

_DRAWN: Final = ("auroc", "brier")
"""Metrics whose differences are drawn by group; better to the right of 0, or to the left."""


def comparison_page(
    first: str, second: str, *, compared: Mapping[str, Any], synthetic: bool
) -> str:
    """Build the page.

    Parameters
    ----------
    first, second : str
        What the runs are called.
    compared : mapping
        From :func:`training.comparison.compare`.
    synthetic : bool
        Whether either learnt from, or was judged on, made-up patients.
    """
    parts = [warning(SYNTHETIC)] if synthetic else []
    parts += [
        table(("", "Run"), [("first", first), ("second", second)]),
        paragraph(
            f"Both are judged on the same {compared['rows']} held-out snapshots, and differences "
            "are first minus second. Figures in brackets are 95 % intervals: a bootstrap by "
            "patient, the same draws for both. An interval that holds 0 shows no clear "
            "difference. Higher is better for AUROC and AUPRC, lower for Brier score and "
            "calibration error; a calibration slope should be 1, calibration in the large 0."
        ),
    ]
    for days, metrics in compared["horizons"].items():
        parts.append(heading(f"Length of stay of {days} midnights or more"))
        parts.append(_overall(metrics))
        for name, rows in compared.get("groups", {}).get(days, {}).items():
            parts += _grouping(name, rows)
    return page("Two models compared", *parts)


def _overall(metrics: Mapping[str, Any]) -> str:
    return table(
        ("Figure", "First", "Second", "Difference", "Which is better"),
        [
            (METRICS[name].label, *_cells(told), better_words(name, told["difference"]))
            for name, told in metrics.items()
        ],
    )


def _cells(told: Mapping[str, Any]) -> tuple[str, str, str]:
    return interval(told["first"]), interval(told["second"]), interval(told["difference"])


def _grouping(name: str, rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield subheading(GROUP_WORDS.get(name, name).capitalize())
    judged = [row for row in rows if not row["too_few"]]
    for metric in _DRAWN:
        bars = [
            Bar(label=row["group"], **gap)
            for row in judged
            if (gap := row["metrics"][metric]["difference"])["value"] is not None
        ]
        if bars:
            label, side = METRICS[metric].label, "right" if METRICS[metric].better > 0 else "left"
            across = f"{label}, difference ({side} of 0: first better)"
            yield interval_chart(bars, title=f"{label} by group", across=across)
    yield table(
        (
            *("Group", "Snapshots", "Long stays", "AUROC, difference", "Brier score, difference"),
            *("In the large, difference", "By AUROC"),
        ),
        [_group(row) for row in rows],
    )


def _group(row: Mapping[str, Any]) -> tuple[str, ...]:
    size = "under 10" if row["rows"] is None else str(row["rows"])
    if row["too_few"]:
        return (row["group"], size, "", "too few to judge", "", "", "")
    gaps = {name: told["difference"] for name, told in row["metrics"].items()}
    shown = ("auroc", "brier", "calibration_intercept")
    return (
        row["group"],
        size,
        "" if row["events"] is None else str(row["events"]),
        *(interval(gaps[name]) for name in shown),
        better_words("auroc", gaps["auroc"]),
    )
