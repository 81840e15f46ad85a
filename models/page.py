"""A self-contained HTML page: no script, no request to anywhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;color:#212b32}
body{max-width:70rem;margin:2rem auto;padding:0 1rem}
h1,h2,h3{line-height:1.25;color:#003087}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid #d8dde0;padding:.3rem .8rem .3rem 0}
th,td{text-align:left;vertical-align:top}
th{color:#4c6272;font-weight:600}
.warning{background:#fff4d6;border-left:.4rem solid #b15e00;padding:.6rem 1rem}
img{max-width:100%;height:auto}
summary{cursor:pointer;color:#005eb8;margin:.5rem 0}
dt{font-weight:600;margin-top:.6rem}dd{margin:0}
@media print{body{max-width:none}}
"""


class Markup(str):
    """Text of ours that is markup already and is not escaped again."""

    __slots__ = ()


def _text(cell: str) -> str:
    return cell if isinstance(cell, Markup) else escape(cell)


def anchor(text: str) -> str:
    """Name of a heading, for links to it.

    >>> anchor("Methodology and training")
    'methodology-and-training'
    """
    return "-".join("".join(one if one.isalnum() else " " for one in text.lower()).split())


def link(text: str, to: str) -> Markup:
    """A link to a file beside the page, or to a heading of one."""
    return Markup(f'<a href="{escape(to, quote=True)}">{escape(text)}</a>')


def lines(parts: Iterable[str]) -> Markup:
    """Short texts, one below the other, in one cell."""
    return Markup("<br>".join(map(_text, parts)))


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return (
        '<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def heading(text: str) -> str:
    """Start a section."""
    return f'<h2 id="{anchor(text)}">{escape(text)}</h2>'


def subheading(text: str) -> str:
    """Start a part of a section."""
    return f"<h3>{escape(text)}</h3>"


def paragraph(text: str) -> str:
    """One paragraph."""
    return f"<p>{escape(text)}</p>"


def warning(text: str) -> str:
    """A paragraph nobody may miss."""
    return f'<p class="warning"><strong>{escape(text)}</strong></p>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, its first row scoped as column heads."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>\n" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table>"


def folded(title: str, *parts: str) -> str:
    """What is there for those who look for it: closed until it is opened."""
    inside = "".join(parts)
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what is to be said of them."""
    inside = "".join(f"<dt>{escape(name)}</dt><dd>{_text(text)}</dd>\n" for name, text in pairs)
    return f"<dl>{inside}</dl>"


def bullets(texts: Iterable[str]) -> str:
    """A list of short texts."""
    inside = "".join(f"<li>{_text(line)}</li>\n" for line in texts)
    return f"<ul>{inside}</ul>"


def picture(encoded: str, description: str) -> str:
    """A PNG image inside the page, given in base64."""
    return f'<img alt="{escape(description, quote=True)}" src="data:image/png;base64,{encoded}">'
