"""What every answer has: a request id, headers, a problem document when it fails, a log line."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from service import body
from service.app import create_app
from service.envelope import SECURITY_HEADERS
from service.problems import KINDS

PROBLEM = "application/problem+json"


def assert_problem(answer, status):
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == PROBLEM
    told = answer.json()
    assert told["status"] == status
    assert told["type"] == KINDS[status].type
    assert told["title"] == KINDS[status].title
    assert told["request_id"] == answer.headers["X-Request-ID"]
    return told


@pytest.fixture
def client(make_client, fake_model):
    """A client of a service with the fake model."""
    return make_client(fake_model)


CALLS = [
    ("GET", "/health/live", 200),
    ("GET", "/health/ready", 200),
    ("GET", "/v1/model", 200),
    ("GET", "/metrics", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/nowhere", 404),
    ("GET", "/v1/spells/9434765919/score", 404),
    ("POST", "/v1/scores/", 404),
    ("GET", "/v1/scores", 405),
    ("DELETE", "/v1/model", 405),
    ("POST", "/health/live", 405),
    ("BREW", "/docs", 405),
    ("POST", "/v1/scores", 415),
]


@pytest.mark.parametrize(("method", "path", "status"), CALLS)
def test_every_answer_has_its_headers_and_every_failure_its_document(client, method, path, status):
    answer = client.request(method, path, headers={"X-Request-ID": "ward-7"})
    assert answer.status_code == status
    assert answer.headers["X-Request-ID"] == "ward-7"
    for name, _ in SECURITY_HEADERS:
        assert len(answer.headers.get_list(name.decode())) == 1
    assert "server" not in answer.headers
    if status >= 400:
        assert_problem(answer, status)
        assert "9434765919" not in answer.text


def test_a_wrong_method_names_the_right_one(client):
    assert client.get("/v1/scores").headers["Allow"] == "POST"


def test_an_unsafe_request_id_is_replaced_everywhere(client):
    answer = client.get("/nowhere", headers={"X-Request-ID": "Smith, John"})
    assert "Smith" not in str(answer.headers) + answer.text
    assert len(answer.headers["X-Request-ID"]) == 32


# ---- media types and size ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(client, request_body, headers):
    answer = client.post("/v1/scores", content=json.dumps(request_body), headers=headers)
    assert_problem(answer, 415)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_by_any_of_its_names_is_taken(client, request_body, kind):
    answer = client.post(
        "/v1/scores", content=json.dumps(request_body), headers={"Content-Type": kind}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_announced_or_not(make_client, fake_model, announced):
    client = make_client(fake_model, max_body_mib=1)
    piece = b" " * 300_000
    content = piece * 4 if announced else iter([piece] * 4)
    answer = client.post(
        "/v1/scores", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413)


def test_a_body_in_pieces_is_one_body(client, request_body):
    raw = json.dumps(request_body).encode()
    pieces = iter([raw[:50], b"", raw[50:51], raw[51:]])
    answer = client.post("/v1/scores", content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_a_large_body_is_answered_like_a_small_one(client, request_body, the_spell):
    small = client.post("/v1/scores", json=request_body).json()["scores"][0]
    the_spell["events"] += the_spell["events"][4:] * 2000
    large = client.post("/v1/scores", json=request_body).json()["scores"][0]
    assert small | {"score_id": ""} == large | {"score_id": ""}


def sent_by(app, messages, headers=()):
    """What an application sends to a caller that sends these messages, in order, then nothing."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/scores",
        "raw_path": b"/v1/scores",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
            *headers,
        ],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8000),
    }
    queue, sent = list(messages), []

    async def receive():
        if not queue:
            await asyncio.Event().wait()
        return queue.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def test_a_body_that_dawdles_is_given_up(settings, fake_model, monkeypatch):
    monkeypatch.setattr(body, "ARRIVAL_SECONDS", 0.05)
    app = create_app(settings, model=fake_model)
    piece = {"type": "http.request", "body": b"{", "more_body": True}
    start, content = sent_by(app, [piece])
    assert start["status"] == 408
    assert json.loads(content["body"])["status"] == 408


def test_a_caller_who_leaves_gets_no_answer(settings, fake_model, caplog):
    caplog.set_level(logging.INFO, "homeward")
    app = create_app(settings, model=fake_model)
    piece = {"type": "http.request", "body": b"{", "more_body": True}
    sent_by(app, [piece, {"type": "http.disconnect"}])
    assert [record.fields["status"] for record in caplog.records if record.msg == "request"] == [
        499
    ]


# ---- faults --------------------------------------------------------------------------------------


def failing(model, error):
    def fail(*_arguments, **_options):
        raise error

    return replace(model, score=fail)


@pytest.mark.parametrize("error", [ValueError("Smith"), KeyError("Smith"), MemoryError("Smith")])
def test_a_fault_is_a_problem_and_is_logged_by_kind_and_place_alone(
    make_client, fake_model, request_body, caplog, error
):
    client = make_client(failing(fake_model, error))
    answer = client.post("/v1/scores", json=request_body, headers={"X-Request-ID": "r-9"})
    assert_problem(answer, 500)
    (fault,) = [record for record in caplog.records if record.msg == "fault"]
    assert fault.fields["error"] == type(error).__name__
    assert fault.fields["request_id"] == "r-9"
    assert any(place.startswith("answering.py:") for place in fault.fields["at"])
    assert "Smith" not in answer.text + caplog.text + str([vars(one) for one in caplog.records])


def test_after_a_fault_the_service_goes_on(make_client, fake_model, request_body):
    client = make_client(failing(fake_model, ValueError("x")))
    assert client.post("/v1/scores", json=request_body).status_code == 500
    assert client.get("/health/live").status_code == 200


def test_probes_do_not_fill_the_log(client, caplog):
    caplog.set_level(logging.INFO, "homeward")
    for path in ("/health/live", "/health/ready", "/metrics"):
        client.get(path)
    assert [record for record in caplog.records if record.msg == "request"] == []


def test_one_line_is_logged_a_request_by_template_not_by_path(client, request_body, caplog):
    caplog.set_level(logging.INFO, "homeward")
    client.post("/v1/scores", json=request_body, headers={"X-Request-ID": "r-1"})
    client.get("/v1/spells/Smith")
    client.get("/v1/model")
    lines = [record.fields for record in caplog.records if record.msg == "request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/scores", 200),
        ("GET", "unmatched", 404),
        ("GET", "/v1/model", 200),
    ]
    assert lines[0]["request_id"] == "r-1"
    assert (lines[0]["scores"], lines[0]["refused"], lines[0]["caller"]) == (1, 0, "anybody")
    assert lines[0]["ms"] > 0


# ---- the model and the documents -----------------------------------------------------------------


def test_the_model_is_described(make_client, real_model):
    told = make_client(real_model).get("/v1/model").json()
    assert (told["name"], told["version"], told["alias"]) == ("long-stay", "1", "champion")
    assert told["card"] == {"purpose": "test"}
    assert "does not decide" in told["intended_purpose"]
    assert len(told["feature_set_hash"]) == 64
    assert {"name", "label", "unit"} <= set(told["features"][0])


def test_the_page_of_the_docs_loads_nothing_and_runs_nothing(client):
    answer = client.get("/docs")
    page = answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    for loader in (
        "<script",
        "src=",
        "@import",
        "url(",
        "<link",
        "<iframe",
        "http://cdn",
        "https://",
    ):
        assert loader not in page
    assert 'href="/openapi.json"' in page
    assert "POST /v1/scores" in page
    assert "default-src 'none'; style-src 'sha256-" in answer.headers["Content-Security-Policy"]
