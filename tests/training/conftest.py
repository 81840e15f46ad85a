"""A small synthetic trust as a dataset, and one training run on it, shared by the tests."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR, to_moment
from feature_store.dataset import fresh_folder, write_dataset
from feature_store.dataset import open_dataset as open_folder
from feature_store.events import NO_TIME, Events, Held, concatenate
from feature_store.manifest import Clock, Manifest
from feature_store.table import to_table

START = 20_000 * DAY
KEY = b"a secret of thirty-two bytes....."
QUICK = """
threads = 1
[judging]
replicates = 30
[lightgbm]
trees = 40
leaves = [8]
learning_rate = 0.1
"""


def _make_events(
    size=900, *, seed=0, days=500, died=0.05, patients=None, sites=("A", "B"), constant=False
):
    """Spells whose length follows age and a score, with all facts a group or rule may want."""
    generator = np.random.default_rng(seed)
    subject = generator.integers(0, patients or size * 4, size)
    start = START + np.sort(generator.integers(0, days * DAY, size)) // HOUR * HOUR
    age = generator.integers(20, 95, size)
    score = generator.integers(0, 10, size)
    frail = (age - 60) / 25 + (score - 4) / 3
    stay = np.ceil(generator.gamma(1.2, np.exp(1.0 + 0.6 * np.clip(frail, -2, 2)))).astype(int)
    stay = np.full(size, 3) if constant else stay
    end = start + stay * DAY + 6 * HOUR
    # A patient cannot be in twice at once: each spell its own patient unless patients are few.
    rows = []
    for spell in range(size):
        rows += [
            (subject[spell], start[spell], "SPELL_START", np.nan, spell),
            (subject[spell], start[spell], "AGE", age[spell], spell),
            (
                subject[spell],
                start[spell],
                f"ADMISSION_METHOD//{'21' if spell % 3 else '11'}",
                np.nan,
                spell,
            ),
            (subject[spell], start[spell], f"SEX//{1 + spell % 2}", np.nan, spell),
            (subject[spell], start[spell], f"ETHNICITY//{'AAHMD'[spell % 5]}", np.nan, spell),
            (subject[spell], start[spell], "DEPRIVATION_DECILE", 1 + spell % 10, spell),
            (subject[spell], start[spell], f"SITE//{sites[spell % len(sites)]}", np.nan, spell),
            (subject[spell], start[spell] + HOUR, "NEWS2", score[spell], spell),
        ]
        if end[spell] <= START + days * DAY:
            rows.append((subject[spell], end[spell], "SPELL_END", stay[spell], spell))
            if generator.random() < died:
                rows.append((subject[spell], end[spell], "DISCHARGE_METHOD//4", np.nan, spell))
    columns = list(zip(*rows, strict=True))
    return Events.build(
        subject_id=columns[0],
        time=columns[1],
        code=list(columns[2]),
        numeric_value=columns[3],
        spell_id=columns[4],
    ).in_order()


def _write_events(
    folder: Path,
    events,
    *,
    days=500,
    clock=Clock.EXACT,
    synthetic=True,
    shards=2,
    source="test trust",
):
    """An event dataset of these events, in several shards of whole subjects."""
    manifest = Manifest(
        source=source,
        synthetic=synthetic,
        clock=clock,
        start=to_moment(START).isoformat(),
        observed_until=to_moment(START + days * DAY).isoformat(),
    )
    parts = [events.take(events.subject_id % shards == shard) for shard in range(shards)]
    with fresh_folder(folder) as fresh:
        write_dataset(fresh, (to_table(part) for part in parts), manifest)
    return open_folder(folder)


@pytest.fixture(scope="session")
def make_events():
    """Build events of a synthetic trust."""
    return _make_events


@pytest.fixture(scope="session")
def write_events():
    """Write events as a dataset."""
    return _write_events


@pytest.fixture(scope="session")
def corrected():
    """Give every third spell an admission two days too early, put right 30 hours after it."""

    def correct(events):
        starts = events.rows_of("SPELL_START")
        late = starts & (events.spell_id % 3 == 0)
        put_right = events.time + 30 * HOUR
        right = replace(events, recorded_at=np.where(late, put_right, events.recorded_at))
        wrong = events.take(late)
        wrong = replace(wrong, time=wrong.time - 2 * DAY)
        whose = wrong.subject_id
        held = Held(np.full(len(wrong), NO_TIME), put_right[late], whose)
        return concatenate([right, replace(wrong, held=held)]).in_order()

    return correct


@pytest.fixture
def dataset(tmp_path):
    """About 900 spells over 500 days."""
    return _write_events(tmp_path / "trust", _make_events())


@pytest.fixture(scope="session")
def key():
    """A site's secret."""
    return KEY


@pytest.fixture
def quick():
    """A configuration that trains in about a second."""
    from training.config import TrainingConfig

    return TrainingConfig.from_mapping(
        {
            "threads": 1,
            "judging": {"replicates": 30},
            "lightgbm": {"trees": 40, "leaves": [8], "learning_rate": 0.1},
        }
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory, empty_store):
    """One run in a store of its own: (environment folder, dataset, what was trained)."""
    from training.config import TrainingConfig
    from training.recipe import train
    from training.tracking import Tracker

    home = tmp_path_factory.mktemp("trained")
    config = TrainingConfig.from_mapping(
        {
            "threads": 1,
            "judging": {"replicates": 40},
            "lightgbm": {"trees": 60, "leaves": [8], "learning_rate": 0.1},
        }
    )
    data = _write_events(home / "trust", _make_events(2400, seed=3))
    patch = pytest.MonkeyPatch()
    patch.setenv("HOMEWARD_VAR", str(home / "var"))
    (home / "var").mkdir()
    shutil.copyfile(empty_store, home / "var" / "mlflow.db")
    tracker = Tracker.open(home / "var" / "mlruns")
    made = train(data, config, tracker=tracker, key=KEY, report=lambda _line: None)
    patch.undo()
    return home, data, made


@pytest.fixture
def registered(trained, monkeypatch):
    """The shared run's store, for reading: (tracker, home, data, what was trained)."""
    from training.tracking import Tracker

    home, data, made = trained
    monkeypatch.setenv("HOMEWARD_VAR", str(home / "var"))
    return Tracker.open(home / "var" / "mlruns"), home, data, made


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A new MLflow database: making one takes seconds, copying it none."""
    from training.tracking import Tracker

    home = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMEWARD_VAR", str(home))
        Tracker.open(home / "mlruns")
    return home / "mlflow.db"


@pytest.fixture
def store(tmp_path, monkeypatch, empty_store):
    """An MLflow store of its own."""
    from training.tracking import Tracker

    (tmp_path / "var").mkdir()
    shutil.copyfile(empty_store, tmp_path / "var" / "mlflow.db")
    monkeypatch.setenv("HOMEWARD_VAR", str(tmp_path / "var"))
    return Tracker.open(tmp_path / "var" / "mlruns")


@pytest.fixture
def home(tmp_path, monkeypatch, empty_store):
    """A home with an empty MLflow store and, in quick.toml, settings of a quick run."""
    (tmp_path / "var").mkdir()
    shutil.copyfile(empty_store, tmp_path / "var" / "mlflow.db")
    monkeypatch.setenv("HOMEWARD_VAR", str(tmp_path / "var"))
    (tmp_path / "quick.toml").write_text(QUICK)
    return tmp_path
