"""The whole path in one command: data, events, model, champion, service, worklist.

Each step is the very command a user would type, run as its own process and printed as it runs. The
data are synthetic and every product of them says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import httpx

from feature_store.errors import HomewardError
from homeward.huddle import Huddle, inpatients_now
from homeward.sheet import print_sheet
from service.setting_kinds import variable

FOLDER: Final = Path("var/demo")
TRUST: Final = FOLDER / "trust"
DATABASE: Final = FOLDER / "homeward.db"
BATCH: Final = 10_000
WORKLIST_ROWS: Final = 10
READY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How to run the demo.

    Parameters
    ----------
    spells : int
        Synthetic spells to learn from.
    host : str
    port : int
    leave_running : bool
        Whether the service stays up at the end, until Ctrl-C.
    """

    spells: int
    host: str = "127.0.0.1"
    port: int = 8000
    leave_running: bool = True

    @property
    def address(self) -> str:
        """Where the service answers."""
        return f"http://{self.host}:{self.port}"


class DemoFailed(HomewardError):
    """A step of the demo did not do what it should."""


def run_demo(settings: DemoSettings) -> None:
    """Simulate, train, promote, serve, and print today's worklist.

    Raises
    ------
    DemoFailed
        A step failed; its own message is above.
    """
    started = time.monotonic()
    _clear()
    _step(
        "1/5  A synthetic trust", "simulate", "--out", str(TRUST), "--spells", str(settings.spells)
    )
    _step("2/5  Train, calibrate, evaluate, register", "train", str(TRUST))
    _step("3/5  Promote, if every gate passes", "promote", "latest")
    huddle = inpatients_now(TRUST)
    with _service(settings):
        click.echo("5/5  Today's inpatients, scored over HTTP\n")
        answer = _scores(settings, huddle)
        print_sheet(huddle, answer, rows=WORKLIST_ROWS)
        _fill_store(settings, huddle)
        _say_where(settings, time.monotonic() - started)
        if settings.leave_running:
            _wait()


def _clear() -> None:
    """Nothing of an earlier demo: its patients would stand on the list beside these."""
    shutil.rmtree(TRUST, ignore_errors=True)
    for old in FOLDER.glob(f"{DATABASE.name}*"):
        old.unlink()


def _environment() -> dict[str, str]:
    """The service of a demo: its own database, and the clock of the synthetic data."""
    ours = {"database_url": f"sqlite:///{DATABASE}", "clock": "data"}
    return {**os.environ, **{variable(name): value for name, value in ours.items()}}


def _step(title: str, *arguments: str) -> None:
    click.secho(f"{title}\n     $ homeward {' '.join(arguments)}", bold=True)
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "homeward", *arguments], check=False)  # noqa: S603 - our own command
    if done.returncode:
        msg = f"demo: homeward {arguments[0]} ended with exit code {done.returncode}"
        raise DemoFailed(msg)
    click.echo(f"     {time.monotonic() - begun:.1f} s\n")


@contextmanager
def _service(settings: DemoSettings) -> Iterator[None]:
    """Run the service for the length of the block; stopped cleanly whatever happens in it."""
    arguments = ("serve", "--host", settings.host, "--port", str(settings.port))
    click.secho(f"4/5  Serve\n     $ homeward {' '.join(arguments)}", bold=True)
    begun = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "homeward", *arguments], env=_environment()
    )
    try:
        _until_ready(settings, process)
        click.echo(f"     ready after {time.monotonic() - begun:.1f} s\n")
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def _until_ready(settings: DemoSettings, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            msg = (
                f"demo: the service stopped with exit code {process.returncode}; "
                f"is port {settings.port} in use?"
            )
            raise DemoFailed(msg)
        try:
            if (
                httpx.get(f"{settings.address}/health/ready", timeout=1.0).status_code
                == httpx.codes.OK
            ):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    msg = f"demo: the service was not ready after {READY_SECONDS:.0f} s"
    raise DemoFailed(msg)


def _scores(settings: DemoSettings, huddle: Huddle) -> dict[str, Any]:
    response = httpx.post(f"{settings.address}/v1/scores", json=huddle.request, timeout=60.0)
    if response.status_code != httpx.codes.OK:
        msg = f"demo: scores expected, the service answered {response.status_code}"
        raise DemoFailed(msg)
    answer: dict[str, Any] = response.json()
    return answer


def _fill_store(settings: DemoSettings, huddle: Huddle) -> None:
    """Tell the live store what is known of these inpatients, so that the pages show them."""
    events = [
        {"subject_id": spell["subject_id"], "spell_id": None, **event}
        for spell in huddle.request["spells"]
        for event in spell["events"]
    ]
    for first in range(0, len(events), BATCH):
        batch = {"events": events[first : first + BATCH]}
        response = httpx.post(f"{settings.address}/v1/events", json=batch, timeout=60.0)
        if response.status_code != httpx.codes.OK:
            msg = f"demo: events to be taken expected, the service answered {response.status_code}"
            raise DemoFailed(msg)


def _say_where(settings: DemoSettings, seconds: float) -> None:
    click.echo(
        f"\nFrom nothing to this list in {seconds:.0f} s. The data are synthetic: they show how\n"
        "Homeward works, not how well it predicts (docs/benchmarks.md has real data).\n\n"
        f"  Worklist   {settings.address}/worklist\n"
        f"  Service    {settings.address}\n"
        f"  API        {settings.address}/docs\n"
        "  MLflow     .venv/bin/mlflow ui --backend-store-uri sqlite:///var/mlflow.db  ->  http://127.0.0.1:5000\n"
    )


def _wait() -> None:
    click.echo("The service keeps running here; Ctrl-C stops it.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("\nStopped.")
