"""``homeward evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from homeward.output import json_option, reporter, show
from homeward.places import Places


@click.command(
    epilog="Example: homeward evaluate models:/long-stay@champion var/another_trust --by-site"
)
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--by-site", is_flag=True, help="Show how the frozen model does at each site.")
@click.option(
    "--leave-one-site-out",
    is_flag=True,
    help="For each site also grow a model on the others, and judge both there (slow).",
)
@json_option
def command(model: str, data: Path, by_site: bool, leave_one_site_out: bool, as_json: bool) -> None:
    """Judge a frozen MODEL on DATA it never saw, and log the run.

    MODEL is models:/long-stay@champion, models:/long-stay/3, or a bundle's folder. Of the data it
    was trained on, only the held-out spells are judged.
    """
    from feature_store.dataset import open_dataset
    from models.bundle import load_bundle
    from models.card_findings import warnings_of
    from models.registry import fetch_registered
    from training.judging import judge_registered
    from training.sites import leave_each_site_out
    from training.summary import evaluation_lines, left_out_lines, site_lines
    from training.tracking import Tracker

    dataset, places = open_dataset(data), Places.from_environment()
    told = fetch_registered(model, places.bundles)
    sites = (
        leave_each_site_out(load_bundle(Path(told.path)), dataset, reporter())
        if leave_one_site_out
        else None
    )
    judged = judge_registered(
        told,
        dataset,
        more={"leave_one_site_out": sites} if sites else {},
        tracker=Tracker.open(places.artifacts),
        key=places.pseudonym_key(),
        report=reporter(),
    )
    evaluation = judged.findings.evaluation
    papers = {**judged.findings.bundle.provenance, "synthetic": dataset.manifest.synthetic}
    lines = [f"{told.name} {told.version}: {judged.unseen}"]
    lines += evaluation_lines(evaluation, warnings=warnings_of(papers))
    lines += site_lines(evaluation) if by_site else []
    lines += left_out_lines(sites) if sites else []
    document = {
        "run_id": judged.run_id,
        "model": {"name": told.name, "version": told.version},
        "judged": judged.unseen,
        "synthetic": dataset.manifest.synthetic,
        "evaluation": evaluation,
    }
    show(document, "\n".join([*lines, "", f"Run {judged.run_id}"]), as_json=as_json)
