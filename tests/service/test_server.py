"""The service as a process: started, asked over a socket, stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from service.server import MEMORY, serve
from service.settings import Settings

ROOT = Path(__file__).parents[2]
LONG = 60  # seconds that a busy machine may need


class Running:
    """A service that runs, and what it wrote."""

    def __init__(self, process):
        self.process = process
        self.told = json.loads(self._document())
        self.address = self.told["address"]

    def _document(self):
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("}"):
                return "".join(lines)
        raise AssertionError(self.process.stderr.read())

    def wait_until_ready(self):
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/health/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError("not ready in time")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        _, err = self.process.communicate(timeout=LONG)
        return err


@pytest.fixture
def start(tmp_path, bundle_folder):
    """Return a function that starts ``homeward serve``."""
    started = []

    # Where tests run in the background the interrupt is ignored, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def starting(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "homeward", "serve", "--port", "0", "--json", *arguments],
            env=os.environ
            | {"HOMEWARD_VAR": str(tmp_path / "var"), "HOMEWARD_MODEL_URI": str(bundle_folder)}
            | environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield starting
    signal.signal(signal.SIGINT, before)
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_starts_answers_and_stops(start, request_body):
    running = Running(start()).wait_until_ready()
    assert running.told["open"] is True
    answer = httpx.post(
        f"{running.address}/v1/scores", json=request_body, headers={"X-Request-ID": "r-1"}
    )
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] == "r-1"
    assert "server" not in answer.headers
    log = [json.loads(line) for line in running.stop().splitlines()]
    assert running.process.returncode in {0, -signal.SIGTERM}
    requests = [line for line in log if line["event"] == "request"]
    assert [line["status"] for line in requests if line["route"] == "/v1/scores"] == [200]
    assert not any("/v1/scores" in line["event"] for line in log)  # no access log of uvicorn's


def test_ctrl_c_ends_it_quietly(start):
    running = Running(start()).wait_until_ready()
    log = running.stop(signal.SIGINT)
    assert running.process.returncode == 130
    assert "Traceback" not in log
    assert all(json.loads(line) for line in log.splitlines() if line)


def test_a_request_under_way_is_finished_before_it_stops(start, request_body):
    running = Running(start()).wait_until_ready()
    raw = json.dumps(request_body).encode()
    host, _, port = running.address.removeprefix("http://").partition(":")
    with closing(socket.create_connection((host, int(port)))) as caller:
        head = (
            "POST /v1/scores HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(raw)}\r\n\r\n"
        )
        caller.sendall(head.encode() + raw[:20])
        time.sleep(0.2)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        caller.sendall(raw[20:])
        caller.settimeout(LONG)
        assert caller.recv(12) == b"HTTP/1.1 200"


def test_several_workers_share_the_socket_and_the_numbers(start, request_body):
    running = Running(start("--workers", "2")).wait_until_ready()
    for _ in range(20):
        assert httpx.post(f"{running.address}/v1/scores", json=request_body).status_code == 200
    numbers = httpx.get(f"{running.address}/metrics").text
    assert "homeward_scores_total 20.0" in numbers
    mine = f"homeward-{running.process.pid}-*"
    assert len(list(MEMORY.glob(mine))) == MEMORY.exists()
    running.stop()
    assert list(MEMORY.glob(mine)) == []


def test_with_keys_it_may_listen_anywhere(start, request_body, tmp_path):
    keys = tmp_path / "keys.json"
    key = {"name": "hub", "sha256": "0" * 64, "scopes": ["scores"]}
    keys.write_text(json.dumps({"keys": [key]}))
    running = Running(start("--host", "0.0.0.0", HOMEWARD_API_KEYS_FILE=str(keys)))
    running.address = running.address.replace("0.0.0.0", "127.0.0.1")
    running.wait_until_ready()
    assert running.told["open"] is False
    assert httpx.post(f"{running.address}/v1/scores", json=request_body).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (
            ["--host", "0.0.0.0"],
            {},
            "without API keys the service opens on a loopback address only",
        ),
        (["--host", "::"], {}, "without API keys"),
        ([], {"HOMEWARD_API_KEYS_FILE": "/nowhere/keys.json"}, "keys.json: a file of API keys"),
        ([], {"HOMEWARD_MODEL_URI": "/nowhere/model"}, "model: a model bundle expected"),
        ([], {"HOMEWARD_MODLE_URI": "x"}, "did you mean HOMEWARD_MODEL_URI"),
        ([], {"HOMEWARD_DATABASE_URL": "mysql://u:hunter2@db/x"}, "HOMEWARD_DATABASE_URL"),
        (["--workers", "2"], {"HOMEWARD_MODEL_URI": "/nowhere/model"}, "a model bundle expected"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(start, arguments, environment, said):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("homeward: ")
    assert said in line
    assert "hunter2" not in line


def test_an_address_in_use_is_said_in_one_line(start):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--port", str(taken.getsockname()[1]))
        _, err = process.communicate(timeout=LONG)
    assert process.returncode == 2
    assert err.startswith("homeward: cannot listen on 127.0.0.1 port ")


def test_an_app_server_of_ones_own_may_call_the_factory(monkeypatch, bundle_folder, tmp_path):
    from service.app import create_app

    monkeypatch.setenv("HOMEWARD_MODEL_URI", str(bundle_folder))
    monkeypatch.setenv("HOMEWARD_VAR", str(tmp_path))
    assert create_app().openapi()["info"]["title"] == "Homeward"


def test_serve_refuses_before_it_listens():
    with pytest.raises(Exception, match="loopback"):
        serve(Settings(), host="192.0.2.1", port=0, workers=1, told=print)
