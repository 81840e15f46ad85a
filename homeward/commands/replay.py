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
@click.option(
    "--through",
    default="events",
    show_default=True,
    type=click.Choice(["events", "adt"]),
    help="adt: HL7 v2 messages, and what they cannot tell as events; HOMEWARD_ADT_TEST=yes.",
)
@json_option
def command(
    data: Path, *, speed: float, url: str, start: Any, days: int, through: str, as_json: bool
) -> None:
    """Tell a running service what a synthetic dataset knows, as if it happened now.

    Days are moved so that the period ends today; what was known when it begins is sent at once.
    Start the service with HOMEWARD_CLOCK=data, and with a HOMEWARD_VAR of its own: the patients
    stay in its store. The worklist then moves through the period while you watch.

    With --through adt the service is told as by a hospital: admissions, moves and discharges as HL7
    v2 messages, each when it was entered, everything else as events. The messages say that they are
    training ones; a service takes those with HOMEWARD_ADT_TEST=yes.
    """
    import httpx

    from homeward.replaying import Stage, play, read_story

    first = None if start is None else f"{start:%Y-%m-%d}"
    now = time.time_ns() // 1000
    story = read_story(data, start=first, days=days, now=now, by_adt=through == "adt")
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=60.0) as client:
        stage = Stage(
            post=lambda events: _post(client, events),
            seconds=time.monotonic,
            sleep=time.sleep,
            told=reporter(),
            tell=lambda message: _tell(client, message),
        )
        sent = play(story, stage, speed=speed)
    took = time.monotonic() - began
    document = {
        "url": url,
        "days": days,
        "speed": speed,
        "facts": sent.facts,
        "messages": sent.messages,
        "untold": story.untold,
        "seconds": round(took, 1),
    }
    left = f" ({story.untold} facts that ADT does not repeat were left out)" if story.untold else ""
    show(document, f"{days} days, {sent}, in {took:.0f} s{left}", as_json=as_json)


def _post(client: httpx.Client, events: Sequence[dict[str, Any]]) -> None:
    _send(client, "/v1/events", json={"events": events})


def _tell(client: httpx.Client, message: bytes) -> None:
    headers = {"Content-Type": "application/hl7-v2"}
    answer = _send(client, "/v1/adt", content=message, headers=headers)
    if b"\rMSA|AA|" not in answer.content:
        _, _, said = answer.text.partition("\rMSA|")
        code, _, why = said.split("\r")[0].partition("|")
        msg = f"replay: messages taken expected, the service acknowledged {code} ({why})"
        raise HomewardError(f"{msg}; HOMEWARD_ADT_TEST=yes lets it take training messages")


def _send(client: httpx.Client, path: str, **said: Any) -> httpx.Response:
    """Send until it is taken; again is harmless, for what is known stays as it is."""
    import httpx

    for _ in range(_TRIES):
        try:
            answer = client.post(path, **said)
        except httpx.TransportError:
            time.sleep(1.0)
            continue
        if answer.status_code == httpx.codes.OK:
            return answer
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            msg = f"replay: facts taken expected, the service answered {answer.status_code}"
            raise HomewardError(msg)
        time.sleep(float(answer.headers.get("Retry-After", 1)))
    raise HomewardError("replay: the service does not take facts; is it running at --url?")
