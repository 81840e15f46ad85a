"""A service as it is run, ``homeward serve``, and callers who keep asking while things fail."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import select

from service.record import Record
from service.record.schema import SCORES
from service.record.verification import verify

ROOT = Path(__file__).parents[3]
LONG = 60  # seconds that a busy machine may need


class Service:
    """A service that runs, with everything of it in one folder."""

    def __init__(self, folder, arguments, environment, program=None):
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        own = ["-m", "homeward"] if program is None else ["-c", program]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *own, "serve", "--json", *arguments],
                env=os.environ | {"HOMEWARD_VAR": str(folder / "var")} | environment,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        told = []
        while not told or not told[-1].startswith("}"):
            line = self.process.stdout.readline()
            assert line, self.log.read_text()
            told.append(line)
        self.address = json.loads("".join(told))["address"]
        self.port = int(self.address.rpartition(":")[2])

    def get(self, path, **options):
        return httpx.get(f"{self.address}{path}", timeout=LONG, **options)

    def post(self, path, body, **options):
        return httpx.post(f"{self.address}{path}", json=body, timeout=LONG, **options)

    def wait_until(self, holds, seconds=LONG):
        """Look until something holds; a caller who is cut off looks again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if holds():
                    return self
            time.sleep(0.05)
        raise AssertionError(f"not in time; the log ends\n{self.log.read_text()[-2000:]}")

    def ready(self):
        return self.wait_until(lambda: self.get("/health/ready").status_code == 200)

    @property
    def workers(self):
        """Process ids of those that serve now, the older first."""
        started = re.findall(r"Started server process \[(\d+)\]", self.log.read_text())
        return [int(one) for one in started if is_alive(int(one))]

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            workers = self.workers
            self.process.send_signal(how)
            if how == signal.SIGKILL:  # workers would go on without their parent
                for one in workers:
                    with suppress(ProcessLookupError):
                        os.kill(one, how)
        self.process.stdout.close()
        self.process.wait(LONG)


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def start(tmp_path, bundle_folder):
    """Return a function that starts ``homeward serve``."""
    started = []

    def starting(*arguments, folder=tmp_path, port=0, program=None, **environment):
        usual = {"HOMEWARD_MODEL_URI": str(bundle_folder)}
        words = ["--port", str(port), *arguments]
        service = Service(folder, words, usual | environment, program)
        started.append(service)
        return service

    yield starting
    for service in started:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


class Callers:
    """Threads that ask the same again and again, and what they heard."""

    def __init__(self, service, body, number):
        self.service, self.body = service, body
        self.scored, self.statuses, self.cut_off = [], [], 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _ask(self):
        client = httpx.Client(base_url=self.service.address, timeout=LONG)
        while not self._over.is_set():
            try:
                answer = client.post("/v1/scores", json=self.body)
            except httpx.TransportError:
                self.cut_off += 1
                time.sleep(0.01)
                continue
            self.statuses.append(answer.status_code)
            if answer.status_code == 200:
                self.scored += answer.json()["scores"]
            else:
                assert answer.headers["Retry-After"]
                time.sleep(0.02)
        client.close()

    def heard(self, number):
        """Wait until so many more answers were good."""
        wanted = len(self.scored) + number
        self.service.wait_until(lambda: len(self.scored) >= wanted)

    def end(self):
        self._over.set()
        for thread in self._threads:
            thread.join(LONG)
        said = {json.dumps({**score, "score_id": None}, sort_keys=True) for score in self.scored}
        assert len(said) == 1, "the same question was answered differently"


def kept_in(url):
    """Identifiers of all scores on a record, which is sound."""
    with closing(Record(url)) as record:
        proof = verify(record.engine)
        with record.engine.connect() as connection:
            ids = select(SCORES.c.score_id).where(SCORES.c.score_id.is_not(None))
            kept = list(connection.scalars(ids))
    assert proof.faults == []
    assert len(set(kept)) == len(kept)
    return set(kept)


@pytest.fixture
def callers(request_body):
    """Return a function that sets callers on a service; they end with the test."""
    asking = []

    def ask(service, number=3):
        asking.append(Callers(service, request_body, number))
        return asking[-1]

    yield ask
    for one in asking:
        one._over.set()


@pytest.fixture(scope="session")
def record():
    """Questions about a record."""
    return SimpleNamespace(kept_in=kept_in)
