"""A bundle comes whole and checked, or not at all."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from feature_store.errors import BadInput
from models.registry import MODEL_NAME, Registered, fetch, fetch_registered, main, tracking_uri


class FakeRegistry:
    """Version 3 of long-stay, whose files are a folder here."""

    def __init__(self, folder):
        self.folder, self.downloads = folder, 0

    def connect(self):
        return self

    def get_model_version_by_alias(self, name, alias):
        return self.get_model_version(name, {"champion": "3"}[alias])

    def get_model_version(self, name, version):
        if (name, version) != (MODEL_NAME, "3"):
            raise LookupError
        return type("Version", (), {"version": 3, "run_id": "run", "tags": {}})

    def download(self, _source, home):
        import shutil

        self.downloads += 1
        shutil.copytree(self.folder, home / "bundle")


@pytest.fixture
def registry(monkeypatch, saved_bundle):
    fake = FakeRegistry(saved_bundle)
    monkeypatch.setattr("models.registry.connect", fake.connect)
    monkeypatch.setattr("models.registry._download", fake.download)
    return fake


@pytest.fixture
def saved_bundle(tmp_path, bundle):
    from models.bundle import save_bundle

    save_bundle(bundle, tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("uri", ["models:/long-stay@champion", "models:/long-stay/3"])
def test_version_is_kept_under_its_name_and_number(tmp_path, uri):
    folder = fetch(uri, tmp_path / "cache")
    assert folder == (tmp_path / "cache" / "long-stay" / "3" / "bundle").absolute()
    note = json.loads((folder.parent / "registered.json").read_text())
    assert (note["name"], note["version"], note["uri"]) == ("long-stay", "3", uri)
    assert note["alias"] == ("champion" if "@" in uri else None)


def test_whole_copy_is_not_fetched_again_and_an_altered_one_is(registry, tmp_path):
    folder = fetch("models:/long-stay/3", tmp_path / "cache")
    fetch("models:/long-stay/3", tmp_path / "cache")
    assert registry.downloads == 1
    (folder / "card.json").write_text("{}")
    fetch("models:/long-stay/3", tmp_path / "cache")
    assert registry.downloads == 2


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    "uri", ["models:/other@champion", "models:/long-stay/9", "models:/long-stay@none"]
)
def test_what_is_not_registered_is_said_so(tmp_path, uri):
    with pytest.raises(BadInput, match="no such registered model"):
        fetch(uri, tmp_path)


@pytest.mark.parametrize(
    "uri", ["nowhere", "https://example.org/model", "models:/", "s3://bucket/x"]
)
def test_other_addresses_are_refused(tmp_path, uri):
    with pytest.raises(BadInput, match="a folder expected"):
        fetch(uri, tmp_path)


def test_folder_is_checked_and_used_where_it_is(saved_bundle, tmp_path):
    told = fetch_registered(str(saved_bundle), tmp_path / "cache")
    assert told.path == str(saved_bundle)
    assert told.version == "local"
    assert not (tmp_path / "cache").exists()
    text = (saved_bundle / "exits.txt").read_text()
    (saved_bundle / "exits.txt").write_text(text.replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(BadInput, match=r"altered|checksum"):
        fetch(str(saved_bundle), tmp_path / "cache")


@pytest.mark.usefixtures("registry")
def test_version_that_would_leave_the_cache_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        FakeRegistry,
        "get_model_version",
        lambda *_args: type("Version", (), {"version": "..", "run_id": None, "tags": {}}),
    )
    with pytest.raises(BadInput, match="a plain name and version"):
        fetch("models:/long-stay/3", tmp_path / "cache")


def test_command_prints_one_json_object(saved_bundle, tmp_path, capsys):
    assert main(["fetch", str(saved_bundle), str(tmp_path)]) == 0
    printed = Registered(**json.loads(capsys.readouterr().out))
    assert asdict(printed)["path"] == str(saved_bundle)


@pytest.mark.parametrize("arguments", [[], ["fetch"], ["get", "a", "b"]])
def test_command_used_wrongly_says_how(arguments, capsys):
    assert main(arguments) == 2
    assert "usage" in capsys.readouterr().err


def test_command_fails_in_one_line(tmp_path, capsys):
    assert main(["fetch", "nowhere", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_needs_no_mlflow(saved_bundle, tmp_path):
    code = (
        "import sys\nfrom models.registry import main\n"
        f"main(['fetch', {str(saved_bundle)!r}, {str(tmp_path)!r}])\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_tracking_store_follows_the_settings(monkeypatch):
    monkeypatch.delenv("HOMEWARD_MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("HOMEWARD_VAR", "/somewhere")
    assert tracking_uri() == "sqlite:////somewhere/mlflow.db"
    monkeypatch.setenv("HOMEWARD_MLFLOW_TRACKING_URI", "http://mlflow")
    assert tracking_uri() == "http://mlflow"
