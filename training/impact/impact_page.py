"""The evaluation as one page that an evaluator reads without Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from models.page import (
    bullets,
    definitions,
    heading,
    page,
    paragraph,
    subheading,
    table,
    warning,
)
from training.impact.charts import Bar, interval_chart, line_chart

SYNTHETIC: Final = "SYNTHETIC DATA: a simulated hospital. It says nothing about patients."

DESIGNS: Final = {
    "stepped_wedge": "stepped-wedge",
    "staggered": "staggered roll-out, by imputation",
    "difference_in_differences": "difference-in-differences",
    "controlled_its": "controlled interrupted time series",
}
_GROUPS: Final = {"deprivation": "By deprivation quintile", "ethnicity": "By ethnic group"}


def impact_page(told: Mapping[str, Any]) -> str:
    """Build the page.

    Parameters
    ----------
    told : mapping
        From :func:`training.impact.study.evaluate_impact`.
    """
    primary = told["outcomes"][told["primary"]]
    parts = [warning(SYNTHETIC)] if told["synthetic"] else []
    parts += [paragraph(_what(told["protocol"])), heading("The answer")]
    parts += [paragraph(verdict(primary)), *(warning(limit) for limit in _loud(told, primary))]
    parts += [*_overview(told), *_balance(told["outcomes"]), *_money(told)]
    for outcome in told["outcomes"].values():
        parts += _outcome(outcome)
    parts += [heading("What is assumed"), bullets(told["assumptions"])]
    parts += [heading("What this cannot show"), bullets(told["cannot_show"])]
    parts += [heading("Doubts about the whole"), bullets(told["limits"])]
    parts += [heading("The protocol"), definitions(_protocol(told))]
    return page(f"Did it help? {told['title']}", *parts)


def _what(protocol: Mapping[str, Any]) -> str:
    return (
        f"What changed: {protocol['changed']}. Judged as a {DESIGNS[protocol['design']]} over "
        f"{len(protocol['steps'])} {protocol['level']}(s) that changed and "
        f"{len(protocol['controls'])} that did not, from {protocol['first']} to "
        f"{protocol['last']}. Intervals are 95 %."
    )


def verdict(outcome: Mapping[str, Any]) -> str:
    """One sentence on an outcome, as confident as its interval."""
    name = f"{outcome['label']} (the primary outcome)"
    figure = interval_text(outcome)
    low, high = outcome["low"], outcome["high"]
    if low is None or high is None:
        return f"{name}: {figure} {outcome['unit']}. This design cannot say whether it changed."
    if low <= 0.0 <= high:
        return (
            f"{name}: no effect was shown. The estimate is {figure} {outcome['unit']}; anything "
            "within the interval, none included, is compatible with what was seen."
        )
    better = (outcome["estimate"] < 0) == outcome["less_is_better"]
    return (
        f"{name} {'fell' if outcome['estimate'] < 0 else 'rose'}: by estimate {figure} "
        f"{outcome['unit']} ({'better' if better else 'WORSE'}), against "
        f"{number(outcome['mean_before'])} before; p {outcome['p_value']:.3f}."
    )


def interval_text(told: Mapping[str, Any]) -> str:
    """Estimate with its interval.

    >>> interval_text({"estimate": -1.25, "low": None, "high": 0.5})
    '-1.25 (no end to 0.5)'
    """
    low, high = ("no end" if told[end] is None else number(told[end]) for end in ("low", "high"))
    return f"{number(told['estimate'])} ({low} to {high})"


def number(value: float | None) -> str:
    """Three significant digits.

    >>> number(-12.345), number(0.04567), number(12345.6)
    ('-12.3', '0.0457', '12,346')
    """
    if value is None:
        return "not known"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def _loud(told: Mapping[str, Any], primary: Mapping[str, Any]) -> Iterable[str]:
    """Doubts that a reader must meet before the figures."""
    yield from (limit for limit in told["limits"] if limit.isupper() or "MODEL CHANGED" in limit)
    yield from (
        limit
        for limit in primary["limits"]
        if "did not move alike" in limit or "cannot show" in limit or "not due" in limit
    )


def _overview(told: Mapping[str, Any]) -> Iterable[str]:
    yield heading("All outcomes")
    rows = [_row(outcome) for outcome in told["outcomes"].values()]
    yield table(
        ("Outcome", "Before", "Effect (95 %)", "p", "Bare after minus before, nothing controlled"),
        rows,
    )
    yield paragraph(
        "The bare figure holds the season, the trend and whatever else happened; it stands here "
        "only to be compared with the effect. Outcomes that are not due are not estimated."
    )


def _row(outcome: Mapping[str, Any]) -> tuple[str, ...]:
    label = outcome["label"] + (" [balancing]" if outcome["balancing"] else "")
    if "refused" in outcome:
        return (label, "", f"not estimated: {outcome['refused']}", "", "")
    return (
        label,
        number(outcome["mean_before"]),
        interval_text(outcome),
        f"{outcome['p_value']:.3f}",
        number(outcome["naive_before_after"]),
    )


def _balance(outcomes: Mapping[str, Any]) -> Iterable[str]:
    yield subheading("Did it cost something?")
    told = [one for one in outcomes.values() if one["balancing"]]
    known = [one for one in told if "refused" not in one]
    if known:
        bars = [_as_bar(one["label"].split(",")[0], one) for one in known]
        yield interval_chart(bars, title="Balancing outcomes", across="change in share")
    for one in told:
        if "refused" in one:
            yield paragraph(f"{one['label']}: not estimated: {one['refused']}")
    worse = [one["label"] for one in known if one["low"] is not None and one["low"] > 0]
    yield (
        warning(f"Worse: {'; '.join(worse)}.")
        if worse
        else paragraph(
            "None of them is shown to be worse; the right ends of the intervals are the harm that "
            "cannot be excluded."
        )
    )


def _money(told: Mapping[str, Any]) -> Iterable[str]:
    rows = [
        (
            one["label"],
            _span(one["released"]["bed_days"], ("estimate", "low", "high")),
            _pounds(one["released"]["pounds"]),
            "" if _is_shown(one) else "no release was shown",
        )
        for one in told["outcomes"].values()
        if "released" in one
    ]
    if not rows:
        return
    money = told["protocol"]["money"]
    yield heading("Capacity released")
    head = ("Outcome", "Bed days released (95 %)", "Pounds, over all of the interval", "")
    yield table(head, rows)
    yield paragraph(
        f"Bed days not used by such patients in the units and weeks after the change, at "
        f"{money['low']:,.0f} to {money['high']:,.0f} pounds a bed day. Rows overlap and must not "
        "be added. A released bed is filled by the next patient: this is capacity, not cash."
    )


def _span(told: Mapping[str, Any], names: tuple[str, str, str]) -> str:
    value, low, high = (told[name] for name in names)
    ends = ["no end" if end is None else f"{end:,}" for end in (low, high)]
    return f"{value:,} ({ends[0]} to {ends[1]})"


def _pounds(told: Mapping[str, Any]) -> str:
    """From the worst end at its worst price to the best end at its best."""
    if told["low"] is None or told["high"] is None:
        return "not bounded"
    return f"{told['low'][0]:,} to {told['high'][1]:,}"


def _is_shown(outcome: Mapping[str, Any]) -> bool:
    low, high = outcome["low"], outcome["high"]
    return low is not None and high is not None and not low <= 0.0 <= high


def _outcome(outcome: Mapping[str, Any]) -> Iterable[str]:
    if "refused" in outcome:
        return
    yield heading(outcome["label"])
    yield paragraph(
        f"Effect {interval_text(outcome)} {outcome['unit']}, by {outcome['inference']}."
    )
    if outcome["model"]:
        yield paragraph(
            f"The same by a regression with AR(1) errors: {interval_text(outcome['model'])}."
        )
    if outcome["trends_before"]:
        yield paragraph(
            f"Trends before the change: p {outcome['trends_before']['p_value']:.2f} of moving "
            "alike. A large p does not show that the trends were alike."
        )
    series = outcome["series"]
    seen, expected = (
        np.array([np.nan if value is None else value for value in series[name]], np.float64)
        for name in ("seen", "expected")
    )
    yield line_chart(
        np.array(series["points_since_change"], np.float64),
        seen,
        expected,
        title=f"{outcome['label']}: seen (points), expected (line), by time since the change",
        across="points since the change",
        up="seen less expected",
    )
    yield paragraph(
        "Dots are what was seen, the line what would have been expected without the change; a "
        "point is as many weeks as the protocol says, and 0 is the first of the change."
    )
    if outcome["limits"]:
        yield bullets(outcome["limits"])
    for name, groups in outcome.get("groups", {}).items():
        yield subheading(_GROUPS[name])
        yield table(("Group", "Spells", "Before", "Effect (95 %)"), map(_group, groups))


def _group(told: Mapping[str, Any]) -> tuple[str, ...]:
    spells = "few" if told["spells"] is None else f"{told['spells']:,}"
    if told["too_few"]:
        return (told["group"], spells, "", "too few to judge")
    return (told["group"], spells, number(told["mean_before"]), interval_text(told))


def _as_bar(label: str, told: Mapping[str, Any]) -> Bar:
    return Bar(label=label, value=told["estimate"], low=told["low"], high=told["high"])


def _protocol(told: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    protocol = told["protocol"]
    yield "Design", DESIGNS[protocol["design"]]
    yield "Steps", "; ".join(f"{step['unit']} from {step['starts']}" for step in protocol["steps"])
    yield "Controls", ", ".join(protocol["controls"]) or "units that had not changed yet"
    yield "Drawn by lot", "yes" if protocol["by_lot"] else "no"
    yield "Transition", f"{protocol['transition_weeks']} weeks after each step are left out"
    models = "; ".join(f"{one['version']} from {one['starts']}" for one in protocol["models"])
    yield "Model versions", models or "not stated"
    yield "Protocol, SHA-256", told["protocol_hash"]
    yield "Data", f"{told['data']['source']}, until {told['data']['observed_until']}"
