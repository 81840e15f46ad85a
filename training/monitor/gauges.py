"""The look as gauges for Prometheus and as metrics for MLflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from training.monitor.findings import State

_HELP: Final = {
    "state": "Worst finding: 0 ok, 1 unknown, 2 watch, 3 breach.",
    "timestamp_seconds": "When this look was taken; an old one is no news.",
    "scores": "Scores judged.",
    "outcomes_due": "Outcomes due, by nights.",
    "observed_over_foreseen": "Long stays come about over foreseen.",
    "auroc": "Ranking of the scores, by nights.",
    "coverage": "Share of stays held by the range of the day of leaving; 0.8 is meant.",
    "completeness": "Share of what a score could use that was known, latest week.",
    "feed_silent_hours": "Hours since a family of facts last arrived at a site.",
    "feed_state": "State of a feed: 0 ok, 2 watch, 3 breach.",
    "findings": "Findings by subject and state.",
}
_LEVELS: Final = {state.value: level for level, state in enumerate(State)}

Sample = tuple[str, dict[str, str], float]


def gauges(told: Mapping[str, Any]) -> str:
    """The look in the Prometheus text format, for a collector of text files.

    No label holds more than a name of ours, a horizon, a family of facts or a site.

    Parameters
    ----------
    told : mapping
        Of :func:`training.monitor.look.look`.
    """
    samples = list(_samples(told))
    lines: list[str] = []
    for name, meaning in _HELP.items():
        lines += [
            f"# HELP homeward_monitor_{name} {meaning}",
            f"# TYPE homeward_monitor_{name} gauge",
        ]
        lines += [_line(*sample) for sample in samples if sample[0] == name]
    return "\n".join([*lines, ""])


def _samples(told: Mapping[str, Any]) -> Iterator[Sample]:
    yield "state", {}, _LEVELS[told["state"]]
    yield "timestamp_seconds", {}, datetime.fromisoformat(told["at"]).timestamp()
    yield "scores", {}, told["counts"]["scores"]
    for nights, count in told["counts"]["due"].items():
        yield "outcomes_due", {"nights": nights}, count
    for one in told["calibration"]:
        labels = {"who": one["who"], "nights": str(one["horizon"])}
        yield "observed_over_foreseen", labels, one["ratio"]
    for nights, figures_ in told["discrimination"].items():
        yield from _known("auroc", {"nights": nights}, figures_["auroc"]["value"])
    if told["coverage"]:
        yield from _known("coverage", {}, told["coverage"]["share"]["value"])
    if told["weeks"]:
        yield from _known("completeness", {}, told["weeks"][-1]["completeness"])
    for feed in told["feeds"]:
        labels = {"family": feed["family"], "site": feed["site"]}
        yield "feed_silent_hours", labels, feed["silent_hours"]
        yield "feed_state", labels, _LEVELS[feed["state"]]
    yield from _counted(told["findings"])


def _counted(findings: Iterable[Mapping[str, Any]]) -> Iterator[Sample]:
    pairs = Counter((one["about"], one["state"]) for one in findings)
    for (about, state), count in sorted(pairs.items()):
        yield "findings", {"about": about, "state": state}, count


def _known(name: str, labels: dict[str, str], value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield name, labels, value


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
    return f"homeward_monitor_{name}{f'{{{inside}}}' if inside else ''} {value:.15g}"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def figures(told: Mapping[str, Any]) -> dict[str, float]:
    """Metrics of the look for an MLflow run."""
    kept = {
        f"{name}_{days}": figure["value"]
        for days, measured in told["discrimination"].items()
        for name, figure in measured.items()
        if figure["value"] is not None
    }
    kept |= {
        f"observed_over_foreseen_{one['horizon']}": one["ratio"]
        for one in told["calibration"]
        if one["who"] == "all"
    }
    if told["coverage"] and told["coverage"]["share"]["value"] is not None:
        kept["coverage_80"] = told["coverage"]["share"]["value"]
    states = Counter(one["state"] for one in told["findings"])
    return kept | {f"findings_{state}": float(count) for state, count in states.items()}
