"""A connection of HTTP/1.1 that is let go when nothing moves on it.

uvicorn closes one that is idle after an answer, but waits for ever for the first request, for the
rest of a request's head, and for a reader who has stopped reading. A few hundred such connections,
left behind by a network or opened on purpose, and nobody else gets in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

LOOK_SECONDS: Final = 10.0
"""Between two looks; who is at the same point at both is let go. Bodies have a limit of their own
(``service.body``), and an answer that is being made is waited for."""


class Connection(HttpToolsProtocol):
    """What uvicorn makes of each connection."""

    _looking: asyncio.TimerHandle | None = None
    _seen: tuple[object, int] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        now = self.cycle, unread
        is_answering = bool(self.cycle) and not self.cycle.response_complete
        if now == self._seen and (unread or not is_answering):
            self.transport.abort()
            return
        self._seen = now
        self._looking = self.loop.call_later(LOOK_SECONDS, self._look)
