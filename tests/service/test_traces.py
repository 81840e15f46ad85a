"""Traces, as a collector receives them."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from feature_store.errors import BadInput
from service.traces import make_traces

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MARK = "Featherstonehaugh"


@pytest.fixture
def collector():
    """A collector: its address, and the bytes it was sent."""

    class Handler(BaseHTTPRequestHandler):
        received = []  # noqa: RUF012 - of this class alone

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                content = gzip.decompress(content)
            Handler.received.append((self.path, content))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", Handler.received
    server.shutdown()
    server.server_close()


def spans_of(received):
    for path, content in received:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            for scope in resource.scope_spans:
                yield from scope.spans


def attributes_of(span):
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


def test_a_request_is_one_span_that_continues_the_caller_s(
    make_client, fake_model, request_body, collector
):
    address, received = collector
    client = make_client(fake_model, otlp_endpoint=address)
    client.post(
        f"/v1/scores?{MARK}", json=request_body, headers={"traceparent": MARK, "tracestate": MARK}
    )
    client.post(f"/{MARK}", content=MARK, headers={MARK: MARK, "tracestate": f"a={MARK}"})
    client.post(
        "/v1/scores", json=request_body, headers={"traceparent": PARENT, "X-Request-ID": "r-1"}
    )
    client.get("/health/live")
    client.app.state.parts.traces.close()
    assert MARK.encode() not in b"".join(content for _, content in received)
    wrong, lost, good = spans_of(received)  # probes are not traced
    assert (wrong.name, lost.name, good.name) == (
        "POST /v1/scores",
        "POST unmatched",
        "POST /v1/scores",
    )
    assert good.trace_id.hex() == PARENT[3:35]
    assert good.parent_span_id.hex() == PARENT[36:52]
    assert wrong.trace_id.hex() != PARENT[3:35]
    told = attributes_of(good)
    assert told["http.response.status_code"] == 200
    assert told["homeward.request_id"] == "r-1"
    assert told["homeward.scores"] == 1
    assert good.end_time_unix_nano > good.start_time_unix_nano


def test_values_that_were_sent_are_in_no_span(
    make_client, real_model, request_body, the_spell, collector
):
    address, received = collector
    client = make_client(real_model, otlp_endpoint=address)
    the_spell["spell_id"] = the_spell["subject_id"] = MARK
    the_spell["events"][2]["numeric_value"] = 31.4159
    assert client.post("/v1/scores", json=request_body).status_code == 200
    client.app.state.parts.traces.close()
    (span,) = spans_of(received)
    assert MARK not in str(span)
    assert "31.4159" not in str(span)


def test_nobody_at_the_endpoint_stops_no_answer(make_client, fake_model, request_body):
    client = make_client(fake_model, otlp_endpoint="http://127.0.0.1:9")
    assert client.post("/v1/scores", json=request_body).status_code == 200


def test_without_the_extra_the_setting_stops_the_start(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(BadInput, match="'otel' extra"):
        make_traces("http://127.0.0.1:4318")


def test_without_the_setting_nothing_is_loaded():
    assert make_traces(None) is None
