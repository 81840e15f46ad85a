"""The service over HTTP beside the floor (``benchmarks/floor.py``), in one run.

``python -m benchmarks.http``: the server on one core, the load on another, rounds interleaved. The
model is fitted first, on a synthetic trust; everything the service does is on: keyed pseudonyms,
audit, metrics, log (to a file), all reasons computed and the top few told.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import httpx
import numpy as np

from benchmarks.load import Load, press, resident_mib
from benchmarks.report import markdown
from feature_store.clock import to_moment
from feature_store.compute import compute_features
from feature_store.events import NO_TIME, Events
from feature_store.nhs import NHS
from feature_store.outcome import outcomes_of
from feature_store.simulation import TrustSettings, simulate_events
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import find_spells
from models.bundle import Bundle, save_bundle
from models.fitting import FitSettings, fit
from models.recalibrate import learn_calibration

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS: Final = 3
SECONDS: Final = 4.0
CONNECTIONS: Final = 16
MANY: Final = 1000
PORTS: Final = {"floor": 8470, "homeward": 8471}


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float

    def press(self, body: bytes, *, seconds: float, connections: int = CONNECTIONS) -> Load:
        """Press it."""
        return press(
            self.port,
            "/v1/scores",
            body,
            seconds=seconds,
            connections=connections,
            server=self.process.pid,
        )


def main() -> None:
    """Fit, serve, press, print."""
    with tempfile.TemporaryDirectory() as told:
        folder = Path(told)
        events, asked = make_bundle(folder / "bundle")
        one, many = request_of(events, asked, 1), request_of(events, asked, MANY)
        with homeward(folder) as ours:
            answer = httpx.post(
                f"http://127.0.0.1:{ours.port}/v1/scores",
                content=one,
                headers={"Content-Type": "application/json"},
                timeout=60,
            )
            (folder / "answer.json").write_bytes(answer.raise_for_status().content)
            with floor(folder) as low:
                report(ours, low, one, many, len(answer.content))


def report(ours: Server, low: Server, one: bytes, many: bytes, answer_bytes: int) -> None:
    """Press both in turns and print the tables."""
    loads: dict[str, list[Load]] = {"floor": [], "homeward": []}
    for server in (low, ours):
        server.press(one, seconds=1.0)  # warm
    for _ in range(ROUNDS):
        loads["floor"].append(low.press(one, seconds=SECONDS))
        loads["homeward"].append(ours.press(one, seconds=SECONDS))
    events = len(json.loads(one)["spells"][0]["events"])
    print(
        f"One spell a request ({events} events, {len(one):,} bytes in, {answer_bytes:,} out), "
        f"{CONNECTIONS} connections, median of {ROUNDS} rounds of {SECONDS:.0f} s.\n"
    )
    servers = {"floor": low, "homeward": ours}
    floor_cpu = median(load.cpu_ms for load in loads["floor"])
    rows = []
    for name, rounds in loads.items():
        cpu = median(load.cpu_ms for load in rounds)
        rows.append(
            (
                name,
                f"{median(load.per_second for load in rounds):,.0f}",
                f"{cpu:.3f}",
                f"{floor_cpu / cpu:.0%}",
                f"{median(load.latency_ms(0.5) for load in rounds):.1f}",
                f"{median(load.latency_ms(0.99) for load in rounds):.1f}",
                f"{servers[name].ready_seconds:.1f}",
                f"{resident_mib(servers[name].process.pid):.0f}",
            )
        )
    head = ("server", "req/s", "CPU ms/req", "of floor by CPU", "p50 ms", "p99 ms", "ready s")
    print(markdown((*head, "RSS MiB"), rows))
    load = ours.press(many, seconds=5.0, connections=1)
    each = median(load.latencies)
    print(
        f"\n{MANY:,} spells in one request ({len(many) / 2**20:.1f} MiB): {each:.2f} s, "
        f"{MANY / each * 60:,.0f} spells a minute."
    )


# ---- what is served ------------------------------------------------------------------------------


def make_bundle(folder: Path) -> tuple[Events, Snapshots]:
    """Fit on a synthetic trust; give its events and its mornings."""
    settings = TrustSettings(spells=4000, seed=3)
    events, _ = simulate_events(settings)
    spells = find_spells(events)
    asked = daily_snapshots(spells, until=settings.until)
    matrix = compute_features(events, asked, NHS)
    outcomes = outcomes_of(asked, spells, until=settings.until)
    size = FitSettings(leaves=(31,), trees=150, patience=150, threads=1)
    model = fit(matrix, asked, outcomes, feature_set=NHS, settings=size)
    raw = model.predict(matrix, asked.days_so_far)
    model = replace(model, calibration=learn_calibration(raw, outcomes))
    save_bundle(Bundle(model=model), folder)
    print(
        f"Model: {len(NHS)} features, 150 trees of at most 31 leaves for leaving"
        f"{', and half as many for dying' if model.death_trees else ''}.\n"
    )
    return events, asked


def request_of(events: Events, asked: Snapshots, count: int) -> bytes:
    """A request about ``count`` spells on their second morning, all moved to one morning."""
    events = events.in_order()
    rows = np.flatnonzero(asked.days_so_far == 2)
    _, first = np.unique(asked.spell_id[rows], return_index=True)
    rows = rows[first][:MANY]
    known = {row: _known(events, asked, row) for row in rows.tolist()}
    usual = np.median([len(mine) for mine in known.values()])
    chosen = sorted(known, key=lambda row: abs(len(known[row]) - usual))[
        :count
    ]  # a usual one first
    now = int(asked.prediction_time[chosen[0]])
    spells = [
        {
            "spell_id": f"S{place}",
            "subject_id": f"P{place}",
            "events": [
                _event(events, event, now - int(asked.prediction_time[row])) for event in known[row]
            ],
        }
        for place, row in enumerate(chosen)
    ]
    moment = to_moment(now).isoformat()
    return json.dumps({"prediction_time": moment, "spells": spells}).encode()


def _known(events: Events, asked: Snapshots, row: int) -> list[int]:
    subject, now = asked.subject_id[row], asked.prediction_time[row]
    first, end = np.searchsorted(events.subject_id, [subject, subject + 1]).tolist()
    return [event for event in range(first, end) if events.visible_at[event] <= now]


def _event(events: Events, row: int, later: int) -> dict[str, Any]:
    time, recorded = int(events.time[row]), int(events.recorded_at[row])
    value = float(events.numeric_value[row])
    told: dict[str, Any] = {
        "code": events.codes[events.code[row]],
        "time": None if time == NO_TIME else to_moment(time + later).isoformat(),
    }
    if recorded not in {time, NO_TIME}:
        told["recorded_at"] = to_moment(recorded + later).isoformat()
    if not np.isnan(value):
        told["numeric_value"] = round(value, 4)
    return told


# ---- the servers ---------------------------------------------------------------------------------


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


@contextmanager
def _serving(
    words: list[str], environment: dict[str, str], port: int, ready: str, folder: Path
) -> Iterator[Server]:
    began = time.perf_counter()
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own servers
            [sys.executable, *words], env=os.environ | environment, stdout=log, stderr=log
        )
        try:
            _apart(process.pid)
            _wait(process, f"http://127.0.0.1:{port}{ready}")
            yield Server(process, port, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


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


if __name__ == "__main__":
    main()
