"""MLLP: HL7 v2 over TCP, one frame a message, one acknowledgement a frame.

A message is acknowledged after it is stored; while the store is away the connection is closed
without an answer, and the sender sends again, as MLLP senders do.

References
----------
HL7 v2 Transport Specification: MLLP, release 1: 0x0B, message, 0x1C 0x0D.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from feature_store.errors import BadInput
from feature_store.hl7.ack import Ack
from feature_store.hl7.reading import MOST_BYTES
from feature_store.live.database import StoreUnavailable

BEGIN: Final = b"\x0b"
END: Final = b"\x1c\r"
_BEGINS_AGAIN: Final = BEGIN + b"MSH"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a sender may use up.

    Parameters
    ----------
    message_bytes : int
    idle_seconds : float
        Without a complete message; then the connection is closed.
    handshake_seconds : float
        For TLS to be agreed on.
    connections : int
        At once; further ones are closed at once.
    stop_seconds : float
        For messages under way when the listener stops.
    """

    message_bytes: int = MOST_BYTES
    idle_seconds: float = 300.0
    handshake_seconds: float = 10.0
    connections: int = 64
    stop_seconds: float = 10.0


@dataclass(slots=True)
class Listener:
    """Takes messages from senders and gives each to one function.

    Parameters
    ----------
    answer : callable
        Message to acknowledgement; blocking, called in a thread, one call at a time for a
        connection.
    limits : Limits
    peers : sequence of str
        Networks that may connect beside this machine, such as ``10.1.2.0/24``.
    tls : ssl.SSLContext, optional
        Of :func:`tls_context`; without it everything travels in the clear.
    """

    answer: Callable[[bytes], Ack]
    limits: Limits = field(default_factory=Limits)
    peers: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _busy: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(
        self, host: str, port: int, *, stop: asyncio.Event, told: Callable[[int], None]
    ) -> None:
        """Listen until ``stop`` is set; then finish the messages under way and close.

        Parameters
        ----------
        host, port : str, int
            Port 0 takes any free one.
        stop : asyncio.Event
        told : callable
            Given the port once it is open.

        Raises
        ------
        BadInput
            An address beyond this machine without saying who may connect, or one that is taken.
        """
        check_reach(host, self.peers)
        try:
            server = await asyncio.start_server(
                self._welcome,
                host,
                port,
                limit=self.limits.message_bytes + len(END),
                ssl=self.tls,
                ssl_handshake_timeout=self.limits.handshake_seconds if self.tls else None,
            )
        except OSError as error:
            msg = f"port {port}: a free port to listen on expected ({type(error).__name__})"
            raise BadInput(msg) from error
        told(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        for task in self._open - self._busy:
            task.cancel()
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=self.limits.stop_seconds)
            for task in late:
                task.cancel()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - a callback of a server is a task
            return
        self._open.add(task)
        try:
            if len(self._open) <= self.limits.connections and self._may_connect(writer):
                await self._converse(reader, writer, task)
        except (
            ConnectionError,
            TimeoutError,
            asyncio.IncompleteReadError,
            StoreUnavailable,
        ) as why:
            _log.warning("mllp: connection closed (%s)", type(why).__name__)
        except asyncio.LimitOverrunError:
            _log.warning(
                "mllp: connection closed (longer than %d bytes)", self.limits.message_bytes
            )
        except Exception as why:  # noqa: BLE001 - its text may quote a message
            _log.error("mllp: connection closed (unforeseen %s)", type(why).__name__)
        except asyncio.CancelledError:
            _log.info("mllp: connection closed (stopping)")
        finally:
            self._open.discard(task)
            self._busy.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        while True:
            async with asyncio.timeout(self.limits.idle_seconds):
                message = await _next_message(reader)
            if message is None:
                return
            self._busy.add(task)
            ack = await asyncio.to_thread(self.answer, message)
            writer.write(BEGIN + ack.text + END)
            async with asyncio.timeout(self.limits.idle_seconds):
                await writer.drain()
            self._busy.discard(task)

    def _may_connect(self, writer: asyncio.StreamWriter) -> bool:
        address = ipaddress.ip_address(writer.get_extra_info("peername")[0].partition("%")[0])
        return address.is_loopback or any(
            address in ipaddress.ip_network(network) for network in self.peers
        )


async def _next_message(reader: asyncio.StreamReader) -> bytes | None:
    """Content of the next frame, or None at the end of the connection.

    A message that begins within another is a new one: its sender gave the other up half-way. What
    there was of it is dropped and not acknowledged; joined, the two would tell of two patients. The
    mark of a beginning alone is a line break that somebody typed into a text.
    """
    try:
        await reader.readuntil(BEGIN)  # whatever stands between frames is none
        framed = await reader.readuntil(END)
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    message = framed.removesuffix(END)
    return (
        message[message.rfind(_BEGINS_AGAIN) + len(BEGIN) :]
        if _BEGINS_AGAIN in message
        else message
    )


def tls_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer under a certificate of ours; with ``client_ca``, senders show theirs too.

    Parameters
    ----------
    certificate, key : Path
        PEM; the certificate with those of its issuers, the key without a passphrase.
    client_ca : Path, optional
        PEM of the authorities whose certificates senders have; others are turned away.

    Raises
    ------
    BadInput
        A file cannot be read, is not PEM, or certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        msg = (
            f"--tls-cert {certificate.name}, --tls-key {key.name}: a certificate and its key in "
            f"PEM, without a passphrase, expected ({type(error).__name__})"
        )
        raise BadInput(msg) from error
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            msg = f"--client-ca {client_ca.name}: PEM expected ({type(error).__name__})"
            raise BadInput(msg) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def check_reach(host: str, peers: tuple[str, ...]) -> None:
    """Refuse to be reachable from other machines unless it is said by which.

    MLLP knows no passwords: beyond one machine it needs TLS in which both sides show who they are
    (:func:`tls_context`), or a network of its own.

    Raises
    ------
    BadInput
    """
    try:
        networks = [ipaddress.ip_network(network) for network in peers]
    except ValueError as error:
        raise BadInput("--allow-from: a network such as 10.1.2.0/24 expected") from error
    try:
        alone = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise BadInput("--host: an IP address expected") from error
    if not alone and not networks:
        raise BadInput("--host beyond this machine: --allow-from NETWORK expected, found none")
