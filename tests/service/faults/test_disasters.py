"""Processes whose database restarts, disk fills, registry goes, copy spoils or clock is wrong."""

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from feature_store.clock import HOUR, to_moment
from feature_store.hl7.statement import Statement
from feature_store.hl7.writing import write_message
from feature_store.identity import make_key

REGISTERED = "models:/long-stay@champion"


def ids(scores):
    return {score["score_id"] for score in scores}


# ---- a PostgreSQL server of one's own ------------------------------------------------------------


class Cluster:
    """A PostgreSQL server that a test may stop; it never runs as root."""

    def __init__(self, folder, programs):
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(folder)
        self.programs = programs
        if self.user is not None:
            subprocess.run(["chown", self.user, folder], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--no-locale")
        self.start()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _run(self, program, *words):
        words = [self.programs / program, "-D", self.folder / "data", *words]
        quiet = subprocess.DEVNULL
        subprocess.run(
            words, user=self.user, cwd="/", check=True, stdout=quiet, stderr=quiet, timeout=120
        )

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -c unix_socket_directories= -c max_connections=40"
        log = self.folder / "server.log"
        self._run("pg_ctl", "-w", "-t", "60", "-o", options, "-l", log, "start")

    def stop(self, how):
        self._run("pg_ctl", "-w", "-t", "60", "-m", how, "stop")


@pytest.fixture
def cluster(server_programs):
    """A PostgreSQL server of the test's own."""
    with tempfile.TemporaryDirectory(prefix="homeward-cluster-") as folder:
        made = Cluster(folder, server_programs)
        yield made
        with suppress(subprocess.CalledProcessError):  # the test may have stopped it
            made.stop("immediate")


@pytest.mark.cluster
def test_a_postgresql_server_crashed_and_restarted_under_load_loses_nothing(
    start, callers, record, cluster
):
    service = start("--workers", "2", HOMEWARD_DATABASE_URL=cluster.url).ready()
    asking = callers(service)
    asking.heard(20)
    for how in ("immediate", "fast"):  # as by a power cut, as by an administrator
        cluster.stop(how)
        before = asking.statuses.count(503)
        service.wait_until(lambda: asking.statuses.count(503) > before + 2)  # noqa: B023
        cluster.start()
        asking.heard(20)
    asking.end()
    assert set(asking.statuses) == {200, 503}
    assert record.kept_in(cluster.url) >= ids(asking.scored)


# ---- a disk --------------------------------------------------------------------------------------


def test_a_disk_that_is_full_refuses_and_once_it_is_not_answers_again(
    start, callers, record, tmp_path
):
    service = start(HOMEWARD_LOG_LEVEL="error").ready()
    asking = callers(service, number=2)
    asking.heard(20)
    _, hard = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    largest = max(one.stat().st_size for one in (tmp_path / "var").rglob("*") if one.is_file())
    limit = largest + 32 * 1024
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (limit, hard))
    service.wait_until(lambda: asking.statuses.count(503) > 5)
    assert service.get("/health/live").status_code == 200
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    asking.heard(20)
    asking.end()
    assert set(asking.statuses) == {200, 503}
    assert asking.cut_off == 0
    service.end()
    kept = record.kept_in(f"sqlite:///{tmp_path / 'var' / 'homeward.db'}")
    assert kept >= ids(asking.scored)


# ---- a registry and its local copy ---------------------------------------------------------------


def test_with_the_registry_gone_it_starts_and_serves_from_its_copy_and_says_so(
    start, tracking, request_body
):
    usual = {
        "HOMEWARD_MODEL_URI": REGISTERED,
        "HOMEWARD_MLFLOW_TRACKING_URI": tracking.address,
        "HOMEWARD_MODEL_CHECK_SECONDS": "1",
    }
    first = start(**usual).ready()
    said = first.post("/v1/scores", request_body).json()
    tracking.harm = "down"
    first.wait_until(lambda: first.get("/health/ready").json()["status"] == "degraded")
    assert first.post("/v1/scores", request_body).status_code == 200
    first.end()
    second = start(**usual)
    second.ready()
    second.wait_until(lambda: second.get("/health/ready").json()["status"] == "degraded")
    again = second.post("/v1/scores", request_body).json()
    assert again["model"] == said["model"]
    told = [{**score, "score_id": ""} for score in again["scores"]]
    assert told == [{**score, "score_id": ""} for score in said["scores"]]
    tracking.harm = ""
    second.wait_until(lambda: second.get("/health/ready").json()["status"] == "ready")


def test_a_spoilt_copy_is_not_served_and_is_mended_from_the_registry(
    start, tracking, request_body, tmp_path
):
    usual = {"HOMEWARD_MODEL_URI": REGISTERED, "HOMEWARD_MLFLOW_TRACKING_URI": tracking.address}
    first = start(**usual).ready()
    said = first.post("/v1/scores", request_body).json()["scores"][0]
    first.end()
    (copied,) = (tmp_path / "var" / "models").rglob("exits.txt")
    whole = copied.read_bytes()
    copied.chmod(0o644)
    copied.write_bytes(whole.replace(b"leaf_value=", b"leaf_value=9", 1))
    tracking.harm = "down"
    second = start(**usual)
    second.wait_until(lambda: second.get("/health/live").status_code == 200)
    refused = second.post("/v1/scores", request_body)
    assert (refused.status_code, second.get("/health/ready").status_code) == (503, 503)
    assert refused.headers["Retry-After"]
    tracking.harm = ""
    second.ready()
    mended = second.post("/v1/scores", request_body).json()["scores"][0]
    assert {**mended, "score_id": ""} == {**said, "score_id": ""}


# ---- clocks --------------------------------------------------------------------------------------

AHEAD = """
import sys, time
real, ahead = time.time_ns, {ahead} * 10**9
time.time_ns = lambda: real() + ahead
from homeward.__main__ import main
sys.argv = ["homeward", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize("ahead", [3 * 3600, -3 * 3600])
def test_two_workers_whose_clocks_differ_by_hours_answer_and_keep_one_sound_record(
    start, callers, record, database_url, tmp_path, ahead
):
    key = tmp_path / "key"
    make_key(key)
    usual = {
        "HOMEWARD_DATABASE_URL": database_url,
        "HOMEWARD_PSEUDONYM_KEY_FILE": str(key),
        "HOMEWARD_WORKLIST_SECONDS": "1",
    }
    true = start(**usual).ready()
    wrong = start(folder=tmp_path / "wrong", program=AHEAD.format(ahead=ahead), **usual).ready()
    now = time.time_ns() // 1000 - 4 * HOUR
    facts = [
        {"subject_id": "P1", "spell_id": "S1", "code": code, "time": to_moment(now).isoformat()}
        for code in ("SPELL_START", "ADMISSION_METHOD//21", "WARD//A", "SITE//X")
    ]
    facts.append(facts[0] | {"code": "AGE", "numeric_value": 80})
    assert true.post("/v1/events", {"events": facts}).status_code == 200
    asking = [callers(one, number=1) for one in (true, wrong)]
    for _ in range(6):
        for one in (true, wrong):
            answer = one.get("/v1/worklist")
            assert answer.status_code == 200
            assert answer.json()["inpatients"] == 1
        time.sleep(0.4)
    for one in asking:
        one.heard(10)
        one.end()
        assert set(one.statuses) == {200}
    assert record.kept_in(database_url) >= ids(asking[0].scored) | ids(asking[1].scored)


# ---- a feed whose database stands still ----------------------------------------------------------


@pytest.mark.postgres
def test_a_listener_gives_up_a_database_that_stands_still_and_goes_on_when_it_moves(wire, tmp_path):
    key = tmp_path / "key"
    make_key(key)
    settings = {"HOMEWARD_PSEUDONYM_KEY_FILE": str(key), "HOMEWARD_DATABASE_URL": wire.url}
    words = [sys.executable, "-m", "homeward", "listen", "--port", "0", "--json"]
    listening = subprocess.Popen(
        words, env=os.environ | settings, stdout=subprocess.PIPE, text=True
    )
    try:
        told = []
        while not told or not told[-1].startswith("}"):
            told.append(listening.stdout.readline())
        port = json.loads("".join(told))["port"]
        assert b"MSA|AA|1" in exchange(port, 1)
        wire.hold()
        began = time.monotonic()
        assert exchange(port, 2) == b""  # closed without an answer: the sender sends again
        assert time.monotonic() - began < 25
        wire.mend()
        deadline = time.monotonic() + 30
        while b"MSA|AA|2" not in exchange(port, 2):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        listening.kill()
        listening.stdout.close()
        listening.wait()


def exchange(port, number):
    """Send a message, and what was answered before the connection was closed."""
    at = time.time_ns() // 1000 - HOUR
    said = Statement(
        trigger="A01", happened_at=at, told_at=at, sent_at=at, facility="X", subject=1, spell=1,
        control_id=str(number), visit={"ward": "A"},
    )  # fmt: skip
    raw = write_message(said, patient="P1", visit="V1", processing="P")
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"\x0b" + raw + b"\x1c\r")
        with suppress(ConnectionError):
            while not answer.endswith(b"\x1c\r") and (piece := connection.recv(4096)):
                answer += piece
    return answer
