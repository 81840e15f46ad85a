"""``homeward relay``: task trackers are told what is new."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from homeward.output import json_option, show
from homeward.places import Places

if TYPE_CHECKING:
    from homeward.client import Client
    from homeward.relay.loop import Relay


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which service is asked, and with which key."""
    key_file = click.option(
        "--key-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="API key with the scope scores; none for an open service.",
    )
    url = click.option(
        "--url", default="http://127.0.0.1:8000", show_default=True, help="The service."
    )
    return url(key_file(command))


@contextmanager
def open_client(url: str, key_file: Path | None) -> Iterator[Client]:
    """Client of a service; its refusals are told as bad input, and name what to do.

    Raises
    ------
    BadInput
        The key cannot be read, or the service does not answer or take it.
    """
    from feature_store.errors import BadInput
    from homeward.client import Client, Problem, Unreachable

    try:
        key = None if key_file is None else key_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"--key-file: a file with an API key expected ({type(error).__name__})"
        raise BadInput(msg) from None
    try:
        with Client(url, credential=key) as client:
            yield client
    except Unreachable:
        raise BadInput("--url: a running service expected, nobody answers there") from None
    except Problem as problem:
        msg = f"--url: the worklist expected, the service answered {problem.status} {problem.title}"
        raise BadInput(msg) from None


@click.command(
    epilog="Example: homeward relay --key-file secrets/relay.key  (HOMEWARD_TRACKERS_FILE set)"
)
@service_options
@click.option("--once", is_flag=True, help="Look once, tell what is due once, and end.")
@json_option
def command(url: str, key_file: Path | None, once: bool, as_json: bool) -> None:
    """Tell the trackers of HOMEWARD_TRACKERS_FILE what is new on the worklist, until stopped.

    Notices are kept in the database of the service (HOMEWARD_DATABASE_URL) until they are taken;
    spells are known by the same pseudonym key. Stop it with Ctrl-C or SIGTERM: what is under way is
    finished. --once says what waits, was taken, or was given up.
    """
    from feature_store.errors import BadInput

    places = Places.from_environment()
    file = places.settings.trackers_file
    if file is None:
        raise BadInput("HOMEWARD_TRACKERS_FILE: a file of trackers expected; docs/trackers.md")
    with open_client(url, key_file) as client, _relay(places, file, client) as relay:
        if once:
            _once(relay)
            told = relay.outbox.standings()
            lines = [f"{name}: {_counts(of)}" for name, of in told.items()]
            show(dict(told), "\n".join(lines) or "nothing to tell yet", as_json=as_json)
            return
        names = [one.name for one in relay.trackers.trackers]
        show(
            {"trackers": names},
            f"Homeward tells {', '.join(names)}; Ctrl-C stops it",
            as_json=as_json,
        )
        relay.run(_stopped_by_signals())


@contextmanager
def _relay(places: Places, file: Path, client: Client) -> Iterator[Relay]:
    from feature_store.live import open_store
    from feature_store.live.database import reading
    from feature_store.live.spell_index import read_cancelled
    from homeward.relay.drop import ask_service
    from homeward.relay.loop import Relay, World
    from homeward.relay.outbox import WAIT_SECONDS, Outbox
    from homeward.relay.trackers_file import read_trackers

    url = places.settings.database
    trackers = read_trackers(file, lambda: ask_service(client.get))
    store = open_store(url, wait_seconds=WAIT_SECONDS)
    outbox = Outbox(url, places.pseudonym_key())

    def cancelled(spells: Sequence[int], at: int) -> set[int]:
        with reading(store.engine) as connection:
            return read_cancelled(connection, spells, at=at)

    world = World(
        worklist=lambda: client.get("v1/worklist"),
        cancelled=cancelled,
        told=lambda line: click.echo(line, err=True),
    )
    try:
        yield Relay(trackers, outbox, world)
    finally:
        outbox.close()
        store.close()


def _once(relay: Relay) -> None:
    from homeward.relay.outbox import WAITING

    relay.look()
    for tracker in relay.trackers.trackers:
        became: str | None = ""
        while became is not None and became != WAITING:
            became = relay.tell(tracker)


def _counts(of: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in of.items())


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
