"""The evaluation report: one HTML file that an evaluator reads without Python or MLflow."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from models.card_findings import interval, off_words, warnings_of
from models.judging import METRICS
from models.page import definitions, heading, page, paragraph, picture, subheading, table, warning
from training.baselines import NAMES
from training.evaluate import COMPARED
from training.report_course import course_sections
from training.report_use import use_sections
from training.report_words import how_to_read, intro, short_findings

GROUP_WORDS: Final = {
    "elapsed": "by days so far",
    "age": "by age",
    "sex": "by sex",
    "ethnicity": "by ethnic group",
    "deprivation": "by deprivation quintile",
    "site": "by site",
    "month": "by month",
    "language": "by need of an interpreter",
    "dementia": "by known dementia",
}
_GROUP_HEAD: Final = (
    *("Group", "Snapshots", "Mean chance", "Share", "AUROC"),
    *("Calibration in the large", "Calibration slope", ""),
)
_ALTS: Final = {
    "reliability": "Reliability plot",
    "roc": "ROC curves of the model and the baselines",
    "precision_recall": "Precision-recall curves of the model and the baselines",
}


def report_page(
    title: str,
    *,
    card: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    plots: Mapping[str, Mapping[str, Path]],
) -> str:
    """Build the page.

    Parameters
    ----------
    title : str
    card : mapping
        Of the model.
    evaluation : mapping
        From :func:`training.evaluate.evaluate`.
    plots : mapping of str to mapping of str to Path
        By horizon, then by what is drawn.
    """
    by_days = sorted(evaluation["horizons"].items(), key=lambda one: int(one[0]))
    evaluation = {**evaluation, "horizons": dict(by_days)}  # JSON sorts 14 before 7
    parts = [*map(warning, warnings_of(card))]
    parts += [paragraph(card["intended_purpose"]), *_overview(evaluation)]
    for days, horizon in evaluation["horizons"].items():
        parts += _horizon(days, horizon, plots.get(days, {}))
        parts += _lists(evaluation["lists"], days)
        parts += use_sections(evaluation, days)
        parts += _groups(evaluation["groups"][days])
    parts += course_sections(evaluation)
    parts += [heading("Model card"), *_card(card)]
    return page(title, *parts)


def _overview(evaluation: Mapping[str, Any]) -> Iterable[str]:
    yield from intro(evaluation)
    yield from short_findings(evaluation)
    rows = [
        (
            days,
            *(
                interval(horizon["metrics"][name])
                for name in ("auroc", "auprc", "calibration_slope")
            ),
        )
        for days, horizon in evaluation["horizons"].items()
    ]
    yield table(("Midnights", "AUROC", "AUPRC", "Calibration slope"), rows)
    yield from _last_model(evaluation.get("last_model"))
    for days, why in evaluation["left_out"].items():
        yield paragraph(f"{days} midnights: not judged; {why}.")
    yield from how_to_read()


def _last_model(told: Mapping[str, Any] | None) -> Iterable[str]:
    if told is not None:
        why = told["left_out"]
        yield paragraph(
            f"The last model is version {told['version']}, champion when this one was trained. "
            + (f"It is not judged beside it: {why}." if why else "It is judged beside it below.")
        )


def _horizon(days: str, horizon: Mapping[str, Any], plots: Mapping[str, Path]) -> Iterable[str]:
    yield heading(f"Length of stay of {days} midnights or more")
    yield paragraph(
        f"{horizon['events']} of {horizon['rows']} snapshots asked before day {days} reached it "
        f"({horizon['share']:.1%})."
    )
    others = list(horizon["baselines"])
    rows = [
        (
            metric.label,
            interval(horizon["metrics"][name]),
            *(interval(horizon["baselines"][other][name]) for other in others),
        )
        for name, metric in METRICS.items()
    ]
    yield table(("Figure", "Homeward", *(NAMES.get(other, other) for other in others)), rows)
    yield from _brier_parts(horizon["brier_parts"])
    gaps = [
        (NAMES.get(other, other), *(interval(against[name]) for name in COMPARED))
        for other, against in horizon["against"].items()
    ]
    yield subheading("Homeward minus the baseline, on the same snapshots")
    yield table(("Baseline", *(METRICS[name].label for name in COMPARED)), gaps)
    for name, path in plots.items():
        yield picture(base64.b64encode(path.read_bytes()).decode("ascii"), _ALTS[name])


def _brier_parts(parts: Mapping[str, float]) -> Iterable[str]:
    if parts:
        yield paragraph(
            f"The Brier score of Homeward is {parts['uncertainty']:.4f}, what it would be if "
            f"everybody were given the average chance, less {parts['discrimination']:.4f} for "
            f"telling patients apart, plus {parts['miscalibration']:.4f} for chances that are off "
            "(isotonic decomposition)."
        )


def _lists(lists: Mapping[str, Any], days: str) -> Iterable[str]:
    yield subheading("On a daily list")
    if "left_out" in lists:
        yield paragraph(f"Not judged: {lists['left_out']}.")
        return
    figures = lists["horizons"][days]
    yield paragraph(
        f"A hub that takes up {lists['capacity']} patients a site and day, highest chance first: "
        f"{interval(figures['ppv_at_capacity'])} of those listed reach {days} midnights; "
        f"{interval(figures['recall_at_capacity'])} of those who reach it were listed at least "
        f"once "
        "before."
    )


def _groups(groups: Mapping[str, Any]) -> Iterable[str]:
    beside_last = any("gain_over_champion_auroc" in str(rows) for rows in groups.values())
    more = ("AUROC minus last model",) if beside_last else ()
    for name, rows in groups.items():
        yield subheading(GROUP_WORDS.get(name, name).capitalize())
        yield table(
            (*_GROUP_HEAD, *more),
            [_group(row, len(more)) for row in rows],
        )


def _group(row: Mapping[str, Any], more: int) -> tuple[str, ...]:
    size = "under 10" if row["rows"] is None else str(row["rows"])
    if row["too_few"]:
        return (row["group"], size, "too few to judge", *[""] * (len(_GROUP_HEAD) - 3 + more))
    metrics = row["metrics"]
    gain = (interval(metrics["gain_over_champion_auroc"]),) if more else ()
    return (
        row["group"],
        size,
        f"{row['mean_probability']:.3f}",
        f"{row['share']:.3f}",
        interval(metrics["auroc"]),
        interval(metrics["calibration_intercept"]),
        interval(metrics["calibration_slope"]),
        off_words(metrics),
        *gain,
    )


def _card(card: Mapping[str, Any]) -> Iterable[str]:
    for section in card["sections"]:
        yield subheading(section["heading"])
        yield definitions((item["name"], item["text"]) for item in section["items"])
