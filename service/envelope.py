"""What every answer goes through: a request id, headers, the log, the numbers, the last catch."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect

from service.identifiers import request_id_from
from service.logs import LOGGER, tell, whereabouts
from service.problems import CONTENT_TYPE, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from service.metrics import Metrics
    from service.traces import Traces

INFO: Final = "homeward"
"""Key of a request's ``Info`` in its ASGI scope."""

UNMATCHED: Final = "unmatched"
PROBES: Final = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines: logged only at level debug."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLOSED_BY_CALLER: Final = 499  # as proxies log it; no answer was sent

ONCE: Final = (b"authorization", b"host")
"""Headers that decide who asks: sent twice they are nobody's, whichever a proxy looked at."""

INSIST_ON_TLS: Final = (b"strict-transport-security", b"max-age=31536000")
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)

_log = logging.getLogger(LOGGER)

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Tongue:
    """How problems are told.

    Parameters
    ----------
    content_type : str
    write : callable
        Problem and request id to a body.
    """

    content_type: str
    write: Callable[[Problem, str], bytes]


OURS: Final = Tongue(CONTENT_TYPE, Problem.document)


@dataclass(slots=True)
class Info:
    """What is known about a request besides its body.

    Parameters
    ----------
    headers : mapping of bytes to bytes
        Names in lower case.
    request_id : str
    began : float
        Monotonic seconds.
    caller : str
        Name of the key.
    status : int
    notes : dict
        More for the log line; numbers and names of ours only.
    headers_to_send : list of (bytes, bytes)
        Added to the answer, whatever it is.
    """

    headers: Mapping[bytes, bytes]
    request_id: str
    began: float
    caller: str = ""
    status: int = _CLOSED_BY_CALLER
    notes: dict[str, Any] = field(default_factory=dict)
    headers_to_send: list[tuple[bytes, bytes]] = field(default_factory=list)


class Envelope:
    """ASGI middleware around everything.

    Parameters
    ----------
    app : ASGI application
    metrics : Metrics
    traces : Traces or None
    tls : bool
        Whether browsers are told to come by TLS only.
    tongues : mapping of str to Tongue
        By the path that addresses of another standard begin with.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        traces: Traces | None = None,
        tls: bool = False,
        tongues: Mapping[str, Tongue] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._tongues = tongues
        self._metrics = metrics
        self._traces = traces
        self._ours = (*SECURITY_HEADERS, INSIST_ON_TLS) if tls else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope["headers"])
        sent = headers.get(b"x-request-id", b"").decode("latin-1")
        info = Info(headers, request_id_from(sent), time.perf_counter())
        scope[INFO] = info

        async def send_enveloped(message: Message) -> None:
            if message["type"] == "http.response.start":
                info.status = message["status"]
                message["headers"] = _with_ours(message.get("headers", ()), info, self._ours)
            await send(message)

        try:
            await self._app(scope, receive, send_enveloped)
        except ClientDisconnect:
            pass  # nobody is left to answer; it is logged as 499
        except Exception as error:  # noqa: BLE001 - the last catch: uvicorn would log its message
            await _failed(error, info, send_enveloped, self._tongue(scope["path"]))
        finally:
            self._note(scope, info)

    def _tongue(self, path: str) -> Tongue:
        found = (one for base, one in self._tongues.items() if f"{path}/".startswith(f"{base}/"))
        return next(found, OURS)

    def _note(self, scope: Scope, info: Info) -> None:
        took = time.perf_counter() - info.began
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # The template, never what was sent; an ASGI endpoint carries it itself.
        route = getattr(scope.get("route") or scope.get("endpoint"), "path", UNMATCHED)
        self._metrics.asked(route, method, info.status, took)
        level = logging.DEBUG if route in PROBES else logging.INFO
        traces = None if route in PROBES else self._traces
        if traces is not None or _log.isEnabledFor(level):
            fields = {
                "request_id": info.request_id,
                "method": method,
                "route": route,
                "status": info.status,
                "ms": round(took * 1000, 3),
                "caller": info.caller,
                **info.notes,
            }
            tell(level, "request", fields)
            if traces is not None:
                parent = info.headers.get(b"traceparent", b"")
                traces.told(parent, f"{method} {route}", took, fields)


async def _failed(error: Exception, info: Info, send: Send, tongue: Tongue) -> None:
    if not isinstance(error, Problem):
        fault = {"request_id": info.request_id, **whereabouts(error)}
        _log.error("fault", extra={"fields": fault})
        error = Problem(500)
    if info.status == _CLOSED_BY_CALLER:  # nothing was sent yet
        await send_problem(error, info, send, tongue)


def _headers(sent: Any) -> dict[bytes, bytes]:
    """Headers by name; of one that must be sent once and was not, nothing."""
    headers = dict(sent)
    if len(headers) < len(sent):
        names = [name for name, _ in sent]
        headers |= {name: b"" for name in ONCE if names.count(name) > 1}
    return headers


def _with_ours(theirs: Any, info: Info, ours: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Headers of an answer with ours; one that the route set itself stands."""
    headers = list(theirs)
    names = [name.lower() for name, _ in headers]
    headers += [pair for pair in ours if pair[0] not in names]
    headers += [pair for pair in info.headers_to_send if pair[0] not in names]
    headers.append((b"x-request-id", info.request_id.encode()))
    return headers


async def send_problem(problem: Problem, info: Info, send: Send, tongue: Tongue) -> None:
    """Send a problem in the language of its address."""
    await send_body(
        send,
        tongue.write(problem, info.request_id),
        status=problem.kind.status,
        content_type=tongue.content_type,
        headers=[(name.encode(), value.encode()) for name, value in problem.headers.items()],
    )


async def send_body(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send one whole answer."""
    own = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": own + (headers or [])})
    await send({"type": "http.response.body", "body": body})
