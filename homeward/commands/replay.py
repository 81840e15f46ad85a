"""``homeward replay``: a hospital week in minutes, on a running service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from feature_store.errors import HomewardError
from homeward.output import json_option, reporter, show

if TYPE_CHECKING:
    import httpx

_TRIES: Final = 20


@click.command(
    epilog="Example: homeward replay var/trust --speed 5000  (service: HOMEWARD_CLOCK=data)"
)
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--speed", default=1000.0, show_default=True, type=click.FloatRange(min=1.0))
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="The service.")
@click.option(
    "--start", type=click.DateTime(["%Y-%m-%d"]), help="First day; default: the last days of DATA."
)
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 400))
@json_option
def command(data: Path, speed: float, url: str, start: Any, days: int, as_json: bool) -> None:
    """Tell a running service what a synthetic dataset knows, as if it happened now.

    Days are moved so that the period ends today; what was known when it begins is sent at once.
    Start the service with HOMEWARD_CLOCK=data, and with a HOMEWARD_VAR of its own: the patients
    stay in its store. The worklist then moves through the period while you watch.
    """
    import httpx

    from homeward.replaying import Stage, play, read_story

    first = None if start is None else f"{start:%Y-%m-%d}"
    story = read_story(data, start=first, days=days, now=time.time_ns() // 1000)
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=60.0) as client:
        stage = Stage(
            post=lambda events: _post(client, events),
            seconds=time.monotonic,
            sleep=time.sleep,
            told=reporter(),
        )
        sent = play(story, stage, speed=speed)
    took = time.monotonic() - began
    document = {"url": url, "days": days, "speed": speed, "facts": sent, "seconds": round(took, 1)}
    show(document, f"{days} days, {sent} facts, in {took:.0f} s", as_json=as_json)


def _post(client: httpx.Client, events: Sequence[dict[str, Any]]) -> None:
    """Send facts until they are taken; again is harmless, for known facts stay as they are."""
    import httpx

    for _ in range(_TRIES):
        try:
            answer = client.post("/v1/events", json={"events": events})
        except httpx.TransportError:
            time.sleep(1.0)
            continue
        if answer.status_code == httpx.codes.OK:
            return
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            msg = f"replay: facts taken expected, the service answered {answer.status_code}"
            raise HomewardError(msg)
        time.sleep(float(answer.headers.get("Retry-After", 1)))
    raise HomewardError("replay: the service does not take facts; is it running at --url?")
