"""A load generator: connections that each send the same request again as soon as it is answered."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: {size}\r\n\r\n"
)


@dataclass(slots=True)
class Load:
    """What came back.

    Parameters
    ----------
    seconds : float
        Wall time.
    server_cpu_seconds : float
        Of the server meanwhile.
    latencies : list of float
        Seconds, one a request, in ascending order.
    """

    seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU of the server a request, milliseconds: less troubled by neighbours than time is."""
        return self.server_cpu_seconds / len(self.latencies) * 1000

    def latency_ms(self, share: float) -> float:
        """Quantile of the latencies, milliseconds."""
        return self.latencies[int(share * (len(self.latencies) - 1))] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, latencies: list[float], end: float) -> None:
        self._request, self._latencies, self._end = request, latencies, end
        self._received = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._end:
            self._transport.close()
            self.done.set_result(None)
            return
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < size:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._transport.close()
            self.done.set_exception(RuntimeError(head.decode("latin-1").splitlines()[0]))
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._received = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))


def press(
    port: int, path: str, body: bytes, *, seconds: float, connections: int, server: int
) -> Load:
    """Press a server for some seconds.

    Parameters
    ----------
    port : int
        On 127.0.0.1.
    path : str
    body : bytes
    seconds : float
    connections : int
    server : int
        Process id of the leader of its session, for its CPU time.

    Raises
    ------
    RuntimeError
        An answer was not 200.
    """
    return uvloop.run(_press(port, path, body, seconds, connections, server))


async def _press(
    port: int, path: str, body: bytes, seconds: float, connections: int, server: int
) -> Load:
    load = Load()
    request = _HEAD.format(path=path, size=len(body)).encode() + body
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), cpu_seconds(server)
    opened = [
        await loop.create_connection(
            lambda: _Connection(request, load.latencies, began + seconds), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in opened))
    load.seconds = time.perf_counter() - began
    load.server_cpu_seconds = cpu_seconds(server) - cpu
    load.latencies.sort()
    return load


def cpu_seconds(leader: int) -> float:
    """CPU time so far of a server and of what it started, by the session they share (Linux)."""
    ticks = sum(sum(map(int, fields[11:13])) for fields in _session(leader))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(leader: int) -> float:
    """Resident memory of a server and of what it started (Linux); shared pages count each time."""
    pages = sum(int(fields[21]) for fields in _session(leader))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _session(leader: int) -> Iterator[list[str]]:
    """Fields of /proc/PID/stat from the state on, of every process of a session."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == leader:
            yield fields
