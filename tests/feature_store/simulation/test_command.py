"""``homeward simulate``: what it prints, how it ends, and that it never overwrites."""

import json
from pathlib import Path

import pytest

from feature_store.dataset import open_dataset
from feature_store.simulation import TrustSettings
from homeward.commands.simulate import command
from homeward.shell import run


def test_it_writes_a_dataset_and_says_that_it_is_synthetic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trust"
    assert run(["simulate", "--out", str(out), "--spells", "120", "--sites", "2"]) == 0
    said = capsys.readouterr()
    assert "SYNTHETIC" in said.out
    assert "120 spells" in said.out
    assert said.err == ""  # nobody watches
    assert open_dataset(out).manifest.settings["sites"] == 2


def test_json_is_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "trust"
    when = ["--start", "2026-01-05", "--days", "40", "--seed", "9"]
    assert run(["simulate", "--out", str(out), "--spells", "50", *when, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((out / "manifest.json").read_text())
    assert document["synthetic"] is True
    assert document["start"] == "2026-01-05T00:00:00+00:00"
    assert document["observed_until"] == "2026-02-14T00:00:00+00:00"


@pytest.mark.parametrize("wrong", [["--spells", "0"], ["--sites", "-1"], ["--start", "soon"]])
def test_bad_usage_is_2_and_leaves_nothing(wrong: list[str], tmp_path: Path) -> None:
    assert run(["simulate", "--out", str(tmp_path / "trust"), *wrong]) == 2
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_2_and_stays_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_text("mine")
    assert run(["simulate", "--out", str(tmp_path), "--spells", "50"]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_defaults_are_those_of_the_settings() -> None:
    defaults = {option.name: option.default for option in command.params}
    settings = TrustSettings()
    for name in ("spells", "sites", "seed", "days"):
        assert defaults[name] == getattr(settings, name)
    assert defaults["start"] == settings.start.isoformat()
