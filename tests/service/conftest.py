"""A tiny real model, services made of it or of a fake one, and what stands around them."""

import copy
import json
import socket
import threading
from contextlib import closing, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from sqlalchemy.engine import make_url
from starlette.testclient import TestClient

from feature_store.compute import compute_features
from feature_store.nhs import NHS
from feature_store.outcome import outcomes_of
from feature_store.simulation import TrustSettings, simulate_events
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from models.bundle import Bundle, save_bundle
from models.fitting import FitSettings, fit
from models.forecast import Band, Direction, DischargeRange, Forecast, Reason
from models.recalibrate import learn_calibration
from service.answering import ServedModel
from service.app import create_app
from service.settings import Settings
from service.supply import Fetched, open_bundle
from service.wire import ModelName

REQUEST = {
    "prediction_time": "2026-01-14T06:00:00Z",
    "spells": [
        {
            "spell_id": "S456",
            "subject_id": "P123",
            "events": [
                {"code": "SPELL_START", "time": "2026-01-12T21:40:00Z"},
                {"code": "ADMISSION_METHOD//21", "time": "2026-01-12T21:40:00Z"},
                {"code": "AGE", "time": "2026-01-12T21:40:00Z", "numeric_value": 84},
                {"code": "SEX//2", "time": None},
                {
                    "code": "NEWS2",
                    "time": "2026-01-14T05:10:00Z",
                    "recorded_at": "2026-01-14T05:20:00Z",
                    "numeric_value": 6,
                },
            ],
        }
    ],
}


@pytest.fixture
def request_body():
    """A good request of one spell, to be altered at will."""
    return copy.deepcopy(REQUEST)


@pytest.fixture
def the_spell(request_body):
    """The spell of ``request_body``."""
    return request_body["spells"][0]


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory):
    """A model of 20 trees, fitted and calibrated on a small synthetic trust."""
    settings = TrustSettings(spells=1200, seed=3)
    events, _ = simulate_events(settings)
    spells = find_spells(events)
    asked = daily_snapshots(spells, until=settings.until)
    matrix = compute_features(events, asked, NHS)
    outcomes = outcomes_of(asked, spells, until=settings.until)
    small = FitSettings(leaves=(8,), trees=20, threads=1)
    model = fit(matrix, asked, outcomes, feature_set=NHS, settings=small)
    model = replace(
        model, calibration=learn_calibration(model.predict(matrix, asked.days_so_far), outcomes)
    )
    folder = tmp_path_factory.mktemp("models") / "bundle"
    save_bundle(Bundle(model=model, card={"purpose": "test"}), folder)
    return folder


@pytest.fixture(scope="session")
def real_model(bundle_folder):
    """The tiny model, loaded as the service loads it."""
    return open_bundle(Fetched(str(bundle_folder), "long-stay", "1", "champion"), origin="folder")


@pytest.fixture
def settings(tmp_path):
    """Settings that write nowhere else."""
    return Settings(var=tmp_path / "var")


@pytest.fixture
def make_client(settings):
    """Return a function that makes a client of a service, its background tasks running."""
    opened = []

    def make(model, audit=None, **changed):
        app = create_app(replace(settings, **changed), model=model, audit=audit)
        client = TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000))
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client, real_model):
    """A client of a service with the tiny model."""
    return make_client(real_model)


def fake_forecast(days_so_far):
    return Forecast(
        days_so_far=int(days_so_far),
        probability={7: 0.75, 14: 0.5, 21: None},
        band=Band.HIGH,
        discharge_day=DischargeRange(p10=4, p50=9, p90=None),
        probability_of_death_in_hospital=0.125,
        reasons=(
            Reason(
                feature="age",
                label="Age",
                value="84 years",
                effect=0.5,
                direction=Direction.LONGER,
                kind="person",
                actionable=False,
                action=None,
            ),
        ),
        base_value=-1.0,
        log_odds=-0.5,
        missing=("CFS",),
        completeness=0.5,
        features=np.array([84.0, np.nan]).tobytes(),
    )


@pytest.fixture
def fake_model():
    """A model that says the same of everybody and remembers what it was asked."""

    class Fake:
        def __init__(self):
            self.asked = []

        def __call__(self, events, snapshots, *, reasons):
            self.asked.append((events, snapshots, reasons))
            return [fake_forecast(days) for days in snapshots.days_so_far]

    return ServedModel(
        name=ModelName("long-stay", "7", "champion"), score=Fake(), feature_set_hash="f" * 64
    )


# ---- what stands around a service ----------------------------------------------------------------


class Wire:
    """A TCP connection to a database that can be cut, held still and mended."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = []
        self._deaf = set()
        self._flows = threading.Event()
        self._flows.set()
        self._cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._cut:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, sink):
        with suppress(OSError):
            while piece := source.recv(65536):
                self._flows.wait()
                if source not in self._deaf:
                    sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def cut(self):
        self._cut = True
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()
        self._flows.set()

    def hold(self):
        self._flows.clear()

    def swallow(self):
        """Connections that are open take what is sent and say nothing; new ones are good."""
        self._deaf |= set(self._open)

    def mend(self):
        self._cut = False
        self._flows.set()

    def close(self):
        self.cut()
        self._listener.close()


@pytest.fixture
def wire(postgres_url):
    """A wire to the test's own PostgreSQL database, and the address through it."""
    url = make_url(postgres_url)
    with closing(Wire(url.host, url.port or 5432)) as made:
        made.url = url.set(host="127.0.0.1", port=made.port).render_as_string(hide_password=False)
        yield made


class Tracking:
    """As much of MLflow's interface as is asked, over folders of bundles by version."""

    def __init__(self):
        self.versions, self.alias, self.harm, self.asked = {}, None, "", []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, content = server.answer(urlsplit(self.path), self.headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, url, headers):  # noqa: PLR0911 - one for each way to misbehave
        self.asked.append((url.path, headers.get("Authorization")))
        path, query = url.path, parse_qs(url.query)
        if self.harm == "down":
            return 503, b"{}"
        if self.harm == "odd":
            return 200, b"<html>"
        if path.endswith("registered-models/alias"):
            if self.alias is None:
                return 400, b'{"error_code": "INVALID_PARAMETER_VALUE"}'
            return 200, json.dumps({"model_version": {"version": self.alias}}).encode()
        if path.endswith("get-download-uri"):
            scheme = "s3" if self.harm == "elsewhere" else "mlflow-artifacts"
            return 200, json.dumps(
                {"artifact_uri": f"{scheme}:/0/models/{query['version'][0]}/artifacts"}
            ).encode()
        _, _, rest = path.partition("/mlflow-artifacts/artifacts/0/models/")
        version, _, name = unquote(rest).partition("/artifacts/artifacts/bundle/")
        content = (self.versions[version] / name).read_bytes()
        return 200, content[:-1] if self.harm == "cut" and name == "exits.txt" else content


@pytest.fixture
def tracking(bundle_folder):
    """A tracking server with the tiny model as version 1."""
    server = Tracking()
    server.versions["1"], server.alias = bundle_folder, "1"
    yield server
    server.http.shutdown()
    server.http.server_close()
