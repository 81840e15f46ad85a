"""The readiness page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from models.page import definitions, folded, heading, page, paragraph, table, warning

WORDS: Final = {
    "ready": "Ready to train.",
    "ready with limits": "Ready, with limits: know them before anybody relies on a score.",
    "not yet": "Not yet: mend what stops it first.",
}
_WIDTH, _HEIGHT, _EDGE = 640, 110, 16


def readiness_page(told: Mapping[str, Any]) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    told : mapping
        Of :func:`training.readiness.examine.examine`.
    """
    counts, span = told["counts"], told["span"]
    return page(
        "Homeward: readiness",
        warning("SYNTHETIC DATA: nobody here exists.") if told["synthetic"] else "",
        warning(WORDS[told["verdict"]]),
        heading("What to mend, in order"),
        table(
            ["weight", "what", "what to do"],
            [[one["weight"], one["text"], one["mend"]] for one in told["points"]],
        )
        if told["points"]
        else paragraph("Nothing found."),
        heading("What there is"),
        definitions(
            [
                ("Source", told["source"]),
                ("Spells in scope", f"{counts['spells_in_scope']:,}"),
                ("of patients", f"{counts['patients']:,}"),
                ("Events", f"{counts['events']:,}"),
                *_when(span),
                ("Deaths", f"{counts['deaths']:,}"),
                ("Still in hospital", f"{counts['still_in_hospital']:,}"),
                *((f"Out of scope: {why}", f"{n:,}") for why, n in counts["out_of_scope"].items()),
            ]
        ),
        heading("Enough to learn from"),
        paragraph(
            f"For {told['parameters']} features, by the criteria of Riley and others (BMJ 2020): "
            "the overall share within .05 and little shrinkage."
        ),
        table(
            ["nights or more", "spells followed", "reached it", "needed", "met"],
            [
                [
                    str(one["horizon"]),
                    f"{one['spells']:,}",
                    f"{one['events']:,}",
                    f"{one['needed']:,}",
                    "yes" if one["met"] else "no",
                ]
                for one in told["enough"]
            ],
        ),
        heading("Month by month"),
        paragraph(_spread(told["outcome_by_month"])),
        _line([one["share"] for one in told["outcome_by_month"]], "Share of 7 nights or more"),
        folded("Spells and long stays of each month, by site", _months(told)),
        heading("Who records what"),
        paragraph("Share of spells with at least one fact; months and sites of 50 spells or more."),
        *_coverage(told["coverage"]),
        heading("How late facts become known"),
        _table(told["delays"]),
        heading("What cannot be, or is said twice"),
        _table([{"what": kind, "how many": f"{n:,}"} for kind, n in told["faults"].items()]),
        heading("Groups"),
        paragraph("Counts are rounded to five, and small ones are not shown."),
        _table(told["groups"]),
    )


def _when(span: Mapping[str, Any]) -> list[tuple[str, str]]:
    """First and last day, where the dates of different patients can be compared."""
    if not span["dated"]:
        return [("Dates", "not of one calendar: months below are not those of any year")]
    return [
        ("First admission", span["first_admission"]),
        ("Known until", span["observed_until"][:10]),
    ]


def _spread(months: Sequence[Mapping[str, Any]]) -> str:
    if not months:
        return "Too few spells in any month."
    shares = [one["share"] for one in months]
    return (
        f"Share of spells of 7 nights or more, {months[0]['month']} to {months[-1]['month']}: "
        f"between {min(shares):.0%} and {max(shares):.0%} a month."
    )


def _months(told: Mapping[str, Any]) -> str:
    """A month a row: spells, share of long stays, spells of each site."""
    sites = sorted({one["site"] for one in told["spells"]})
    counts = {(one["month"], one["site"]): one["spells"] for one in told["spells"]}
    outcome = {one["month"]: one for one in told["outcome_by_month"]}
    head = ["month", "spells", "7 nights or more", *(sites if len(sites) > 1 else [])]
    rows = []
    for month in sorted({one for one, _ in counts} | set(outcome)):
        own = outcome.get(month)
        cells = [month, f"{own['spells']:,}", f"{own['share']:.0%}"] if own else [month, "few", ""]
        rows.append([*cells, *(_cell(counts.get((month, site))) for site in head[3:])])
    return table(head, rows)


def _coverage(told: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = "".join(
        f"<tr><td>{escape(one['family'])}</td><td>{one['share']:.0%}</td>"
        f"<td>{_line(list(one['by_month'].values()), one['family'] + ' by month', small=True)}</td>"
        f"<td>{escape(', '.join(f'{site} {share:.0%}' for site, share in one['by_site'].items()))}"
        "</td></tr>"
        for one in told
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("family", "spells", "by month", "by site")
    )
    return [f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"]


def _line(shares: Sequence[float], words: str, *, small: bool = False) -> str:
    """Shares through time as a small drawing; nothing to draw, nothing drawn."""
    if len(shares) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    width, height, edge = (160, 28, 3) if small else (_WIDTH, _HEIGHT, _EDGE)
    top = 1.0 if small else max(*shares, 0.01) * 1.2
    step = (width - 2 * edge) / (len(shares) - 1)
    points = " ".join(
        f"{edge + at * step:.1f},{height - edge - (height - 2 * edge) * share / top:.1f}"
        for at, share in enumerate(shares)
    )
    label = escape(f"{words}: {min(shares):.0%} to {max(shares):.0%}", quote=True)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{label}">'
        f'<line x1="{edge}" x2="{width - edge}" y1="{height - edge}" y2="{height - edge}" '
        'stroke="#aeb7bd"/>'
        f'<polyline points="{points}" fill="none" stroke="#005eb8" stroke-width="2"/></svg>'
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return paragraph("Nothing to show.")
    return table(list(rows[0]), [[_cell(one) for one in row.values()] for row in rows])


def _cell(value: object) -> str:
    if value is None:
        return "few"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1%}"
    return str(value)
