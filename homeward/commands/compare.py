"""``homeward compare``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from homeward.output import json_option, show


@click.command(epilog="Example: homeward compare 4f2a... 9c1e...")
@click.argument("first")
@click.argument("second")
@json_option
def command(first: str, second: str, as_json: bool) -> None:
    """Paired differences of two runs, FIRST minus SECOND, on the snapshots both were judged on.

    FIRST and SECOND are run identifiers, as homeward train and homeward evaluate print them.
    """
    from models.registry import run_file
    from training.comparison import compare
    from training.held_out import FILE, HeldOutRows
    from training.summary import comparison_lines

    rows = []
    for run in (first, second):
        with tempfile.TemporaryDirectory(prefix="homeward.") as aside:
            rows.append(HeldOutRows.read(run_file(run, FILE, Path(aside))))
    compared = compare(rows[0], rows[1])
    show(
        {"first": first, "second": second, **compared},
        "\n".join(comparison_lines(compared)),
        as_json=as_json,
    )
