"""``homeward listen``: HL7 v2 ADT messages over MLLP into the live store."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from feature_store.errors import BadInput
from homeward.output import json_option, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from feature_store.hl7 import Ack, Feed
    from feature_store.hl7.mllp import Listener
    from service.settings import Settings

_FILE = click.Path(path_type=Path)
_UNKNOWN = "a code that nobody said the meaning of came, and is not used; --codebook can say it"


@click.command(epilog="Example: homeward listen --port 2575 --facility RXX")
@click.option("--host", default="127.0.0.1", show_default=True, help="IP address to listen on.")
@click.option(
    "--port", default=2575, show_default=True, type=click.IntRange(0, 65535), help="0: any free."
)
@click.option(
    "--allow-from",
    multiple=True,
    metavar="NETWORK",
    help="Network that may connect beside this machine; MLLP has no passwords: use TLS beyond it.",
)
@click.option(
    "--facility",
    multiple=True,
    help="Sending facility (MSH-4) that is taken; default HOMEWARD_ADT_FACILITIES, or any.",
)
@click.option("--tls-cert", type=_FILE, help="Certificate to speak TLS under (PEM).")
@click.option("--tls-key", type=_FILE, help="Its key (PEM, no passphrase, its owner's alone).")
@click.option(
    "--client-ca", type=_FILE, help="Take only senders with a certificate of these (PEM)."
)
@click.option(
    "--codebook",
    type=_FILE,
    help="What the hospital's own codes mean (docs/live.md); default HOMEWARD_ADT_CODEBOOK.",
)
@click.option("--test", is_flag=True, help="Take test patients and training messages too.")
@json_option
def command(
    *,
    host: str,
    port: int,
    allow_from: tuple[str, ...],
    as_json: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    **feeding: Any,
) -> None:
    """Take ADT messages until stopped; each is stored before it is acknowledged.

    A code that nobody said the meaning of is not used: the first of a field is told, and how many
    there were when it stops.

    The store is HOMEWARD_DATABASE_URL, the key of the pseudonyms HOMEWARD_PSEUDONYM_KEY_FILE (made
    by homeward key). Stop it with Ctrl-C or SIGTERM: messages under way are finished.
    """
    from feature_store.hl7 import process
    from feature_store.hl7.mllp import Listener, check_reach
    from feature_store.identity import Identity, read_key
    from feature_store.live import open_store
    from service.hub.live import WAIT_SECONDS
    from service.settings import Settings

    settings = Settings.from_environment(os.environ)
    check_reach(host, allow_from)
    tls = _tls(tls_cert=tls_cert, tls_key=tls_key, client_ca=client_ca)
    if settings.pseudonym_key_file is None:
        raise BadInput("HOMEWARD_PSEUDONYM_KEY_FILE: a key file expected; homeward key makes one")
    identity = Identity(read_key(settings.pseudonym_key_file))
    feed, unused = _feed(settings, **feeding), _Unused()

    def answer(message: bytes) -> Ack:
        ack = process(message, store, time.time_ns() // 1000, identity=identity, feed=feed)
        unused.note(ack)
        return ack

    def told(opened: int) -> None:
        way = "MLLP over TLS" if tls else "MLLP"
        text = f"Homeward takes HL7 v2 ADT ({way}) on {host}:{opened}; Ctrl-C stops it"
        document = {"host": host, "port": opened, "live": feed.live, "tls": tls is not None}
        show(document, text, as_json=as_json)

    with closing(open_store(settings.database, wait_seconds=WAIT_SECONDS)) as store:
        asyncio.run(_listen(Listener(answer, peers=allow_from, tls=tls), host, port, told))
    unused.tell()


async def _listen(listener: Listener, host: str, port: int, told: Callable[[int], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await listener.serve(host, port, stop=stop, told=told)


def _feed(
    settings: Settings, *, facility: tuple[str, ...], codebook: Path | None, test: bool
) -> Feed:
    from feature_store.hl7 import Feed
    from feature_store.hl7.codebook import codebook_of

    known = codebook_of(codebook or settings.adt_codebook)
    taken = frozenset(facility) or settings.facilities
    return Feed(taken, live=not (test or settings.adt_test), codebook=known)


class _Unused:
    """Codes that nobody said the meaning of, by field; connections note them in threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count: Counter[str] = Counter()

    def note(self, ack: Ack) -> None:
        """Count those of a message; the first of each field is told at once."""
        with self._lock:
            for place in ack.unused:
                if place not in self._count:
                    click.echo(f"{place}: {_UNKNOWN}", err=True)
                self._count[place] += 1

    def tell(self) -> None:
        """Say how many there were."""
        for place, count in sorted(self._count.items()):
            click.echo(f"{count:>13,}  codes in {place} that were not used", err=True)


def _tls(
    *, tls_cert: Path | None, tls_key: Path | None, client_ca: Path | None
) -> ssl.SSLContext | None:
    from feature_store.hl7.mllp import tls_context

    if tls_cert and tls_key:
        return tls_context(tls_cert, tls_key, client_ca)
    if tls_cert or tls_key or client_ca:
        raise BadInput("TLS: --tls-cert and --tls-key together expected, --client-ca beside them")
    return None
