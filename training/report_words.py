"""The part of the report in plain words: the findings in short, and what each figure means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.card_findings import off_words
from models.page import bullets, definitions, paragraph, subheading
from training.baselines import NAMES

MEANINGS: Final = (
    (
        "Snapshot",
        (
            "one question about one inpatient at one moment, answered with what was recorded by "
            "then: a few hours after admission, then every morning at 06:00. A stay of ten days "
            "has about eleven."
        ),
    ),
    (
        "AUROC",
        (
            "take one patient who stays long and one who does not: how often the first has the "
            "higher chance. 0.5 is tossing a coin, 1 is perfect. Honest models at admission "
            "reach 0.75 to 0.85."
        ),
    ),
    (
        "AUPRC",
        (
            "the share of long stays among those listed, averaged over lists of every length. "
            "Compare it with the share of long stays among everybody."
        ),
    ),
    (
        "Brier score",
        (
            "mean squared distance between the chance given and what happened; lower is better. "
            "Scaled: 0 is no better than giving everybody the average, 1 is perfect."
        ),
    ),
    (
        "Calibration in the large",
        (
            "whether chances are right on average: 0 is right, below 0 they are too high, above "
            "0 too low; 0.2 means that a stated 50 % is really 55 %."
        ),
    ),
    (
        "Calibration slope",
        (
            "whether chances are spread as they should be: 1 is right, below 1 high chances are "
            "too high and low ones too low."
        ),
    ),
    (
        "Expected calibration error, E-avg, E-90",
        (
            "how far chances are from what happened, in chances: on average in ten groups, on "
            "average along a smooth curve, and the gap that nine in ten do not pass."
        ),
    ),
    (
        "Figures in brackets",
        (
            "95 % intervals: where the figure would lie with other patients of the same kind "
            "(bootstrap by patient). A difference whose interval holds 0 is not shown to be "
            "one."
        ),
    ),
)


def short_findings(evaluation: Mapping[str, Any]) -> Iterable[str]:
    """Say what an evaluator would want to know first."""
    told = [
        sentence
        for days, horizon in evaluation["horizons"].items()
        for sentence in _horizon(days, horizon)
    ]
    told += [_groups(days, evaluation["groups"][days]) for days in evaluation["horizons"]]
    yield subheading("In short")
    yield bullets(told)


def how_to_read() -> Iterable[str]:
    """What each figure means."""
    yield subheading("How to read the figures")
    yield definitions(MEANINGS)


def _horizon(days: str, horizon: Mapping[str, Any]) -> Iterable[str]:
    metrics = horizon["metrics"]
    area, gap = metrics["auroc"]["value"], metrics["e_average"]["value"]
    if area is None or gap is None:
        return
    yield (
        f"{days} midnights: of a patient who reaches them and one who does not, the first has the "
        f"higher chance {area:.0%} of the time; chances are {100 * gap:.1f} points off on average."
    )
    told = [
        f"{_verdict(gaps['auroc'])} {NAMES.get(name, name)}"
        for name, gaps in horizon["against"].items()
    ]
    if told:
        yield f"{days} midnights, who is ranked above whom: " + "; ".join(told) + "."


def _verdict(gap: Mapping[str, Any]) -> str:
    if gap["low"] is None or gap["low"] <= 0.0 <= gap["high"]:
        return "no clear difference from"
    return "better than" if gap["low"] > 0 else "worse than"


def _groups(days: str, groups: Mapping[str, Any]) -> str:
    rows = [(name, row) for name, group in groups.items() for row in group]
    judged = [(name, row) for name, row in rows if not row["too_few"]]
    off = [
        f"{name} {row['group']} ({words})"
        for name, row in judged
        if (words := off_words(row["metrics"]))
    ]
    found = "; ".join(off) if off else "none beyond chance"
    return (
        f"{days} midnights, groups whose chances are off: {found} ({len(judged)} groups judged, "
        f"{len(rows) - len(judged)} too small; with so many, about one in twenty looks off by "
        "chance)."
    )


def intro(evaluation: Mapping[str, Any]) -> Iterable[str]:
    """Say on whom the model was judged."""
    held = evaluation["held_out"]
    yield paragraph(
        f"Judged on {held['snapshots']} snapshots of {held['spells']} spells and "
        f"{held['patients']} patients that neither training nor calibration saw. Counts of groups "
        "are rounded to five; small ones are not shown."
    )
