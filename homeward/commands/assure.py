"""``homeward assure``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homeward.output import json_option, show
from homeward.places import Places


@click.command(epilog="Example: homeward assure --out var/assurance")
@click.option(
    "--model",
    default="models:/long-stay@champion",
    show_default=True,
    help="models:/name@alias, models:/name/version or a bundle's folder.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder: index.html, each document, and the same as JSON.",
)
@click.option(
    "--test-results",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Results of the release's tests, of pytest --junitxml FILE.",
)
@json_option
def command(model: str, out: Path, test_results: Path | None, as_json: bool) -> None:
    """Write the assurance pack of a model: what can be shown, and what is left to you.

    Hazard log with each control traced to its tests, TRIPOD+AI checklist, algorithmic transparency
    record, data flows and purpose of every field, DTAC evidence index, model card. Ends with exit
    code 3 if the test results do not prove a control.
    """
    from feature_store.dataset import fresh_folder
    from feature_store.errors import Refused
    from homeward.assurance.pack import make_pack, write_pack
    from homeward.assurance.trace import results_of

    results = results_of(test_results) if test_results else None
    pack = make_pack(_subject(model), results)
    with fresh_folder(out) as folder:
        write_pack(pack, folder)
    told = {key: value for key, value in pack.items() if key != "documents"}
    show(told, "\n".join([*_lines(pack), "", f"Page: {out / 'index.html'}"]), as_json=as_json)
    if pack["unproven"]:
        raise Refused(["assurance: controls are not proven", *pack["unproven"]])


def _subject(model: str) -> Any:
    import importlib.metadata
    import time

    from feature_store.clock import to_moment
    from homeward.assurance.pack import Subject
    from models.bundle import load_bundle
    from models.card import overridden
    from models.registry import fetch_registered

    told = fetch_registered(model, Places.from_environment().bundles)
    bundle = load_bundle(Path(told.path))
    return Subject(
        bundle=bundle,
        version=told.version if told.run_id else None,
        gates=told.tags.get("homeward.gates"),
        card=overridden(bundle.card, told.tags),
        software=importlib.metadata.version("homeward"),
        at=to_moment(time.time_ns() // 1000).isoformat(timespec="seconds"),
    )


def _lines(pack: dict[str, Any]) -> list[str]:
    from homeward.assurance.pack import TITLES

    lines = ["SYNTHETIC DATA: not for patients."] if pack["synthetic"] else []
    for name, title in TITLES.items():
        lines += [title, *(f"  {count:4} {state}" for state, count in pack["states"][name].items())]
    return lines
