"""The monitor's page, from one look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.page import definitions, heading, page, paragraph, subheading, table, warning
from training.monitor.drawing import chart
from training.monitor.findings import State
from training.monitor.golive_page import golive_parts

VERDICTS: Final = {
    State.OK: "Nothing found that asks for action.",
    State.UNKNOWN: "Some things cannot be told yet; nothing that can be told asks for action.",
    State.WATCH: "Something to look at.",
    State.BREACH: "A limit was broken: act before relying on the scores.",
}
_MOST_ROWS: Final = 40
_ORDER: Final = tuple(State)

WEEKS: Final = {
    "week": "Week of first score",
    "spells": "Stays",
    "due": "Outcomes due",
    "came_about": "Long stays come about",
    "foreseen": "Long stays foreseen",
    "completeness": "Share of facts known",
}
DRIFT: Final = {
    "name": "Feature or score",
    "state": "State",
    "index": "Index",
    "noise": "Index that chance explains",
    "missing_before": "Missing then",
    "missing_now": "Missing now",
}
FEEDS: Final = {
    "family": "Family of facts",
    "site": "Site",
    "expected": "Expected in three days",
    "seen": "Seen",
    "silent_hours": "Hours since the last",
    "state": "State",
}
"""Keys of rows of the JSON, and how the page heads them."""

_ALERTS: Final = {
    "new": "New alerts a site and day",
    "day_shift": "of them by day",
    "night_shift": "of them by night",
    "standing": "Patients above the alert level, a site and day",
    "busy_day": "New alerts on the busiest day of ten",
    "days": "Days at sites counted",
}
_LISTS: Final = {
    "ppv_at_capacity": "Lines that are right",
    "recall_at_capacity": "Long stays listed at least once before",
}
_FIGURES: Final = {
    "auroc": "AUROC",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration in the large, log-odds",
}


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
        *(golive_parts(told["golive"]) if told["golive"] else [warning(_verdict(told))]),
        definitions(
            [
                ("As known at", told["at"]),
                ("Scores judged", f"{counts['scores']:,}, of {counts['spells']:,} stays"),
                (
                    "Scores not judged here",
                    str(counts["not_shown"]),
                ),
                *((f"Outcomes due at {days} nights", str(n)) for days, n in counts["due"].items()),
            ]
        ),
        heading("Findings"),
        table(
            ("About", "State", "What was found"),
            [
                (one["about"], one["state"], one["text"])
                for one in sorted(told["findings"], key=_worst_first)
            ],
        ),
        heading("Does what was foreseen come about"),
        paragraph(
            "One score a spell, the first. A line adds up evidence that stays are longer (plum) or "
            "shorter (blue) than foreseen; it alarms where it crosses its dashed limit. In a whole "
            "period of looking without a change, all charts together do so once in twenty times."
        ),
        *_charts(told["calibration"]),
        heading("Week by week"),
        _table(told["weeks"], WEEKS),
        heading("Ranking"),
        _figures(told["discrimination"]),
        heading("Use"),
        _use(told["use"]),
        heading("By group"),
        paragraph("Counts are rounded to five, and small ones are not shown."),
        *_groups(told["groups"]),
        heading("Drift"),
        paragraph(
            "Stability index of each feature and score of the last four weeks against the patients "
            "the model was judged on: .1 is worth a look, .25 a breach, if beyond chance. Largest "
            f"first, at most {_MOST_ROWS}."
        ),
        _table(told["drift"][:_MOST_ROWS], DRIFT),
        heading("Feeds"),
        paragraph("Facts of each family at each site, last three days against eight weeks."),
        _table(sorted(told["feeds"], key=_worst_first)[:_MOST_ROWS], FEEDS),
        heading("What this cannot show"),
        paragraph(
            "Once staff act on scores, outcomes change: falling accuracy may be success. Only a "
            "slice whose scores were not shown can tell the two apart. Patients still in hospital "
            "count for a horizon once it could have passed, whatever became of them."
        ),
    ]
    return page("Shadow report" if told["golive"] else "Homeward: monitor", *parts)


def _verdict(told: Mapping[str, Any]) -> str:
    return VERDICTS[State(told["state"])]


def _worst_first(one: Mapping[str, Any]) -> int:
    return -_ORDER.index(State(one["state"]))


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
            ("Group", "Patients", "Long stays", "Mean foreseen", "Came about", "Slope", "AUROC"),
            [
                [
                    one["group"],
                    _cell(one["patients"]),
                    _cell(one["events"]),
                    _cell(one.get("mean_probability")),
                    _cell(one.get("share")),
                    _interval(one.get("metrics", {}).get("calibration_slope")),
                    _interval(one.get("metrics", {}).get("auroc")),
                ]
                for one in groups
            ],
        )


def _figures(told: Mapping[str, Mapping[str, Any]]) -> str:
    return table(
        ("Nights or more", "Figure", "Value (95 %)"),
        [
            [days, _FIGURES.get(name, name), _interval(figure)]
            for days, figures in told.items()
            for name, figure in figures.items()
        ],
    )


def _use(told: Mapping[str, Any]) -> str:
    if not told:
        return paragraph("No score yet.")
    rows = [[_LISTS.get(name, name), _interval(one)] for name, one in told["lists"].items()]
    rows += [
        [_ALERTS.get(name, name), _interval(one) if isinstance(one, dict) else _cell(one)]
        for name, one in (told["alerts"] or {}).items()
    ]
    head = f"Lists of {told['capacity']} a site and day; stays of {told['horizon']} nights or more"
    return table((head, "Value (95 %)"), rows)


def _table(rows: list[dict[str, Any]], heads: Mapping[str, str]) -> str:
    if not rows:
        return paragraph("Nothing to show yet.")
    return table(list(heads.values()), [[_cell(one[key]) for key in heads] for one in rows])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004
    return "few" if value is None else str(value)


def _interval(figure: Mapping[str, Any] | None) -> str:
    if not figure or figure.get("value") is None:
        return "too few"
    ends = (figure.get("low"), figure.get("high"))
    span = "" if None in ends else f" ({ends[0]:.3f} to {ends[1]:.3f})"
    return f"{figure['value']:.3f}{span}"
