"""``homeward drop``: today's worklist as files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from homeward.commands.relay import service_options
from homeward.output import json_option, show


@click.command(epilog="Example: homeward drop --out /srv/drop --key-file secrets/relay.key")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that gets a folder for each drop.",
)
@click.option(
    "--keep", default=14, show_default=True, type=click.IntRange(1), help="Drops that stay."
)
@service_options
@json_option
def command(out: Path, keep: int, url: str, key_file: Path | None, as_json: bool) -> None:
    """Fetch the worklist of a running service and write it for a warehouse or a tracker.

    CSV and Parquet, a data dictionary (JSON and Markdown) that names the same properties of the
    published FDP canonical model, and a manifest with checksums. A drop appears whole or not at
    all. It holds patients' data: keep it where such files may be.
    """
    from homeward.commands.relay import open_client
    from homeward.relay.drop import Drop, ask_service

    with open_client(url, key_file) as client:
        made = Drop("drop", out, lambda: ask_service(client.get), keep).put()
    told = json.loads((made / "manifest.json").read_bytes())
    label = "SYNTHETIC DATA. " if told["synthetic"] else ""
    text = f"{label}{made}: {told['scored']} inpatients scored, {told['refused']} refused"
    show({"folder": str(made), **told}, text, as_json=as_json)
