"""Traces for OpenTelemetry: one span a request, sent to a collector. Needs the extra ``otel``.

A span tells what the log line of a request tells: route template, method, status, name of the
caller, request id, how many were scored and refused. No address, header or body that was sent.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from feature_store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

SERVICE: Final = "homeward"
_PARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_FAULT: Final = 500


class Traces:
    """Where spans go.

    Parameters
    ----------
    provider : TracerProvider
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)

    def told(self, parent: bytes, name: str, took: float, fields: Mapping[str, Any]) -> None:
        """Note a request that has ended.

        Parameters
        ----------
        parent : bytes
            The header ``traceparent``, or nothing; anything else than its form is nothing.
        name : str
        took : float
            Seconds.
        fields : mapping
            As in the log line.
        """
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - only with the extra

        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            context=_context(parent.decode("latin-1")),
            kind=SpanKind.SERVER,
            start_time=ended - round(took * 1e9),
            attributes={key: value for key, value in _attributes(fields) if value is not None},
        )
        if fields["status"] >= _FAULT:
            span.set_status(StatusCode.ERROR)
        span.end(ended)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


_STANDARD: Final = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
}


def _attributes(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(_STANDARD.get(name, f"{SERVICE}.{name}"), told) for name, told in fields.items()]


def _context(parent: str) -> Context | None:
    """Context of the caller's own span (W3C Trace Context); what else it sends is left aside."""
    from opentelemetry import trace  # noqa: PLC0415 - only with the extra

    found = _PARENT.fullmatch(parent)
    if found is None:
        return None
    number, span, flags = (int(part, 16) for part in found.groups())
    seen = trace.SpanContext(number, span, is_remote=True, trace_flags=trace.TraceFlags(flags))
    return trace.set_span_in_context(trace.NonRecordingSpan(seen))


def make_traces(endpoint: str | None) -> Traces | None:
    """Send traces to a collector; None sends nothing and loads nothing.

    Parameters
    ----------
    endpoint : str or None
        Of OTLP over HTTP, such as ``http://collector:4318``.

    Raises
    ------
    BadInput
        The extra ``otel`` is not installed.
    """
    if endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = "HOMEWARD_OTLP_ENDPOINT needs homeward with its 'otel' extra, which is not installed"
        raise BadInput(msg) from error
    provider = TracerProvider(resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Traces(provider)
