"""What a table prints and keeps: Markdown on stdout, the same figures as JSON if asked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, told


def options(description: str | None) -> argparse.ArgumentParser:
    """Parser with the options that every table has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs, no more")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--threads", type=int, default=2, help="threads of every contestant")
    return parser


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    >>> print(markdown(("a", "b"), [("1", "2")]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [head, *rows]
    told_lines = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([told_lines[0], "|" + "---|" * len(head), *told_lines[1:]])


@dataclass(slots=True)
class Report:
    """Sections of one run.

    Parameters
    ----------
    name : str
    quick : bool
        A quick run says so above each of its tables.
    """

    name: str
    quick: bool
    sections: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]], **figures: Any
    ) -> None:
        """Print a table now, for the next may take long, and keep its figures."""
        note = "\nA quick run: the figures mean nothing.\n" if self.quick else ""
        print(f"\n### {title}\n{note}\n{markdown(head, rows)}", flush=True)
        self.sections.append({"title": title, "head": list(head), "rows": list(map(list, rows))})
        self.sections[-1].update(figures)

    def close(self, out: Path | None) -> None:
        """Say where it was measured; write the JSON."""
        where = machine()
        print(f"\n{told(where)}", flush=True)
        if out is not None:
            content = {"table": self.name, "quick": self.quick, **where, "sections": self.sections}
            out.parent.mkdir(parents=True, exist_ok=True)
            part = out.with_name(f".{out.name}.part")
            part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
            part.replace(out)
