"""``homeward simulate``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeward.output import json_option, reporter, show

if TYPE_CHECKING:
    from feature_store.manifest import Manifest
    from feature_store.simulation import Change


@click.command(epilog="Example: homeward simulate --out var/trust --spells 20000 --seed 1")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder for the event dataset and truth.parquet.",
)
@click.option("--spells", default=20_000, show_default=True, help="Spells that start then.")
@click.option("--sites", default=3, show_default=True, help="Hospital sites.")
@click.option("--seed", default=1, show_default=True, help="Equal settings, equal files.")
@click.option(
    "--start",
    default="2025-10-01",
    show_default=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of the period.",
)
@click.option("--days", default=365, show_default=True, help="Length of the period.")
@click.option(
    "--plant",
    "planted",
    multiple=True,
    metavar="SITE:DAY:LOG_ODDS",
    help="From that day those who wait at that site leave sooner (SYN01:2026-02-02:0.8).",
)
@json_option
def command(
    *,
    out: Path,
    spells: int,
    sites: int,
    seed: int,
    start: datetime,
    days: int,
    planted: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a synthetic acute trust as an event dataset.

    Nothing in it comes from a patient, and it proves nothing about real patients. Beside the events
    lies truth.parquet: the true chance of each horizon at each snapshot, which no model can beat.
    docs/simulator.md says what is modelled.
    """
    from feature_store.simulation import TrustSettings, simulate

    settings = TrustSettings(
        spells=spells,
        sites=sites,
        seed=seed,
        start=start.date(),
        days=days,
        changes=tuple(_change(text) for text in planted),
    )
    report = reporter()
    manifest = simulate(
        settings, out, progress=lambda done, of: report(f"{done:,} of {of:,} spells")
    )
    show(asdict(manifest), _summary(manifest, out), as_json=as_json)


def _change(text: str) -> Change:
    from feature_store.simulation import Change

    try:
        site, day, sooner = text.split(":")
        return Change(site=site, start=date.fromisoformat(day), sooner=float(sooner))
    except ValueError as error:
        msg = "--plant: SITE:YYYY-MM-DD:LOG_ODDS expected"
        raise click.UsageError(msg) from error


def _summary(manifest: Manifest, out: Path) -> str:
    counts = manifest.counts
    return (
        f"{out}: SYNTHETIC, {counts['events']:,} events of {counts['spells']:,} spells and "
        f"{counts['subjects']:,} invented patients\n"
        f"  {counts['deaths']:,} deaths, {counts['open_spells']:,} spells still open, "
        f"the truth of {counts['snapshots']:,} snapshots in truth.parquet"
    )
