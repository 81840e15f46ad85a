"""Charts as inline SVG: no script, no picture to load, readable in black and white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from training.impact.panel import Float64

_INK: Final = "#212b32"
_BLUE: Final = "#005eb8"
_GREY: Final = "#768692"
_WIDTH: Final = 760
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 44
_HEIGHT: Final = 260
_ROW: Final = 30
_LABEL: Final = 350


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure with its interval; None where there is no end."""

    label: str
    value: float
    low: float | None
    high: float | None


def line_chart(
    time: Float64, seen: Float64, expected: Float64, *, title: str, across: str, up: str
) -> str:
    """Points seen and the line expected, with a vertical line at 0."""
    known = np.concatenate([seen[np.isfinite(seen)], expected[np.isfinite(expected)]])
    x = _Axis(float(time.min()), float(time.max()), _LEFT, _WIDTH - _RIGHT)
    y = _Axis(*_padded(known), _HEIGHT - _BOTTOM, _TOP)
    dots = "".join(
        f'<circle cx="{x.at(when):.1f}" cy="{y.at(what):.1f}" r="2.6" fill="{_BLUE}"/>'
        for when, what in zip(time, seen, strict=True)
        if np.isfinite(what)
    )
    line = " ".join(
        f"{x.at(when):.1f},{y.at(what):.1f}" for when, what in zip(time, expected, strict=True)
    )
    change = (
        f'<line x1="{x.at(0):.1f}" x2="{x.at(0):.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" '
        f'stroke="{_INK}" stroke-dasharray="5 4"/>'
    )
    body = (
        _across(x, across)
        + _up(y, up)
        + change
        + f'<polyline points="{line}" fill="none" stroke="{_GREY}" stroke-width="2"/>'
        + dots
    )
    return _svg(title, body, _HEIGHT)


def interval_chart(bars: Sequence[Bar], *, title: str, across: str) -> str:
    """Estimates with intervals, one a row, and a vertical line at 0; an arrow has no end."""
    known = [value for bar in bars for value in (bar.value, bar.low, bar.high) if value is not None]
    x = _Axis(*_padded(np.array([0.0, *known])), _LABEL, _WIDTH - _RIGHT)
    height = _TOP + _ROW * len(bars) + _BOTTOM
    rows = "".join(_bar(bar, x, _TOP + _ROW * (at + 0.5)) for at, bar in enumerate(bars))
    bottom = height - _BOTTOM
    zero = (
        f'<line x1="{x.at(0):.1f}" x2="{x.at(0):.1f}" y1="{_TOP}" y2="{bottom}" '
        f'stroke="{_INK}" stroke-dasharray="5 4"/>'
    )
    return _svg(title, _across(x, across, bottom=bottom) + zero + rows, height)


def _bar(bar: Bar, x: _Axis, y: float) -> str:
    low = x.start if bar.low is None else x.at(bar.low)
    high = x.end if bar.high is None else x.at(bar.high)
    ends = "".join(
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 5:.1f}" y2="{y + 5:.1f}" stroke="{_BLUE}" '
        'stroke-width="2"/>'
        if known is not None
        else f'<text x="{at:.1f}" y="{y + 5:.1f}" text-anchor="middle">{arrow}</text>'
        for at, known, arrow in ((low, bar.low, "◀"), (high, bar.high, "▶"))
    )
    return (
        f'<text x="0" y="{y + 5:.1f}">{escape(bar.label)}</text>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_BLUE}" '
        f'stroke-width="2"/>{ends}'
        f'<circle cx="{x.at(bar.value):.1f}" cy="{y:.1f}" r="4.5" fill="{_BLUE}"/>'
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to places on the page."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """A few round values."""
        rough = (self.high - self.low) / 5.0
        size = 10.0 ** np.floor(np.log10(rough))
        step = float(size * min((1, 2, 5, 10), key=lambda times: abs(times * size - rough)))
        first = np.ceil(self.low / step)
        count = int(np.floor(self.high / step) - first) + 1
        return [float((first + at) * step) for at in range(count)]


def _padded(values: Float64) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _told(value: float) -> str:
    return f"{value:.10g}" if value else "0"


def _across(x: _Axis, label: str, *, bottom: float = _HEIGHT - _BOTTOM) -> str:
    ticks = "".join(
        f'<text x="{x.at(value):.1f}" y="{bottom + 18}" text-anchor="middle">{_told(value)}</text>'
        for value in x.ticks()
    )
    middle = (x.start + x.end) / 2.0
    return (
        f'<line x1="{x.start}" x2="{x.end}" y1="{bottom}" y2="{bottom}" stroke="{_GREY}"/>{ticks}'
        f'<text x="{middle:.1f}" y="{bottom + 37}" text-anchor="middle" fill="#4c6272">'
        f"{escape(label)}</text>"
    )


def _up(y: _Axis, label: str) -> str:
    ticks = "".join(
        f'<text x="{_LEFT - 8}" y="{y.at(value) + 5:.1f}" text-anchor="end">{_told(value)}</text>'
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y.at(value):.1f}" '
        f'y2="{y.at(value):.1f}" stroke="#e8edee"/>'
        for value in y.ticks()
    )
    middle = (y.start + y.end) / 2.0
    return ticks + (
        f'<text x="14" y="{middle:.1f}" text-anchor="middle" fill="#4c6272" '
        f'transform="rotate(-90 14 {middle:.1f})">{escape(label)}</text>'
    )


def _svg(title: str, body: str, height: float) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" width="100%" '
        f'style="max-width:{_WIDTH}px" font-size="14" fill="{_INK}" '
        f'font-family="system-ui,sans-serif"><title>{escape(title)}</title>{body}</svg>'
    )
