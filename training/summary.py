"""Results as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from models.card_findings import SYNTHETIC, interval
from models.judging import METRICS
from training.baselines import NAMES
from training.comparison import better_words
from training.gate import Gate

_SHOWN: Final = ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece")
_LIST_WORDS: Final = {
    "ppv_at_capacity": "of those listed, reach it",
    "recall_at_capacity": "of those who reach it, listed",
}


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines with columns below each other.

    >>> aligned([("a", "bb"), ("ccc", "d")])
    ['a    bb', 'ccc  d']
    """
    told = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in told
    ]


def evaluation_lines(evaluation: Mapping[str, Any], *, warnings: Iterable[str]) -> list[str]:
    """Figures of each horizon with intervals, beside the baselines; warnings first."""
    held = evaluation["held_out"]
    lines = [*warnings]
    lines.append(
        f"Judged on {held['snapshots']} held-out snapshots of {held['spells']} spells "
        "(95 % intervals, bootstrap by patient)"
    )
    for days, horizon in evaluation["horizons"].items():
        lines += [
            "",
            f"Length of stay >= {days} midnights ({horizon['share']:.1%} of the snapshots)",
        ]
        lines += _indented(_horizon_rows(horizon, evaluation["lists"], days))
    coverage = evaluation["coverage_80"]
    lines += ["", f"Discharge-day range, 80 % meant: {interval(coverage)}"]
    lines += [f"{days} midnights left out: {why}" for days, why in evaluation["left_out"].items()]
    if "left_out" in evaluation["lists"]:
        lines.append(f"Daily lists left out: {evaluation['lists']['left_out']}")
    return lines


def _horizon_rows(
    horizon: Mapping[str, Any], lists: Mapping[str, Any], days: str
) -> list[tuple[str, ...]]:
    others = list(horizon["baselines"])
    rows = [("", "Homeward", *(NAMES.get(other, other) for other in others))]
    rows += [
        (
            METRICS[name].label,
            interval(horizon["metrics"][name]),
            *(interval(horizon["baselines"][other][name]) for other in others),
        )
        for name in _SHOWN
    ]
    blank = ("",) * len(others)
    figures = lists.get("horizons", {}).get(days, {})
    rows += [
        (f"top {lists['capacity']} a day: {words}", interval(figures[name]), *blank)
        for name, words in _LIST_WORDS.items()
        if name in figures
    ]
    return rows


def recalibration_lines(table: Mapping[str, Any], *, warnings: Iterable[str]) -> list[str]:
    """Frozen, recalibrated and refitted, side by side; warnings first."""
    lines = [*warnings]
    lines.append(f"Judged on the same {table['rows']} later snapshots (95 % intervals)")
    for days, columns in table["horizons"].items():
        lines += ["", f"Length of stay >= {days} midnights"]
        lines += _indented(recalibration_rows(columns))
    return lines + ([f"Not refitted: {table['not_refitted']}"] if table["not_refitted"] else [])


def recalibration_rows(columns: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of the three-column table of one horizon, the head first."""
    kinds = [kind for kind in ("frozen", "recalibrated", "refitted") if kind in columns]
    return [
        ("", *kinds, "recalibrated minus frozen"),
        *(
            (
                METRICS[name].label,
                *(interval(columns[kind][name]) for kind in kinds),
                interval(columns["gain"][name]),
            )
            for name in columns["frozen"]
        ),
    ]


def left_out_lines(sites: Mapping[str, Any]) -> list[str]:
    """Each site judged by the frozen model, and by a model grown without it."""
    rows: list[tuple[str, ...]] = [
        ("", "midnights", "snapshots", "AUROC frozen", "grown without it", "in the large", "")
    ]
    for site, told in sites.items():
        if "left_out" in told:
            rows.append((site, told["left_out"], "", "", "", "", ""))
        rows += [_left_out_row(site, days, one) for days, one in told.get("horizons", {}).items()]
    return ["", "Leave one site out, on the site's later spells", *_indented(rows)]


def _left_out_row(site: str, days: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        site,
        days,
        str(one["rows"]),
        *(
            interval(one[kind][name]) if kind in one else "not learnt"
            for name in ("auroc", "calibration_intercept")
            for kind in ("frozen", "refitted")
        ),
    )


def site_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """AUROC and calibration of each site."""
    lines = []
    for days, groups in evaluation["groups"].items():
        rows = [("", "snapshots", "AUROC", "in the large")]
        rows += [_site_row(row) for row in groups["site"]]
        lines += ["", f"By site, {days} midnights", *_indented(rows)]
    return lines


def _site_row(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    size = "under 10" if row["rows"] is None else str(row["rows"])
    if row["too_few"]:
        return (row["group"], size, "too few to judge", "")
    metrics = row["metrics"]
    return (
        row["group"],
        size,
        interval(metrics["auroc"]),
        interval(metrics["calibration_intercept"]),
    )


def gate_lines(gates: Iterable[Gate]) -> list[str]:
    """The table of gates."""
    return aligned((gate.verdict.value.upper(), gate.name, gate.reason) for gate in gates)


def comparison_lines(
    compared: Mapping[str, Any], *, synthetic: bool, runs: Sequence[str] = ()
) -> list[str]:
    """Paired differences of two runs, by group where they were looked for; ``runs`` names them."""
    lines = [SYNTHETIC] if synthetic else []
    lines += aligned(zip(("first:", "second:"), runs, strict=False))
    lines += [
        f"{compared['rows']} held-out snapshots in common; first minus second, 95 % intervals"
    ]
    for days, metrics in compared["horizons"].items():
        rows = [("", "first", "second", "difference", "")]
        rows += [
            (
                METRICS[name].label,
                interval(told["first"]),
                interval(told["second"]),
                interval(told["difference"]),
                better_words(name, told["difference"]),
            )
            for name, told in metrics.items()
        ]
        lines += ["", f"Length of stay >= {days} midnights", *_indented(rows)]
        for name, groups in compared.get("groups", {}).get(days, {}).items():
            lines += ["", f"  {days} midnights, {name}: differences", *_compared_groups(groups)]
    return lines


def _compared_groups(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = [("", "AUROC", "Brier score", "in the large", "by AUROC")]
    for row in groups:
        if row["too_few"]:
            rows.append((row["group"], "too few to judge", "", "", ""))
            continue
        gaps = {name: told["difference"] for name, told in row["metrics"].items()}
        shown = (gaps[name] for name in ("auroc", "brier", "calibration_intercept"))
        words = better_words("auroc", gaps["auroc"])
        rows.append((row["group"], *(interval(gap) for gap in shown), words))
    return _indented(rows)


def _indented(rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"  {line}" for line in aligned(rows)]
