"""Trials of real processes: killed, interrupted, without their server, without room on the disk."""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from functools import partial

import pytest

SETTINGS = """
threads = 1
[judging]
replicates = 20
[lightgbm]
trees = 150
patience = 150
leaves = [8, 6]
learning_rate = 0.1
"""
TRIALS = 4
LONG = 240
"""Seconds until a process is given up: of a machine that does much else."""


@pytest.fixture
def place(tmp_path, empty_store, dataset):
    """Make a home: settings, an empty store, and the words and surroundings of a run there."""

    def make(name, **more):
        home = tmp_path / name
        (home / "var").mkdir(parents=True)
        shutil.copyfile(empty_store, home / "var" / "mlflow.db")
        (home / "settings.toml").write_text(SETTINGS)
        return Place(home, dataset.path, more)

    return make


class Place:
    """A home in which ``homeward train --trials`` runs as a process of its own."""

    def __init__(self, home, data, more):
        self.home, self.var = home, home / "var"
        words = [str(data), "--config", str(home / "settings.toml"), "--trials", str(TRIALS)]
        self.words = [sys.executable, "-m", "homeward", "train", *words, "--json"]
        self.environment = os.environ | {"HOMEWARD_VAR": str(self.var)} | more

    def start(self, **more):
        return subprocess.Popen(
            self.words,
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def finish(self, **more):
        process = self.start(**more)
        said, wrong = process.communicate(timeout=LONG)
        return process.returncode, said, wrong

    def asked(self, question):
        """Answer of the database of studies; nothing while it is not there yet."""
        try:
            with closing(sqlite3.connect(f"file:{self.var}/studies.db?mode=ro", uri=True)) as store:
                return store.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []

    def states(self):
        return [state for (state,) in self.asked("select state from trials order by number")]

    def wait_for(self, process, finished):
        """Until so many trials are over and the next has grown some trees."""
        running = "select count(*) from trial_intermediate_values join trials using (trial_id)"
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            done = sum(state in {"COMPLETE", "PRUNED"} for state in self.states())
            grown = self.asked(f"{running} where state = 'RUNNING'") or [(0,)]
            if done == finished and grown[0][0] > 3:
                return
            time.sleep(0.01)
        pytest.fail("no trial came so far")

    def stop(self, finished, number):
        process = self.start()
        self.wait_for(process, finished)
        process.send_signal(number)
        process.communicate(timeout=LONG)
        return process.returncode

    def bundle(self):
        """Bytes of the one bundle that was logged."""
        [folder] = {path.parent for path in (self.var / "mlruns").rglob("**/bundle/*")}
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    def versions(self):
        with closing(sqlite3.connect(self.var / "mlflow.db")) as store:
            return store.execute("select count(*) from model_versions").fetchone()[0]

    def runs(self):
        with closing(sqlite3.connect(self.var / "mlflow.db")) as store:
            question = "select status from runs where name like 'train %' order by start_time"
            return [status for (status,) in store.execute(question)]


def test_killed_twice_and_begun_again_it_makes_the_same_bytes(place):
    unbroken, broken = place("unbroken"), place("broken")
    assert unbroken.finish()[0] == 0
    assert broken.stop(0, signal.SIGKILL) == -signal.SIGKILL
    assert broken.stop(2, signal.SIGKILL) == -signal.SIGKILL
    assert broken.versions() == 0
    code, said, wrong = broken.finish()
    assert code == 0, wrong
    assert json.loads(said)["provenance"]["tuning"]["trials"] == TRIALS
    assert broken.bundle() == unbroken.bundle()
    assert broken.runs() == ["KILLED", "KILLED", "FINISHED"]
    assert broken.versions() == 1


def test_interrupted_it_ends_quietly_and_goes_on_from_what_was_done(place):
    home = place("home")
    process = home.start()
    home.wait_for(process, 1)
    process.send_signal(signal.SIGINT)
    said, wrong = process.communicate(timeout=LONG)
    assert (process.returncode, said, wrong.strip()) == (130, "", "")
    assert home.runs() == ["KILLED"]
    assert home.versions() == 0
    first = home.asked("select datetime_start from trials where number = 0")
    assert home.finish()[0] == 0
    assert home.states() == ["COMPLETE", "FAIL", *["COMPLETE"] * (TRIALS - 1)]
    assert home.asked("select datetime_start from trials where number = 0") == first
    assert home.versions() == 1


@pytest.fixture
def server():
    """An MLflow server as a process of its own, on the database of the home it is given."""
    started = []

    def start(home):
        with closing(socket.create_server(("127.0.0.1", 0))) as found:
            port = found.getsockname()[1]
        words = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        words += ["--host", "127.0.0.1", "--port", str(port)]
        words += ["--backend-store-uri", f"sqlite:///{home.var}/mlflow.db"]
        words += ["--artifacts-destination", str(home.var / "mlruns")]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(words, cwd=home.home, start_new_session=True, **quiet))
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{address}/health") as answer:
                assert answer.status == 200
                return address
            time.sleep(0.1)
        pytest.fail("the server did not start")

    def stop():
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    yield start, stop
    stop()


def test_without_its_server_it_says_so_and_keeps_the_trials(place, server):
    start, stop = server
    home = place("home")
    home.environment["HOMEWARD_MLFLOW_TRACKING_URI"] = start(home)
    process = home.start()
    home.wait_for(process, 1)
    stop()
    said, wrong = process.communicate(timeout=LONG)
    assert (process.returncode, said) == (2, "")
    assert "MLflow stopped answering" in wrong
    assert len(wrong.splitlines()) == 1
    assert home.states() == ["COMPLETE"] * TRIALS
    assert home.versions() == 0


def says_that_the_disk_is_full(code, said, wrong):
    assert (code, said) == (2, "")
    assert "no space left on the disk" in wrong
    assert len(wrong.splitlines()) == 1


def test_on_a_disk_that_fills_in_the_study_it_says_so_and_goes_on_when_there_is_room(place):
    home = place("home")
    process = home.start()
    home.wait_for(process, 1)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    said, wrong = process.communicate(timeout=LONG)
    says_that_the_disk_is_full(process.returncode, said, wrong)
    assert home.states().count("COMPLETE") < TRIALS
    assert home.versions() == 0
    assert home.finish()[0] == 0
    assert home.runs() == ["KILLED", "FINISHED"]  # how the first ended could not be written down
    assert home.versions() == 1


def test_on_a_disk_that_fills_when_the_model_is_kept_nothing_is_registered(place):
    home = place("home")
    limit = 1_100_000  # bytes a file may have: a new MLflow database takes a run, but no model
    most = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    says_that_the_disk_is_full(*home.finish(preexec_fn=most))
    assert home.states() == ["COMPLETE"] * TRIALS
    assert home.runs() == ["FAILED"]
    assert home.versions() == 0
