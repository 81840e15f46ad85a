"""Trials: chosen out of time, resumed after a kill, the same every time, nested in the run."""

import shutil

import pytest

from feature_store.errors import BadInput
from models.bundle import save_bundle
from models.trial import Ground
from training.config import TrainingConfig
from training.preparation import prepare
from training.recipe import train
from training.split import Part
from training.tracking import Tracker
from training.tuning import study_name, tune


def quiet(_line):
    """Take a line of progress and say nothing."""


@pytest.fixture(scope="module")
def config():
    return TrainingConfig.from_mapping(
        {
            "threads": 1,
            "judging": {"replicates": 20},
            "lightgbm": {"trees": 60, "leaves": [8], "learning_rate": 0.1},
            "tuning": {"trials": 3},
        }
    )


@pytest.fixture(scope="module")
def ground(trained, config):
    _, dataset, _ = trained
    prepared = prepare(dataset, config, quiet)
    material = prepared.materials[Part.TRAIN]
    return Ground.of(
        material.matrix,
        material.snapshots,
        material.outcomes,
        feature_set=prepared.feature_set,
        settings=config.lightgbm,
    )


@pytest.fixture
def tuned(ground, config, store, trained):
    """Tune in a run of its own."""

    def go(*, over=ground, using=config, report=quiet):
        with store.run("tune", kind="training", manifest=trained[1].manifest) as run:
            told = tune(over, using, run=run, store=store.studies, name="s", report=report)
        return told, run

    return go


def test_first_trial_is_the_configuration_itself(tuned, ground, config, store):
    told, run = tuned()
    assert told.notes["trials"] == 3
    children = store.client.search_runs(
        [store.client.get_run(run.run_id).info.experiment_id],
        f"tags.`mlflow.parentRunId` = '{run.run_id}'",
    )
    assert len(children) == 3
    first = next(child for child in children if child.info.run_name == "trial 1")
    plain = ground.loss(config.lightgbm, lambda _trees, _loss: None)
    assert first.data.metrics["log_loss"] == pytest.approx(plain)
    assert float(first.data.params["learning_rate"]) == 0.1
    assert told.notes["best_loss"] <= plain


class Killed(BaseException):
    """Stands for a process that ends without a word."""


def test_killed_study_ends_where_an_unbroken_one_does(tuned, ground, store):
    unbroken, _ = tuned()
    store.studies.unlink()

    class Dying:
        """Ground that gives way in the second trial."""

        asked = 0

        def loss(self, settings, watch):
            self.asked += 1
            if self.asked == 2:
                raise Killed
            return ground.loss(settings, watch)

    with pytest.raises(Killed):
        tuned(over=Dying())
    lines = []
    resumed, _ = tuned(report=lines.append)
    assert resumed.settings == unbroken.settings
    assert resumed.notes == unbroken.notes
    assert [line.split(":")[0] for line in lines] == ["trial 2 of 3", "trial 3 of 3"]
    assert "s left" in lines[0]


def test_more_trials_go_on_and_fewer_look_at_the_first(tuned, config):
    from dataclasses import replace

    three, _ = tuned()
    lines = []
    more = replace(config, tuning=replace(config.tuning, trials=4))
    assert tuned(using=more, report=lines.append)[0].notes["trials"] == 4
    assert len(lines) == 1
    assert tuned()[0].notes == three.notes


def test_study_is_named_after_everything_but_the_number_of_trials(config):
    from dataclasses import replace

    def name(using, data="d", features="f"):
        return study_name(using, data_hash=data, features_hash=features)

    assert name(config) == name(replace(config, tuning=replace(config.tuning, trials=9)))
    assert name(config) != name(replace(config, seed=1))
    assert len({name(config), name(config, data="e"), name(config, features="g")}) == 3


def test_same_data_settings_and_seed_give_the_same_bytes(
    dataset, config, key, tmp_path, empty_store, monkeypatch
):
    bundles = []
    for place in ("one", "two"):
        home = tmp_path / place
        home.mkdir()
        shutil.copyfile(empty_store, home / "mlflow.db")
        monkeypatch.setenv("HOMEWARD_VAR", str(home))
        tracker = Tracker.open(home / "mlruns")
        made = train(dataset, config, tracker=tracker, key=key, report=quiet)
        save_bundle(made.bundle, home / "bundle")
        bundles.append(
            {path.name: path.read_bytes() for path in sorted((home / "bundle").iterdir())}
        )
    assert bundles[0] == bundles[1]
    # The settings that were found stand in the bundle: trained with them it would be the same.
    found = made.bundle.provenance
    assert found["tuning"]["trials"] == 3
    assert TrainingConfig.from_mapping(found["config"]).tuning.trials == 0


def test_space_has_two_ends():
    with pytest.raises(BadInput, match="a lowest and a highest"):
        TrainingConfig.from_mapping({"tuning": {"l2": [5.0]}})
    with pytest.raises(BadInput, match="a lowest and a highest"):
        TrainingConfig.from_mapping({"tuning": {"leaves": [31, 8]}})
