"""A tiny real model, and services made of it or of a fake one."""

import copy
from dataclasses import replace

import numpy as np
import pytest
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
