"""A service of several workers, with a stand-in for the registry that its models come from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from feature_store.compute import compute_features
from feature_store.dataset import open_dataset
from feature_store.nhs import NHS
from feature_store.outcome import outcomes_of
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from models.bundle import Bundle, save_bundle
from models.fitting import FitSettings, fit
from models.recalibrate import learn_calibration

CHAMPIONS: Final = ("1", "2", "3")
PATIENCE: Final = 120.0


def make_champions(data: Path, folder: Path) -> dict[str, Path]:
    """Small models of one synthetic trust, each with more trees."""
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
    var: Path, database: str, registry: Registry, workers: int, *, log: Path, list_seconds: int = 1
) -> Iterator[str]:
    """Address of a service that is ready; a list is scored again after so many seconds."""
    environment = os.environ | {
        "HOMEWARD_VAR": str(var),
        "HOMEWARD_DATABASE_URL": database,
        "HOMEWARD_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{registry.http.server_port}",
        "HOMEWARD_MODEL_CHECK_SECONDS": "1",
        "HOMEWARD_WORKLIST_SECONDS": str(list_seconds),
        "HOMEWARD_CLOCK": "data",
        "HOMEWARD_ADT_TEST": "yes",
        "HOMEWARD_LOG_LEVEL": "warning",
    }
    words = [sys.executable, "-m", "homeward", "serve", "--port", "0", "--json"]
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*words, "--workers", str(workers)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    told = ""
    while process.stdout is not None and not told.endswith("}\n"):
        told += process.stdout.readline()
    address = json.loads(told)["address"]
    try:
        until(lambda: httpx.get(f"{address}/health/ready").is_success)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    """Look again and again until something holds.

    Raises
    ------
    RuntimeError
        It did not within ``PATIENCE``.
    """
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
