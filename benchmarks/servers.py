"""The servers that ``benchmarks/http.py`` presses: the floor, Homeward, and servers of models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from benchmarks.load import Load, family, press
from benchmarks.serving.rows import USUAL

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS: Final = 16
PORTS: Final = {
    "floor": 8470,
    "homeward": 8471,
    "mlflow": 8472,
    "mlflow, ours": 8473,
    "bentoml": 8474,
    "bentoml, ours": 8475,
}
PEERS: Final = {
    "mlflow": "`mlflow models serve`, LightGBM's reasons",
    "mlflow, ours": "`mlflow models serve`, Homeward's kernel inside",
    "bentoml": "BentoML, LightGBM's reasons",
    "bentoml, ours": "BentoML, Homeward's kernel inside",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float
    path: str = "/v1/scores"

    def press(self, body: bytes, *, seconds: float, connections: int = CONNECTIONS) -> Load:
        """Press it."""
        return press(
            self.port,
            self.path,
            body,
            seconds=seconds,
            connections=connections,
            server=self.process.pid,
        )


@contextmanager
def homeward(folder: Path) -> Iterator[Server]:
    """``homeward serve``."""
    environment = {
        "HOMEWARD_VAR": str(folder / "var"),
        "HOMEWARD_MODEL_URI": str(folder / "bundle"),
    }
    words = ["-m", "homeward", "serve", "--port", str(PORTS["homeward"])]
    with _serving(words, environment, PORTS["homeward"], "/health/ready", folder) as server:
        yield server


@contextmanager
def floor(folder: Path) -> Iterator[Server]:
    """The floor, under the same server."""
    words = ["-m", "uvicorn", "benchmarks.floor:app", "--port", str(PORTS["floor"])]
    words += ["--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    environment = {"FLOOR_ANSWER": str(folder / "answer.json")}
    with _serving(words, environment, PORTS["floor"], "/openapi.json", folder) as server:
        yield server


Peer = tuple[str, Server | None, bytes]


def peers(folder: Path, row: list[float | None], stack: ExitStack) -> Iterator[Peer]:
    """Other servers of the same model, with what each is asked; one that cannot be had is named."""
    names = [str(column) for column in range(len(row))]
    split = json.dumps({"dataframe_split": {"columns": names, "data": [row]}}).encode()
    _save_for_mlflow(folder)
    for name in ("mlflow", "mlflow, ours"):
        yield name, stack.enter_context(_mlflow(folder, name)), split
    python = _bentoml_python(folder)
    if python is None:
        print("BentoML could not be installed here: it is not in the table.\n")
    for name in ("bentoml", "bentoml, ours"):
        server = None if python is None else stack.enter_context(_bentoml(folder, python, name))
        yield name, server, json.dumps({"rows": [row]}).encode()


def _save_for_mlflow(folder: Path) -> None:
    import mlflow.pyfunc  # noqa: PLC0415 - seconds, and of no use to the others

    code = Path(__file__).with_name("serving") / "mlflow_model.py"
    mlflow.pyfunc.save_model(
        folder / "mlflow",
        python_model=code,
        artifacts={"bundle": str(folder / "bundle")},
        pip_requirements=[],  # served by this environment; working them out takes minutes
    )


@contextmanager
def _mlflow(folder: Path, name: str) -> Iterator[Server]:
    port = PORTS[name]
    words = ["-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow")]
    words += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    environment = _OUR_CODE | _way(name)
    with _serving(words, environment, port, "/ping", folder, path="/invocations") as server:
        yield server


def _way(name: str) -> dict[str, str]:
    """Environment that says whose reasons a peer gives."""
    return {} if name.endswith("ours") else {USUAL: "yes"}


def _bentoml_python(folder: Path) -> Path | None:
    """Make BentoML's environment; None if it cannot be made."""
    place = folder / "bentoml"
    python = place / "bin" / "python"
    pinned = str(Path(__file__).with_name("bentoml.txt"))
    uv = str(Path(sys.executable).with_name("uv"))
    steps = (
        [uv, "venv", "--quiet", "--python", sys.executable, str(place)],
        [uv, "pip", "install", "--quiet", "--python", str(python), "-r", pinned],
    )
    done = all(subprocess.run(step, check=False).returncode == 0 for step in steps)  # noqa: S603 - fixed words
    return python if done else None


@contextmanager
def _bentoml(folder: Path, python: Path, name: str) -> Iterator[Server]:
    port = PORTS[name]
    words = ["-m", "bentoml", "serve", "benchmarks.serving.bento:LongStay"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    environment = (
        _OUR_CODE
        | _way(name)
        | {
            "PEER_BUNDLE": str(folder / "bundle"),
            "BENTOML_HOME": str(folder / f"bentoml-home-{port}"),
            "BENTOML_DO_NOT_TRACK": "True",
        }
    )
    started = _serving(words, environment, port, "/readyz", folder, path="/score", python=python)
    with started as server:
        yield server


_OUR_CODE: Final = {
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@contextmanager
def _serving(  # noqa: PLR0913 - private: what differs between servers
    words: list[str],
    environment: dict[str, str],
    port: int,
    ready: str,
    folder: Path,
    *,
    path: str = "/v1/scores",
    python: Path | str = sys.executable,
) -> Iterator[Server]:
    began = time.perf_counter()
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own servers
            [str(python), *words],
            env=os.environ | {"PATH": _path_to(python)} | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _apart(process.pid)
            _wait(process, f"http://127.0.0.1:{port}{ready}")
            yield Server(process, port, time.perf_counter() - began, path)
        except RuntimeError as error:
            print(Path(log.name).read_text(errors="replace")[-2000:], file=sys.stderr)
            raise error from None
        finally:
            for one in family(process.pid):  # some start others
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGTERM)
            process.wait()


def _path_to(python: Path | str) -> str:
    """Search path that begins beside this Python: some servers start commands by name."""
    return os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])


def _apart(server: int) -> None:
    """Server on one core, load on another, where there are two."""
    cores = sorted(os.sched_getaffinity(0) | os.sched_getaffinity(server))
    if len(cores) > 1:
        os.sched_setaffinity(server, cores[:1])
        os.sched_setaffinity(0, cores[1:2])


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    while process.poll() is None:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    msg = "a server did not start"
    raise RuntimeError(msg)
