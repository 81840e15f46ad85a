"""The plan as one page that a hub, its analysts and its board can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from models.page import bullets, heading, page, paragraph, subheading, table, warning
from training.impact.charts import Bar, interval_chart
from training.impact.impact_page import DESIGNS, SYNTHETIC, number

_GROUPS: Final = {
    "age": "By age",
    "sex": "By sex",
    "ethnicity": "By ethnic group",
    "deprivation": "By deprivation quintile",
}
_OUTCOMES: Final = {
    "bed_days_not_residing": "beds without criteria to reside",
    "bed_days_7": "beds of 7 nights or more",
    "bed_days_21": "beds of 21 nights or more",
}
NOT_SHOWN: Final = (
    "that acting on the list shortens a stay: nothing has been tried, so what is saved is assumed",
    "how the list does once staff act on it: held-out forecasts were not seen by anybody",
    "what the hub's other work loses to the list",
    "that nobody will be missed where none was: an interval of 100 % to 100 % is of these stays",
    "power under a season, a trend or a shock that this site has not had",
)


def plan_page(told: Mapping[str, Any]) -> str:
    """Build the page.

    Parameters
    ----------
    told : mapping
        From :func:`training.impact.plan.plan_golive`.
    """
    parts = [warning(SYNTHETIC)] if told["synthetic"] else []
    parts += [paragraph(f"Judged on {told['judged']}, over {told['reach']['days']} days.")]
    parts += [heading("In short"), bullets(summary(told))]
    for days, horizon in told["reach"]["horizons"].items():
        parts += _lists(days, horizon, told["reach"]["capacity"])
    parts += [*_expected(told), *_power(told["power"])]
    parts += [heading("What this cannot show"), bullets(NOT_SHOWN)]
    return page("Before go-live: what the list would bring here", *parts)


def summary(told: Mapping[str, Any]) -> list[str]:
    """The plan in a few lines."""
    reach = told["reach"]
    lines = []
    for days, horizon in reach["horizons"].items():
        row = next(one for one in horizon["lists"] if one["capacity"] == reach["capacity"])
        lines.append(
            f"with {reach['capacity']} places a site and day, {number(row['new_a_site_and_day'])} "
            f"new names a site and day; {_percent(row['reached'])} of stays of {days} nights or "
            f"more are listed before, half of those {number(row['nights_before']['value'])} nights "
            f"before; {_percent(row['right'])} of the lines are right"
        )
        lines += _missed(days, horizon["groups"])
    expected = told["expected"]
    if expected:
        low, high = expected["bed_days_a_year"]
        acted, saved = (told["assumptions"][name] for name in ("acted_on", "nights_saved"))
        lines.append(
            f"ASSUMING that something is done for {acted[0]:.0%} to {acted[1]:.0%} of them and "
            f"saves {saved[0]:g} to {saved[1]:g} nights each: {low:,} to {high:,} bed days a year"
        )
    return [*lines, _best(told)]


def _missed(days: str, groups: Mapping[str, Any]) -> Iterable[str]:
    named = [
        f"{row['group']} ({name})"
        for name, rows in groups.items()
        for row in rows
        if row.get("missed_more")
    ]
    if named:
        yield f"missed more often than the others at {days} nights: {', '.join(named)}"


def _best(told: Mapping[str, Any]) -> str:
    """Which roll-out shows least, and whether the assumed effect is within its sight."""
    shown = [one for one in told["power"] if one["smallest"] is not None]
    if not shown:
        return "no roll-out over these units could show any effect: evaluate over more units"
    best = min(shown, key=lambda one: (one["share"] or 1.0, one["weeks"]))
    line = (
        f"the most sensitive roll-out ({DESIGNS[best['design']]} by {best['level']}, "
        f"{best['weeks']} weeks) shows an effect of {number(best['smallest'])} "
        f"{_OUTCOMES[best['outcome']]} per 100 ({best['share']:.0%} of today's) or more"
    )
    expected = told["expected"]
    if not expected:
        return line
    low, high = expected["beds_per_100"]
    seen = "within its sight" if best["smallest"] <= high else "too small for it to see"
    return f"{line}; even the largest effect assumed ({low:g} to {high:g} per 100) is {seen}"


def _percent(told: Mapping[str, Any]) -> str:
    if told["value"] is None:
        return "an unknown share"
    if told["low"] is None:
        return f"{told['value']:.0%}"
    return f"{told['value']:.0%} ({told['low']:.0%} to {told['high']:.0%})"


def _lists(days: str, horizon: Mapping[str, Any], capacity: int) -> Iterable[str]:
    yield heading(f"Stays of {days} nights or more")
    rows = [
        (
            str(row["capacity"]),
            number(row["new_a_site_and_day"]),
            _percent(row["right"]),
            _percent(row["reached"]),
            number(row["nights_before"]["value"]),
            _referral(row["before_referral"]),
        )
        for row in horizon["lists"]
    ]
    yield table(
        (
            "Places a site and day",
            "New names a site and day",
            "Lines that are right",
            "Long stays listed before",
            "Nights before (half of them)",
            "Nights before today's hub referral",
        ),
        rows,
    )
    yield subheading(f"Whose long stays are missed, with {capacity} places")
    for name, groups in horizon["groups"].items():
        yield from _missed_chart(name, groups)


def _missed_chart(name: str, groups: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    rows = list(groups)
    bars = [
        Bar(
            label=row["group"],
            value=1.0 - row["reached"]["value"],
            low=None if row["reached"]["high"] is None else 1.0 - row["reached"]["high"],
            high=None if row["reached"]["low"] is None else 1.0 - row["reached"]["low"],
        )
        for row in rows
        if not row["too_few"]
    ]
    few = [row["group"] for row in rows if row["too_few"]]
    if bars and not any(bar.value or bar.high for bar in bars):
        yield paragraph(f"{_GROUPS[name]}: no long stay was missed in the groups that are judged.")
    elif bars:
        yield interval_chart(
            bars,
            title=f"{_GROUPS[name]}: long stays never listed before",
            across=f"{_GROUPS[name].lower()}: share never listed before",
        )
    if few:
        yield paragraph(f"{_GROUPS[name]}, too few long stays to judge: {', '.join(few)}.")


def _referral(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "not recorded, or too few"
    return (
        f"{told['median']:.0f} (quarters {told['quarter']:.0f} to {told['three_quarters']:.0f}); "
        f"{told['never_referred']:.0%} never referred"
    )


def _expected(told: Mapping[str, Any]) -> Iterable[str]:
    yield heading("What it might release")
    expected, assumed = told["expected"], told["assumptions"]
    if expected is None:
        yield paragraph("Not told: stays of 7 nights could not be judged.")
        return
    acted, saved, money = assumed["acted_on"], assumed["nights_saved"], assumed["money"]
    rows = [
        ("Long stays a year", f"{expected['long_stays_a_year']:,}"),
        ("of them listed before", _range(expected["reached_a_year"])),
        ("ASSUMED: share acted on who would not have been", f"{acted[0]:.0%} to {acted[1]:.0%}"),
        ("ASSUMED: nights saved for each", f"{saved[0]:g} to {saved[1]:g}"),
        ("Bed days a year", _range(expected["bed_days_a_year"])),
        ("Beds per 100 usually occupied", _range(expected["beds_per_100"])),
        (
            f"Pounds a year, at {money['low']:,.0f} to {money['high']:,.0f} a bed day",
            _range(expected["pounds_a_year"]),
        ),
    ]
    yield table(("", "From the least of every range to the most"), rows)
    yield paragraph(
        "The assumed lines are guesses to be replaced by the site's own; nothing in the data says "
        "that acting on the list saves a night. Capacity for others, not cash."
    )


def _range(told: Iterable[float]) -> str:
    low, high = told
    return f"{low:,} to {high:,}"


def _power(power: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    yield heading("The smallest effect a roll-out could show")
    rows = [
        (
            DESIGNS[row["design"]],
            f"{row['units']} {row['level']}s",
            str(row["weeks"]),
            _OUTCOMES[row["outcome"]],
            number(row["mean"]),
            row["why"]
            if row["smallest"] is None
            else f"{number(row['smallest'])} ({row['share']:.0%})",
        )
        for row in power
    ]
    yield table(
        ("Roll-out", "Units", "Weeks", "Outcome, per 100 beds", "Today", "Shown in 80 % of trials"),
        rows,
    )
    yield paragraph(
        "By simulation from this site's own variance and autocorrelation, with the test that "
        "homeward impact will use, order drawn by lot, two weeks of transition. An effect smaller "
        "than this will probably be reported as not shown, whether or not it is there."
    )
