"""Control charts as small drawings inside the page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

WIDTH, HEIGHT, EDGE = 640, 120, 8
_STROKES: Final = {"longer": "#ae2573", "shorter": "#005eb8"}


def chart(told: Mapping[str, Any]) -> str:
    """Both directions of one chart with the higher limit, as inline SVG.

    Parameters
    ----------
    told : mapping
        One of ``calibration`` of :func:`training.monitor.look.look`.
    """
    top = 1.1 * max(
        [told[name]["limit"] for name in _STROKES]
        + [point for name in _STROKES for point in told[name]["path"]]
    )
    words = f"Control chart, {told['who']}, {told['horizon']} nights or more"
    lines = "".join(
        _line(told[name]["path"], top, stroke) + _limit(told[name]["limit"], top, stroke)
        for name, stroke in _STROKES.items()
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(words, quote=True)}">{lines}</svg>'
    )


def _y(value: float, top: float) -> float:
    return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top, 1)


def _line(path: list[float], top: float, stroke: str) -> str:
    step = (WIDTH - 2 * EDGE) / max(len(path) - 1, 1)
    points = " ".join(f"{EDGE + at * step:.1f},{_y(one, top)}" for at, one in enumerate(path))
    return f'<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="1.5"/>'


def _limit(limit: float, top: float, stroke: str) -> str:
    y = _y(limit, top)
    return (
        f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y}" y2="{y}" stroke="{stroke}" '
        'stroke-dasharray="6 4"/>'
    )
