"""The monitor's page and its gauges, from one look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.page import definitions, heading, page, paragraph, subheading, table, warning
from training.monitor.drawing import chart
from training.monitor.findings import State

VERDICTS: Final = {
    State.OK: "Nothing found that asks for action.",
    State.UNKNOWN: "Some things cannot be told yet; nothing that can be told asks for action.",
    State.WATCH: "Something to look at.",
    State.BREACH: "A limit was broken: act before relying on the scores.",
}
_MOST_ROWS: Final = 40


def monitor_page(told: Mapping[str, Any], *, synthetic: bool) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    told : mapping
        Of :func:`training.monitor.look.look`.
    synthetic : bool
    """
    counts = told["counts"]
    parts = [
        warning("SYNTHETIC DATA: nobody here exists.") if synthetic else "",
        warning(VERDICTS[State(told["state"])]),
        definitions(
            [
                ("As known at", told["at"]),
                ("Scores shown to staff", str(counts["scores"])),
                ("of spells", str(counts["spells"])),
                ("Scores not shown", str(counts["not_shown"])),
                *((f"Outcomes due at {days} nights", str(n)) for days, n in counts["due"].items()),
            ]
        ),
        heading("Findings"),
        table(
            ["about", "state", "what"],
            [[one["about"], one["state"], one["text"]] for one in told["findings"]],
        ),
        heading("Does what was foreseen come about"),
        paragraph(
            "One score a spell, the first. A line adds up evidence that stays are longer (plum) or "
            "shorter (blue) than foreseen; it alarms where it crosses its dashed limit. In a whole "
            "period without a change, all charts together do so once in twenty times."
        ),
        *_charts(told["calibration"]),
        heading("Week by week"),
        _table(told["weeks"]),
        heading("Ranking"),
        _figures(told["discrimination"]),
        heading("Use"),
        _use(told["use"]),
        heading("By group"),
        paragraph("Counts are rounded to five, and small ones are not shown."),
        *_groups(told["groups"]),
        heading("Drift"),
        _table(told["drift"][:_MOST_ROWS]),
        heading("Feeds"),
        _table(told["feeds"][:_MOST_ROWS]),
        heading("What this cannot show"),
        paragraph(
            "Once staff act on scores, outcomes change: falling accuracy may be success. Only a "
            "slice whose scores were not shown can tell the two apart. Patients still in hospital "
            "count for a horizon once it could have passed, whatever became of them."
        ),
    ]
    return page("Homeward: monitor", *parts)


def _charts(told: list[dict[str, Any]]) -> Iterable[str]:
    for one in told:
        yield subheading(f"{one['who']}: {one['horizon']} nights or more")
        yield chart(one)
        yield paragraph(
            f"{one['came_about']} came about of {one['foreseen']} foreseen among "
            f"{one['outcomes']} outcomes: a ratio of {one['ratio']}."
        )


def _groups(told: Mapping[str, list[dict[str, Any]]]) -> Iterable[str]:
    for name, groups in told.items():
        yield subheading(name)
        yield table(
            ["group", "patients", "long stays", "foreseen", "came about", "slope"],
            [
                [
                    one["group"],
                    _cell(one["patients"]),
                    _cell(one["events"]),
                    _cell(one.get("mean_probability")),
                    _cell(one.get("share")),
                    _interval(one.get("metrics", {}).get("calibration_slope")),
                ]
                for one in groups
            ],
        )


def _figures(told: Mapping[str, Mapping[str, Any]]) -> str:
    return table(
        ["nights", "figure", "value"],
        [
            [days, name, _interval(figure)]
            for days, figures in told.items()
            for name, figure in figures.items()
        ],
    )


def _use(told: Mapping[str, Any]) -> str:
    if not told:
        return paragraph("No score yet.")
    rows = [[name, _interval(figure)] for name, figure in told["lists"].items()]
    alerts = told["alerts"] or {}
    rows += [
        [
            f"alerts a site and day: {name}",
            _interval(figure) if isinstance(figure, dict) else _cell(figure),
        ]
        for name, figure in alerts.items()
    ]
    return table([f"lists of {told['capacity']}, {told['horizon']} nights", "value"], rows)


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return paragraph("Nothing to show yet.")
    return table(list(rows[0]), [[_cell(one) for one in row.values()] for row in rows])


def _cell(value: object) -> str:
    return "few" if value is None else str(value)


def _interval(figure: Mapping[str, Any] | None) -> str:
    if not figure or figure.get("value") is None:
        return "too few"
    ends = (figure.get("low"), figure.get("high"))
    span = "" if None in ends else f" ({ends[0]:.3f} to {ends[1]:.3f})"
    return f"{figure['value']:.3f}{span}"


def gauges(told: Mapping[str, Any]) -> str:
    """The look as gauges in the Prometheus text format, for a collector of text files.

    No label holds more than a name of ours, a horizon or a site.
    """
    states = {state.value: level for level, state in enumerate(State)}
    lines = [
        "# HELP homeward_monitor_state Worst finding: 0 ok, 1 unknown, 2 watch, 3 breach.",
        "# TYPE homeward_monitor_state gauge",
        f"homeward_monitor_state {states[told['state']]}",
        "# HELP homeward_monitor_observed_over_foreseen Long stays come about over foreseen.",
        "# TYPE homeward_monitor_observed_over_foreseen gauge",
    ]
    lines += [
        f'homeward_monitor_observed_over_foreseen{{who="{_label(one["who"])}",'
        f'nights="{one["horizon"]}"}} {one["ratio"]}'
        for one in told["calibration"]
    ]
    lines += [
        "# HELP homeward_monitor_findings Findings by subject and state.",
        "# TYPE homeward_monitor_findings gauge",
    ]
    pairs = Counter((one["about"], one["state"]) for one in told["findings"])
    lines += [
        f'homeward_monitor_findings{{about="{about}",state="{state}"}} {count}'
        for (about, state), count in sorted(pairs.items())
    ]
    return "\n".join([*lines, ""])


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
    return kept
