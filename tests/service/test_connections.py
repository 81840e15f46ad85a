"""Callers who dawdle, vanish or do not listen are let go; nobody else notices."""

import socket
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace

import httpx
import pytest
import uvicorn

from service import connection
from service.app import create_app
from service.server import _config, _listen

LONG = 30
PROMPT = 0.3  # seconds between two looks, here


@pytest.fixture
def served(settings, fake_model, monkeypatch):
    """A service on a socket of its own, in a thread."""
    monkeypatch.setattr(connection, "LOOK_SECONDS", PROMPT)
    app = create_app(replace(settings, log_level="warning"), model=fake_model)
    server = uvicorn.Server(_config(app))
    with closing(_listen("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield server
        server.should_exit = True
        thread.join(LONG)


def connect(served, receives=None):
    caller = socket.socket()
    if receives:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    caller.settimeout(LONG)
    caller.connect(("127.0.0.1", served.port))
    return caller


def until_alone(served):
    deadline = time.monotonic() + LONG
    while served.server_state.connections:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/scores HTT", b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "]
)
def test_who_never_finishes_a_head_is_let_go(served, sent):
    with closing(connect(served)) as caller:
        caller.sendall(sent)
        with suppress(ConnectionResetError):
            assert caller.recv(1) == b""
    until_alone(served)


def test_who_sends_a_head_letter_by_letter_is_let_go(served):
    until = time.monotonic() + LONG
    with closing(connect(served)) as caller, suppress(ConnectionError):
        caller.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
        while time.monotonic() < until:
            caller.sendall(b"a")
            time.sleep(0.02)
    assert time.monotonic() < until
    until_alone(served)


def test_who_asks_much_and_never_reads_is_let_go(served):
    with closing(connect(served, receives=4096)) as caller:
        with suppress(OSError):
            for _ in range(200):
                caller.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        until_alone(served)


def test_who_keeps_a_connection_busy_keeps_it(served, request_body):
    address = f"http://127.0.0.1:{served.port}"
    with httpx.Client(base_url=address, timeout=LONG) as client:
        client.post("/v1/scores", json=request_body)
        (mine,) = served.server_state.connections
        for _ in range(20):
            time.sleep(PROMPT / 4)
            assert client.post("/v1/scores", json=request_body).status_code == 200
        assert set(served.server_state.connections) == {mine}


def test_a_crowd_of_dawdlers_keeps_nobody_out(served, request_body):
    crowd = [connect(served) for _ in range(200)]
    answer = httpx.post(
        f"http://127.0.0.1:{served.port}/v1/scores", json=request_body, timeout=LONG
    )
    assert answer.status_code == 200
    until_alone(served)
    for one in crowd:
        one.close()
