"""``python -m benchmarks``: every table, each in a process of its own.

What fails does not stop the others; the exit code says that something did. ``--quick`` takes
minutes and shows only that all of it runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

TABLES: Final = (
    *("real_data", "simulated", "small_data"),
    *(
        "train",
        "path",
        "features",
        "growth",
        "spark",
        "reasons",
        "batch",
        "http",
        "pages",
        "impact",
        "monitor",
    ),
)
"""Modules of this package, in the order they are run."""

NEEDED: Final = {"spark": "pyspark", "pages": "playwright"}
"""Of requirements/dev.txt: tables that are left out, and told, without it."""

PLAIN: Final = frozenset({"reasons", "http"})
"""Tables without options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="these only")
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs, no more")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the figures as JSON too")
    chosen = parser.parse_args(arguments)
    print("# Benchmarks\n\nWhat these figures are, and are not: docs/benchmarks.md.", flush=True)
    failed = [table for table in chosen.tables or TABLES if not _run(table, chosen)]
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(table: str, chosen: argparse.Namespace) -> bool:
    if importlib.util.find_spec(f"benchmarks.{table}") is None:
        return True
    needed = NEEDED.get(table)
    if needed is not None and importlib.util.find_spec(needed) is None:
        print(f"{table}: {needed} expected (make .venv/.stamp-dev), left out", file=sys.stderr)
        return False
    options: list[str] = []
    if table in PLAIN:
        print(f"\n## {table.capitalize()}\n", flush=True)
    else:
        options += ["--quick"] if chosen.quick else []
        options += ["--out", str(chosen.out / f"{table}.json")] if chosen.out else []
    words = [sys.executable, "-m", f"benchmarks.{table}", *options]
    return subprocess.run(words, check=False).returncode == 0  # noqa: S603 - our own modules


if __name__ == "__main__":
    sys.exit(main())
