"""``homeward export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from homeward.output import json_option, show


@click.command(epilog="Example: homeward export var/trust --format meds --labels 7 --out var/meds")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["meds"]),
    default="meds",
    show_default=True,
    help="Medical Event Data Standard 0.4 (docs/meds.md).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new folder.")
@click.option(
    "--labels",
    "horizons",
    multiple=True,
    type=click.IntRange(1, 365),
    metavar="DAYS",
    help="Also labels: whether the stay lasted so many days, at each snapshot. May be repeated.",
)
@json_option
def command(data: Path, kind: str, out: Path, horizons: tuple[int, ...], as_json: bool) -> None:  # noqa: ARG001 - there is one format yet
    """Write the events of DATA for tools that read MEDS.

    Spells and moments of recording come as columns beside those of the standard, so that
    codebooks/homeward.toml brings the same events back. What was withdrawn, corrected or merged
    goes into past/ beside data/: only Homeward reads it.
    """
    from feature_store.dataset import open_dataset
    from feature_store.meds import export_meds

    exported = export_meds(open_dataset(data), out, horizons=tuple(sorted(set(horizons))))
    lines = [f"{number:>13,}  {name}" for name, number in asdict(exported).items()]
    show(asdict(exported), "\n".join([str(out), *lines]), as_json=as_json)
