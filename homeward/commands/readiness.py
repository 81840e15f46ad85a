"""``homeward readiness``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from homeward.output import json_option, reporter, show


@click.command(epilog="Example: homeward readiness var/trust --out var/readiness")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/readiness"),
    show_default=True,
    help="Folder for readiness.html and readiness.json.",
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings (configs/default.toml).")
@click.option("--strict", is_flag=True, help="End with exit code 3 if the verdict is: not yet.")
@json_option
def command(data: Path, out: Path, config: Path | None, strict: bool, as_json: bool) -> None:
    """Say whether DATA is fit to learn from, and what to mend first.

    Counts and span, enough of each outcome, coverage by field, month and site, delays, duplicates
    and impossible times, drift, signs of leaks, groups too small to judge fairly.
    """
    from feature_store.dataset import open_dataset
    from feature_store.errors import Refused
    from training.config import TrainingConfig
    from training.readiness.examine import examine, is_ready
    from training.readiness.report import WORDS, readiness_page

    settings = TrainingConfig.read(config) if config else TrainingConfig()
    told = examine(open_dataset(data), settings, reporter())
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("readiness.html", readiness_page(told)),
        ("readiness.json", json.dumps(told, indent=2, allow_nan=False)),
    ):
        beside = out / f".{name}"
        beside.write_text(content, encoding="utf-8")
        beside.replace(out / name)
    lines = [WORDS[told["verdict"]]]
    lines += [f"  {one['weight']:7} {one['text']} {one['mend']}" for one in told["points"]]
    show(told, "\n".join([*lines, "", f"Page: {out / 'readiness.html'}"]), as_json=as_json)
    if strict and not is_ready(told):
        stops = [one["text"] for one in told["points"] if one["weight"] == "stops"]
        raise Refused(["readiness: not yet", *stops])
