"""One frozen configuration: what is unknown, misspelt or of another type stops the run."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from feature_store.errors import BadInput
from training.config import Features, SplitSettings, TrainingConfig

DEFAULT = Path(__file__).parents[2] / "configs" / "default.toml"


def read(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return TrainingConfig.read(path)


def keys_of(raw, prefix=""):
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from keys_of(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_committed_file_is_the_defaults_and_names_every_key():
    import tomllib

    raw = tomllib.loads(DEFAULT.read_text())
    assert TrainingConfig.read(DEFAULT) == TrainingConfig()
    assert set(keys_of(raw)) == set(keys_of(TrainingConfig().to_mapping()))


def test_a_file_needs_only_what_it_changes(tmp_path):
    config = read(tmp_path, 'seed = 3\nfeatures = "nhs"\n[split]\ntrain = 0.5\ntest = 0.35\n')
    assert (config.seed, config.features, config.split.calibration) == (3, Features.NHS, 0.15)
    assert config.lightgbm.seed == 3


def test_the_least_size_of_the_split_is_that_of_the_trees(tmp_path):
    config = read(tmp_path, "[split]\nleast_spells = 30\n")
    assert config.lightgbm.least_spells == 30
    assert TrainingConfig.from_mapping(config.to_mapping()) == config
    with pytest.raises(BadInput, match=r"least_spells belongs to \[split\]"):
        read(tmp_path, "[lightgbm]\nleast_spells = 30\n")


def test_mapping_goes_there_and_back():
    config = TrainingConfig(seed=9, split=SplitSettings(train=0.5, calibration=0.2, test=0.3))
    again = TrainingConfig.from_mapping(config.to_mapping())
    assert again == config
    assert again.hash == config.hash != TrainingConfig().hash


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        TrainingConfig().seed = 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sede = 1", "unknown key 'sede'; did you mean 'seed'"),
        ("[split]\ntran = 0.5", "split: unknown key 'tran'; did you mean 'train'"),
        ("[lightgbm]\nzzz = 1", "known are"),
        ("[lightgbm]\nseed = 1", "seed belongs to the top"),
        ('seed = "1"', "int expected, got str"),
        ("seed = true", "int expected, got bool"),
        ("threads = 0", "threads of 1"),
        ("features = 'all'", "one of nhs"),
        ("split = 3", "a table of settings expected"),
        ("[split]\ntrain = 0.9", "summing to 1"),
        ("[judging]\nreplicates = 1", "replicates of 20 or more"),
        ("[lightgbm]\nleaves = []", "a list with at least one int"),
        ("[lightgbm]\nleaves = ['8']", "int expected, got str"),
        ("seed = ", "TOML expected"),
    ],
)
def test_what_cannot_be_meant_stops_the_run(tmp_path, text, says):
    with pytest.raises(BadInput, match=says):
        read(tmp_path, text)


def test_missing_file_is_named_without_its_folder(tmp_path):
    with pytest.raises(BadInput, match=r"^no\.toml: a readable TOML file") as caught:
        TrainingConfig.read(tmp_path / "no.toml")
    assert str(tmp_path) not in str(caught.value)


def test_whole_numbers_are_fine_for_shares(tmp_path):
    assert read(tmp_path, "[lightgbm]\nl2 = 5").lightgbm.l2 == 5.0
