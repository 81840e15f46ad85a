"""What a model card says of what was found: performance, inequalities, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from feature_store.definitions import FeatureSet

SYNTHETIC: Final = (
    "SYNTHETIC DATA: this model learnt from a simulated hospital. It must not be used for patients."
)

_TOO_SMALL: Final = (
    "TOO SMALL A SAMPLE: below the least that Homeward asks for: {}. Its chances are guesswork; it "
    "may be looked at, not used for patients."
)

Lines = list[tuple[str, str]]
"""Items of a section: name and text."""

_NOT_PEOPLE: Final = frozenset({"elapsed", "month"})
"""Groupings of snapshots that say nothing of who the patient is."""


def warnings_of(papers: Mapping[str, Any]) -> list[str]:
    """What must be said before anything else of a model.

    Parameters
    ----------
    papers : mapping
        Its card or its provenance.
    """
    told = [SYNTHETIC] if papers["synthetic"] else []
    small = papers.get("too_small", "")
    return [*told, _TOO_SMALL.format(small)] if small else told


def performance(evaluation: Mapping[str, Any]) -> Lines:
    """How it did on held-out spells, beside the baselines."""
    held = evaluation["held_out"]
    lines = [
        (
            "Judged on",
            (
                f"{held['snapshots']} held-out snapshots of {held['spells']} later spells, "
                f"patients seen in neither "
                "training nor calibration; every snapshot before the horizon counts once; "
                "intervals are 95 %, "
                "bootstrap by patient."
            ),
        )
    ]
    for days, horizon in evaluation["horizons"].items():
        figures = [f"{word} {interval(horizon['metrics'][key])}" for key, word in _SHOWN]
        others = [
            f"{other} AUROC {interval(metrics['auroc'])}"
            for other, metrics in horizon["baselines"].items()
        ]
        lines.append(
            (
                f"{days} midnights",
                f"{horizon['share']:.1%} reach it; " + "; ".join(figures + others),
            )
        )
    coverage = evaluation["coverage_80"]
    lines.append(
        (
            "Discharge-day range",
            (
                f"holds the day in {interval(coverage)} of {coverage['rows']} snapshots (80 % "
                f"meant); "
                f"{coverage['unknown']} could not be followed for long enough"
            ),
        )
    )
    return lines


_SHOWN: Final = (
    ("auroc", "AUROC"),
    ("auprc", "AUPRC"),
    ("brier", "Brier"),
    ("calibration_slope", "calibration slope"),
    ("calibration_intercept", "in the large"),
)


def interval(figure: Mapping[str, Any]) -> str:
    """Figure with its interval, for a reader.

    >>> interval({"value": 0.7512, "low": 0.74, "high": 0.7634})
    '0.751 (0.740 to 0.763)'
    """
    if figure["value"] is None:
        return "not known"
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def ethics(evaluation: Mapping[str, Any], feature_set: FeatureSet) -> Lines:
    """Whom it serves less well, whom nobody could judge it on."""
    protected = [feature.label for feature in feature_set.features if feature.protected]
    return [
        ("Known inequalities", _inequalities(evaluation)),
        ("Not judged, too few", _too_few(evaluation)),
        (
            "Protected attributes",
            (
                f"used by the model: {', '.join(protected)}; "
                if protected
                else "not used by the model; "
            )
            + "never shown as a reason.",
        ),
        (
            "What the label carries",
            (
                "a long stay partly reflects unequal access to care after hospital; a model "
                "learns that too. "
                "Groups are judged and shown, not equalised."
            ),
        ),
    ]


def _inequalities(evaluation: Mapping[str, Any]) -> str:
    """Groups whose chances are, beyond chance, too high or too low."""
    found = []
    for days, by_name in evaluation["groups"].items():
        for name, groups in by_name.items():
            for group in groups:
                if name in _NOT_PEOPLE or group["too_few"]:
                    continue
                words = off_words(group["metrics"])
                if words:
                    found.append(
                        f"{days} midnights, {name} {group['group']}: {words} "
                        f"(mean {group['mean_probability']:.3f}, share {group['share']:.3f})"
                    )
    if not found:
        return "none found beyond chance, among the groups large enough to judge"
    return "; ".join(found)


def off_words(metrics: Mapping[str, Any]) -> str:
    """Whether chances of a group are, beyond chance, too high or too low; empty if neither."""
    figure = metrics["calibration_intercept"]
    if figure["low"] is None or figure["low"] <= 0.0 <= figure["high"]:
        return ""
    return "chances too low" if figure["low"] > 0 else "chances too high"


def _too_few(evaluation: Mapping[str, Any]) -> str:
    few = sorted(
        {
            f"{name} {group['group']}"
            for by_name in evaluation["groups"].values()
            for name, groups in by_name.items()
            for group in groups
            if group["too_few"] and name not in _NOT_PEOPLE
        }
    )
    return ", ".join(few) or "none"


def leaks(provenance: Mapping[str, Any]) -> str:
    """Features that looked like leaks and are used all the same, each with its reason."""
    told = [
        f"{leak['feature']} ({leak['sign']}): {leak['evidence']}; allowed: {leak['allowed']}"
        for leak in provenance["leaks"]
    ]
    return "; ".join(told) or "none found by the firewall (docs/training.md)"


def caveats(evaluation: Mapping[str, Any], provenance: Mapping[str, Any]) -> Lines:
    """What it cannot do."""
    left_out = "; ".join(f"{days} midnights: {why}" for days, why in evaluation["left_out"].items())
    lines = [
        ("Horizons left out", left_out or "none"),
        (
            "Limits",
            (
                "judged in the place it was trained; expect it to be worse elsewhere and to drift "
                "with time, "
                "coding and practice. Once staff act on scores, outcomes change: judge it again."
            ),
        ),
        ("Reasons", "associations in past data; changing the fact need not change the stay"),
        (
            "Chance of death",
            evaluation["death"].get("left_out", "judged; not to be used for prognosis"),
        ),
        (
            "Daily lists",
            evaluation["lists"].get(
                "left_out", "precision and recall at capacity are in the report"
            ),
        ),
    ]
    lines = [*(("Not for patients", warning) for warning in warnings_of(provenance)), *lines]
    if provenance["clock"] == "order":
        lines.append(
            (
                "No dates",
                "the source has an order and no dates: later means further down the extract",
            )
        )
    return lines
