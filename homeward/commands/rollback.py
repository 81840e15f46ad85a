"""``homeward rollback``."""

from __future__ import annotations

import click

from homeward.output import json_option, show
from homeward.places import Places


@click.command(epilog="Example: homeward rollback")
@json_option
def command(as_json: bool) -> None:
    """Make the previous champion champion again; the two change places."""
    from training.tracking import Tracker

    now, before = Tracker.open(Places.from_environment().artifacts).roll_back()
    show(
        {"champion": now, "previous": before},
        f"Version {now} is champion again; version {before} is previous.",
        as_json=as_json,
    )
