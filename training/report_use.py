"""The part of the report about use: is acting on it worth it, how early does it warn, how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from models.card_findings import interval
from models.page import paragraph, subheading, table
from training.baselines import NAMES

WIDTH, HEIGHT, EDGE = 560, 220, 34
_COLOURS: Final = ("#005eb8", "#768692", "#ae2573", "#007f3b", "#8a5300", "#330072")


def use_sections(evaluation: Mapping[str, Any], days: str) -> Iterable[str]:
    """Decision curve, lead time and alerts of one horizon.

    Parameters
    ----------
    evaluation : mapping
        From :func:`training.evaluate.evaluate`.
    days : str
        The horizon.
    """
    yield from _decision(evaluation["decision"][days])
    yield from _lead(evaluation["lead"][days], evaluation["decision"][days]["alert"])
    yield from _alerts(evaluation["alerts"], days)


def _decision(told: Mapping[str, Any]) -> Iterable[str]:
    curve = told["curve"]
    names = [name for name in curve[0] if name != "threshold"]
    lines = {
        "Homeward" if name == "model" else _name(name): [
            one[name]["value"] if name == "model" else one[name] for one in curve
        ]
        for name in names
    }
    yield subheading("Is acting on it worth it")
    yield paragraph(
        "Net benefit: long stays found early for each snapshot, less the needless actions at their "
        "price. Whoever acts at a chance of 20 % takes four needless actions for one that was "
        "needed. The model is of use at thresholds where it is above acting on everybody and "
        "above acting on nobody (0)."
    )
    yield _drawn([one["threshold"] for one in curve], lines)
    yield table(
        ("Acting at", *lines),
        [
            (f"{one['threshold']:.0%}", *(_figure(values[row]) for values in lines.values()))
            for row, one in enumerate(curve)
        ],
    )
    gaps = "; ".join(f"{_name(name)} {interval(gap)}" for name, gap in told["against"].items())
    yield paragraph(f"At {told['alert']:.0%}, Homeward minus: {gaps}.")


def _lead(told: Mapping[str, Any], level: float) -> Iterable[str]:
    yield subheading("How early it warns")
    words = {"alert": f"a chance of {level:.0%} or more", "list": "being on the daily list"}
    yield table(
        ("Warned by", "of long stays", "Days before, median", "3 days or more before"),
        [
            (
                text,
                interval(told[name]["flagged"]),
                _days(told[name]["median_days"]),
                interval(told[name]["at_least"]["3"]),
            )
            for name, text in words.items()
            if name in told
        ],
    )


def _days(figure: Mapping[str, Any]) -> str:
    """Whole days with their interval."""
    if figure["value"] is None or figure["low"] is None:
        return "not known"
    return f"{figure['value']:.0f} ({figure['low']:.0f} to {figure['high']:.0f})"


def _alerts(told: Mapping[str, Any], days: str) -> Iterable[str]:
    yield subheading("How often it calls")
    if "left_out" in told or days not in told["horizons"]:
        yield paragraph(f"Not judged: {told.get('left_out', 'too few days')}.")
        return
    one = told["horizons"][days]
    rows = [
        (name.replace("_", " "), interval(figure))
        for name, figure in one.items()
        if isinstance(figure, Mapping)
    ]
    yield table((f"Alerts at {told['level']:.0%}, a site and day", "how many"), rows)


def _name(name: str) -> str:
    return "acting on everybody" if name == "everybody" else NAMES.get(name, name)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _drawn(thresholds: Sequence[float], lines: Mapping[str, Sequence[float | None]]) -> str:
    """The decision curve as inline SVG; what lies below nothing is cut off."""
    top = max((v for values in lines.values() for v in values if v is not None), default=0.01)
    low = -0.1 * top

    def x(at: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * at / max(thresholds)

    def y(value: float) -> float:
        return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (max(value, low) - low) / (top - low)

    parts = [
        f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="#aeb7bd"/>'
    ]
    for row, (name, values) in enumerate(lines.items()):
        colour = _COLOURS[row % len(_COLOURS)]
        points = " ".join(
            f"{x(at):.1f},{y(v):.1f}"
            for at, v in zip(thresholds, values, strict=True)
            if v is not None
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{WIDTH - 190}" y="{18 + 15 * row}" font-size="12" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    parts += [
        f'<text x="{x(at) - 10:.1f}" y="{HEIGHT - 12}" font-size="11">{at:.0%}</text>'
        for at in thresholds[1::2]
    ]
    parts += [
        (
            f'<text x="{WIDTH // 2}" y="{HEIGHT + 6}" font-size="12" text-anchor="middle">'
            "chance at which one acts</text>"
        ),
        (
            f'<text x="12" y="{HEIGHT // 2}" font-size="12" text-anchor="middle" '
            f'transform="rotate(-90 12 {HEIGHT // 2})">net benefit</text>'
        ),
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 12}" width="{WIDTH}" role="img" '
        f'aria-label="Decision curve; the table below has the same figures">{"".join(parts)}</svg>'
    )
