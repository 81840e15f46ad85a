"""A load generator: connections that each send the same request again as soon as it is answered."""

from __future__ import annotations

import asyncio
import os
import time
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
        Process id of the first of its processes, for its CPU time.

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
    """CPU time so far of a server and of what it started (Linux)."""
    ticks = sum(sum(map(int, fields[11:13])) for fields in family(leader).values())
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(leader: int) -> float:
    """Resident memory of a server and of what it started (Linux); shared pages count each time."""
    pages = sum(int(fields[21]) for fields in family(leader).values())
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family(leader: int) -> dict[int, list[str]]:
    """A process and all that it started, in sessions of their own too.

    Returns
    -------
    dict of int to list of str
        Process id, and the fields of its /proc/PID/stat from the state on.
    """
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
    mine = {leader}
    while more := {one for one, fields in found.items() if int(fields[1]) in mine} - mine:
        mine |= more
    return {one: found[one] for one in mine if one in found}
