"""A synthetic trust and a model of it, made once a session: seconds, not minutes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from feature_store.automatic import derive_features
from feature_store.compute import compute_features
from feature_store.definitions import FeatureSet
from feature_store.events import Events
from feature_store.nhs import NHS
from feature_store.outcome import Outcomes, outcomes_of
from feature_store.simulation import TrustSettings, simulate_events
from feature_store.snapshots import Snapshots, daily_snapshots
from feature_store.spells import find_spells
from models.bundle import Bundle
from models.fitting import FitSettings, fit
from models.recalibrate import learn_calibration
from models.scope import ScopeRules
from models.stay import StayModel

TRUST = TrustSettings(spells=3000, sites=2, seed=11, days=200)

SMALL = FitSettings(trees=40, leaves=(8,), patience=10, threads=1)


@dataclass(frozen=True)
class Site:
    """Questions to a synthetic trust, with their features and answers."""

    events: Events
    snapshots: Snapshots
    outcomes: Outcomes
    feature_set: FeatureSet
    matrix: np.ndarray

    def take(self, rows):
        """Return the same site with fewer questions."""
        return replace(
            self,
            snapshots=self.snapshots.take(rows),
            outcomes=self.outcomes.take(rows),
            matrix=self.matrix[rows],
        )

    @property
    def days(self):
        return self.snapshots.days_so_far


@pytest.fixture(scope="session")
def small():
    """Return settings that fit in a second."""
    return SMALL


@pytest.fixture(scope="session")
def site() -> Site:
    """Adults of the trust, in scope: each question and what became of it."""
    events, _ = simulate_events(TRUST)
    spells = find_spells(events)
    asked = daily_snapshots(spells, until=TRUST.until)
    refusals = ScopeRules().out_of_scope(events, asked)
    asked = asked.take(np.array([refusal is None for refusal in refusals]))
    feature_set = derive_features(events, asked, described=NHS)
    return Site(
        events=events,
        snapshots=asked,
        outcomes=outcomes_of(asked, spells, until=TRUST.until),
        feature_set=feature_set,
        matrix=compute_features(events, asked, feature_set),
    )


@pytest.fixture(scope="session")
def training(site) -> Site:
    """Two patients of three."""
    return site.take(site.snapshots.subject_id % 3 > 0)


@pytest.fixture(scope="session")
def unseen(site) -> Site:
    """The third."""
    return site.take(site.snapshots.subject_id % 3 == 0)


@pytest.fixture(scope="session")
def raw_model(training) -> StayModel:
    """Trees alone."""
    return fit(
        training.matrix,
        training.snapshots,
        training.outcomes,
        feature_set=training.feature_set,
        settings=SMALL,
    )


@pytest.fixture(scope="session")
def model(raw_model, unseen) -> StayModel:
    """Trees, calibrated on patients they never saw."""
    raw = raw_model.predict_raw(unseen.matrix, unseen.days)
    return replace(raw_model, calibration=learn_calibration(raw, unseen.outcomes))


@pytest.fixture(scope="session")
def bundle(model) -> Bundle:
    """All of it, ready to be saved."""
    return Bundle(
        model=model,
        card={"intended": "a test"},
        evaluation={"auroc_7": 0.75},
        provenance={"synthetic": True, "seed": TRUST.seed},
    )
