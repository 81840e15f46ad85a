"""``homeward key``."""

from __future__ import annotations

from pathlib import Path

import click

from homeward.output import json_option, show


@click.command(epilog="Example: homeward key secrets/pseudonym.key")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def command(file: Path, as_json: bool) -> None:
    """Make the secret key that turns identifiers into pseudonyms, in a new FILE.

    Only its owner can read the file. Name it in HOMEWARD_PSEUDONYM_KEY_FILE, back it up apart from
    the data, and never make a second one: the same patient would become another.
    """
    from feature_store.identity import make_key

    make_key(file)
    told = f"{file} made; set HOMEWARD_PSEUDONYM_KEY_FILE to it and back it up apart from the data"
    show({"file": str(file)}, told, as_json=as_json)
