"""``homeward recalibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from homeward.output import json_option, reporter, show
from homeward.places import Places


@click.command(epilog="Example: homeward recalibrate models:/long-stay@champion var/another_trust")
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@json_option
def command(model: str, data: Path, as_json: bool) -> None:
    """Learn the calibration of MODEL on DATA of a new site, and register it as a new version.

    The trees stay as they are. The earlier spells of DATA teach, the latest judge: frozen,
    recalibrated and refitted side by side. Nothing is promoted.
    """
    from feature_store.dataset import open_dataset
    from models.bundle import load_bundle
    from models.card_findings import warnings_of
    from models.registry import fetch_registered
    from training.recalibration import recalibrate
    from training.summary import recalibration_lines
    from training.tracking import Tracker

    dataset, places = open_dataset(data), Places.from_environment()
    told = fetch_registered(model, places.bundles)
    made = recalibrate(
        told,
        load_bundle(Path(told.path)),
        dataset,
        tracker=Tracker.open(places.artifacts),
        key=places.pseudonym_key(),
        report=reporter(),
    )
    synthetic = bool(made.bundle.provenance["synthetic"])
    document = {
        "run_id": made.run_id,
        "version": made.version,
        "parent": {"name": told.name, "version": told.version},
        "synthetic": synthetic,
        **made.table,
    }
    lines = recalibration_lines(made.table, warnings=warnings_of(made.bundle.provenance))
    lines += [
        "",
        f"Run {made.run_id}, registered as version {made.version} of long-stay.",
        f"Its trees are those of {told.name} {told.version}.",
        f"Next: homeward promote {made.version}",
    ]
    show(document, "\n".join(lines), as_json=as_json)
