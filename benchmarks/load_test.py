"""``python -m benchmarks.load_test``: a day of a trust, a thousand times as fast, and no error.

A synthetic trust is replayed to ``homeward serve`` with several workers while hubs poll the
worklist and others send spells; twice the champion is replaced. Every score that was answered is
then looked up on the record and computed again offline, by the model it names, to the last bit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from feature_store.compute import compute_features
from feature_store.dataset import open_dataset
from feature_store.nhs import NHS
from feature_store.outcome import outcomes_of
from feature_store.simulation import TrustSettings, simulate
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from homeward.replaying import Stage, play, read_story
from models.bundle import Bundle, load_bundle, save_bundle
from models.fitting import FitSettings, fit
from models.recalibrate import learn_calibration
from service.openapi import EXAMPLE_REQUEST
from service.record import Record
from service.record.replay import replay
from service.record.verification import verify

CHAMPIONS: Final = ("1", "2", "3")
PATIENCE: Final = 120.0
_DAY: Final = 86_400


@dataclass(slots=True)
class Heard:
    """What callers heard.

    Parameters
    ----------
    statuses : Counter of (path, status)
    scores : dict of str to dict
        Answered scores by their identifier.
    torn : int
        Scores that were answered twice under one identifier, differently.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    torn: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, path: str, answer: httpx.Response) -> None:
        """Take in one answer."""
        told = answer.json() if answer.status_code == httpx.codes.OK else {}
        found = [one["score"] for one in told.get("entries", ())] + told.get("scores", [])
        with self.lock:
            self.statuses[path, answer.status_code] += 1
            for score in found:
                self.torn += self.scores.setdefault(score["score_id"], score) != score


# ---- what stands around the service --------------------------------------------------------------


def make_champions(data: Path, folder: Path) -> dict[str, Path]:
    """Three small models of one synthetic trust, each with more trees."""
    dataset = open_dataset(data)
    events, until = dataset.read(), dataset.manifest.until
    spells = find_spells(events)
    asked = daily_snapshots(spells, until=until)
    matrix, outcomes = compute_features(events, asked, NHS), outcomes_of(asked, spells, until=until)
    made = {}
    for version in CHAMPIONS:
        small = FitSettings(leaves=(8,), trees=10 * int(version), threads=1)
        model = fit(matrix, asked, outcomes, feature_set=NHS, settings=small)
        learnt = learn_calibration(model.predict(matrix, asked.days_so_far), outcomes)
        made[version] = folder / version
        card = {"purpose": "load test, synthetic"}
        save_bundle(Bundle(model=replace(model, calibration=learnt), card=card), made[version])
    return made


class Registry:
    """As much of MLflow's REST interface as the service asks, over folders of bundles."""

    def __init__(self, versions: dict[str, Path]) -> None:
        self.alias = CHAMPIONS[0]
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = registry.answer(self.path)
                self.send_response(httpx.codes.OK)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._versions = versions
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, target: str) -> bytes:
        """Answer a question."""
        url = urlsplit(target)
        if url.path.endswith("registered-models/alias"):
            return json.dumps({"model_version": {"version": self.alias}}).encode()
        if url.path.endswith("get-download-uri"):
            (version,) = parse_qs(url.query)["version"]
            return json.dumps({"artifact_uri": f"mlflow-artifacts:/{version}/x"}).encode()
        version, _, name = unquote(url.path.partition("/artifacts/")[2]).partition(
            "/x/artifacts/bundle/"
        )
        return (self._versions[version] / name).read_bytes()


@contextmanager
def served(
    var: Path, database: str, registry: Registry, workers: int, *, list_seconds: int = 1
) -> Iterator[str]:
    """Address of a service that is ready; a list is scored again after so many seconds."""
    environment = os.environ | {
        "HOMEWARD_VAR": str(var),
        "HOMEWARD_DATABASE_URL": database,
        "HOMEWARD_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{registry.http.server_port}",
        "HOMEWARD_MODEL_CHECK_SECONDS": "1",
        "HOMEWARD_WORKLIST_SECONDS": str(list_seconds),
        "HOMEWARD_CLOCK": "data",
        "HOMEWARD_LOG_LEVEL": "warning",
    }
    words = [sys.executable, "-m", "homeward", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*words, "--workers", str(workers)], env=environment, stdout=subprocess.PIPE, text=True
    )
    told = ""
    while process.stdout is not None and not told.endswith("}\n"):
        told += process.stdout.readline()
    address = json.loads(told)["address"]
    try:
        # Every worker loads the model by itself, and who takes a connection is chance.
        ready = f"{address}/health/ready"
        _until(lambda: all(httpx.get(ready).is_success for _ in range(8 * workers)))
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    msg = f"the service was not ready within {PATIENCE:.0f} seconds"
    raise RuntimeError(msg)


# ---- the day -------------------------------------------------------------------------------------


def live_through(address: str, data: Path, registry: Registry, *, days: int, speed: float) -> Heard:
    """Replay days of a trust while callers ask and the champion is replaced twice."""
    heard, over = Heard(), threading.Event()
    client = httpx.Client(base_url=address, timeout=PATIENCE)
    story = read_story(data, start=None, days=days, now=time.time_ns() // 1000)

    def post(batch: Any) -> None:
        heard.note("/v1/events", client.post("/v1/events", json={"events": list(batch)}))

    def asking(path: str, body: Any, pause: float) -> None:
        with httpx.Client(base_url=address, timeout=PATIENCE) as mine:
            while not over.wait(pause):
                heard.note(path, mine.post(path, json=body) if body else mine.get(path))

    def replacing() -> None:
        for version in CHAMPIONS[1:]:
            over.wait(days * _DAY / speed / len(CHAMPIONS))
            registry.alias = version

    hubs: list[Callable[[], None]] = [partial(asking, "/v1/worklist", None, 0.2)] * 2
    senders: list[Callable[[], None]] = [partial(asking, "/v1/scores", EXAMPLE_REQUEST, 0.01)] * 2
    threads = [threading.Thread(target=work) for work in (*hubs, *senders, replacing)]
    for thread in threads:
        thread.start()
    stage = Stage(post=post, seconds=time.monotonic, sleep=time.sleep, told=lambda _line: None)
    try:
        play(story, stage, speed=speed)
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
        client.close()
    return heard


def disproved(
    database: str, heard: Heard, champions: dict[str, Path]
) -> tuple[list[str], set[str | None]]:
    """Scores not on the record, or not what their model says; and the models that spoke."""
    bundles = {version: load_bundle(folder) for version, folder in champions.items()}
    faults: list[str] = []
    models: set[str | None] = set()
    with closing(Record(database)) as record:
        faults += verify(record.engine).faults
        for score_id, told in heard.scores.items():
            row = record.score(score_id)
            if row is None:
                faults.append(f"{score_id}: answered and not on the record")
                continue
            models.add(row.model_version)
            chances = [row.probability_7, row.probability_14, row.probability_21]
            if list(told["probability"].values()) != chances or told["log_odds"] != row.log_odds:
                faults.append(f"{score_id}: answered otherwise than recorded")
            differing = replay(row, bundles[row.model_version or ""]).differing
            faults += [f"{score_id}: {name} computed otherwise" for name in differing]
    return faults, models


def run(folder: Path, database: str, *, days: int, speed: float, workers: int) -> dict[str, Any]:
    """Live through it and return the figures; ``faults`` is empty if all is well."""
    data = folder / "trust"
    simulate(TrustSettings(spells=600, days=60, seed=11), data)
    champions = make_champions(data, folder)
    registry = Registry(champions)
    with registry.http, served(folder / "var", database, registry, workers) as address:
        began = time.monotonic()
        heard = live_through(address, data, registry, days=days, speed=speed)
        took = time.monotonic() - began
        _until(lambda: httpx.get(f"{address}/v1/model").json()["version"] == CHAMPIONS[-1])
        registry.http.shutdown()
    faults, models = disproved(database, heard, champions)
    faults += [f"{path}: {code}" for path, code in heard.statuses if code != httpx.codes.OK]
    faults += ["one identifier, two answers"] * bool(heard.torn)
    return {
        "seconds": round(took, 1),
        "workers": workers,
        "requests": {path: number for (path, _), number in sorted(heard.statuses.items())},
        "scores": len(heard.scores),
        "models": sorted(models),
        "faults": faults,
    }


def main() -> int:
    """Run it; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2, help="of the trust (2)")
    parser.add_argument("--speed", type=float, default=1000.0, help="times as fast (1000)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", help="address; default: a SQLite file that goes afterwards")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="homeward-load-") as folder:
        database = chosen.database or f"sqlite:///{folder}/homeward.db"
        told = run(
            Path(folder), database, days=chosen.days, speed=chosen.speed, workers=chosen.workers
        )
    print(json.dumps(told, indent=2))
    return 1 if told["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
