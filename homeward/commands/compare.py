"""``homeward compare``."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feature_store.errors import BadInput
from homeward.output import json_option, show
from homeward.places import Places

if TYPE_CHECKING:
    from training.comparison import Parted
    from training.held_out import HeldOutRows


@click.command(epilog="Example: homeward compare 4f2a... 9c1e... --data var/trust --out both.html")
@click.argument("first")
@click.argument("second")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The event dataset both were judged on: compare by group of patients too.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Also a page for readers, .html.")
@json_option
def command(first: str, second: str, data: Path | None, out: Path | None, as_json: bool) -> None:
    """Paired differences of two runs, FIRST minus SECOND, on the snapshots both were judged on.

    FIRST and SECOND are run identifiers, as homeward train and homeward evaluate print them. Runs
    keep nothing about who the patients are; --data finds the groups in the data again, on this
    machine, by the site's pseudonym key.
    """
    from models.registry import run_named
    from training.comparison import compare
    from training.comparison_page import comparison_page
    from training.summary import comparison_lines

    if out is not None and out.suffix.lower() != ".html":
        raise BadInput("--out: a name that ends in .html expected")
    parted = _parted(data) if data is not None else None
    named = [run_named(run) for run in (first, second)]
    compared = compare(_rows(first), _rows(second), parted=parted)
    synthetic = any(tags.get("homeward.synthetic") == "true" for _, tags in named)
    titles = [f"{name} ({run})" for (name, _), run in zip(named, (first, second), strict=True)]
    if out is not None:
        _write(out, comparison_page(*titles, compared=compared, synthetic=synthetic))
    show(
        {"first": first, "second": second, "synthetic": synthetic, **compared},
        "\n".join(comparison_lines(compared, synthetic=synthetic, runs=titles)),
        as_json=as_json,
    )


def _rows(run: str) -> HeldOutRows:
    from models.registry import run_file
    from training.held_out import FILE, HeldOutRows

    with tempfile.TemporaryDirectory(prefix="homeward.") as aside:
        return HeldOutRows.read(run_file(run, FILE, Path(aside)))


def _parted(data: Path) -> Parted:
    from feature_store.dataset import open_dataset
    from training.membership import part_rows

    key = Places.from_environment().pseudonym_key()
    return partial(part_rows, dataset=open_dataset(data), key=key)


def _write(out: Path, text: str) -> None:
    """Whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
