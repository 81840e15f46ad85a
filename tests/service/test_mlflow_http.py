"""An MLflow server over HTTP: a real one, and one that misbehaves."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from feature_store.errors import BadInput
from service.mlflow_http import HttpRegistry
from service.registry import RegistryAway
from service.supply import open_bundle

URI = "models:/long-stay@champion"
ROOT = Path(__file__).parents[2]
LONG = 90


@pytest.fixture
def registry(tracking, tmp_path):
    """The server as the service asks it."""
    return HttpRegistry(URI, tmp_path / "models", tracking.address)


def test_it_brings_the_bundle_that_the_alias_names(registry, tracking):
    assert asyncio.run(registry.stamp()) == "1"
    fetched = asyncio.run(registry.fetch())
    assert (fetched.name, fetched.version, fetched.alias) == ("long-stay", "1", "champion")
    assert open_bundle(fetched, origin="registry").name.version == "1"
    downloads = len(tracking.asked)
    asyncio.run(registry.fetch())
    assert len(tracking.asked) == downloads + 1  # the version only: the copy is whole


def test_a_copy_that_was_altered_is_fetched_again(registry):
    fetched = asyncio.run(registry.fetch())
    Path(fetched.path, "card.json").write_text("{}")
    open_bundle(asyncio.run(registry.fetch()), origin="registry")


@pytest.mark.parametrize("harm", ["down", "odd"])
def test_a_server_that_does_not_answer_is_away(registry, tracking, harm):
    tracking.harm = harm
    with pytest.raises(RegistryAway, match="MLflow cannot be reached"):
        asyncio.run(registry.stamp())


def test_nobody_there_is_away_and_no_password_is_told(tmp_path):
    registry = HttpRegistry(URI, tmp_path, "http://me:hunter2@127.0.0.1:9")
    with pytest.raises(RegistryAway) as caught:
        asyncio.run(registry.fetch())
    assert "hunter2" not in str(caught.value)


def test_no_alias_is_no_model(registry, tracking):
    tracking.alias = None
    with pytest.raises(BadInput, match="no such registered model"):
        asyncio.run(registry.stamp())


def test_files_elsewhere_are_said_so(registry, tracking):
    tracking.harm = "elsewhere"
    with pytest.raises(BadInput, match="not behind the MLflow server"):
        asyncio.run(registry.fetch())


def test_a_bundle_cut_short_is_not_taken(registry, tracking, tmp_path):
    tracking.harm = "cut"
    with pytest.raises(BadInput, match="altered"):
        asyncio.run(registry.fetch())
    assert not list((tmp_path / "models" / "long-stay" / "1").glob("*"))


def test_another_address_than_a_registered_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match="models:/name@alias"):
        HttpRegistry("runs:/abc", tmp_path, "http://127.0.0.1:9")


def test_credentials_come_from_where_mlflow_keeps_them(tracking, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token")
    asyncio.run(HttpRegistry(URI, tmp_path, tracking.address).stamp())
    assert tracking.asked[-1][1] == "Bearer a-token"


def test_a_service_follows_the_alias_over_http(
    make_client, tracking, bundle_folder, tmp_path, request_body
):
    client = make_client(None, mlflow_tracking_uri=tracking.address, model_check_seconds=1)

    def version_now(expected):
        deadline = time.monotonic() + LONG
        while time.monotonic() < deadline:
            answer = client.post("/v1/scores", json=request_body)
            if answer.status_code == 200 and answer.json()["model"]["version"] == expected:
                return answer.json()["model"]
            time.sleep(0.05)
        raise AssertionError("not served in time")

    assert version_now("1")["alias"] == "champion"
    tracking.versions["2"] = shutil.copytree(bundle_folder, tmp_path / "second")
    tracking.alias = "2"
    version_now("2")


# ---- a real one ----------------------------------------------------------------------------------


def free_port():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def mlflow(tmp_path):
    """An MLflow server started by the command of compose.yaml, with other places and a port."""
    port = free_port()
    here = {
        "--host": "127.0.0.1",
        "--port": port,
        "--backend-store-uri": f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination": tmp_path / "artifacts",
    }
    told = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["mlflow"]
    assert told["entrypoint"] == ["python", "-m", "mlflow"]
    arguments = []
    for word in told["command"]:
        name, _, value = word.partition("=")
        arguments.append(f"{name}={here.get(name, value)}" if value else word)
    arguments[-1] += f",127.0.0.1:{port}"  # the allowed hosts
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *arguments],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    yield address
    os.killpg(process.pid, 15)
    process.wait(LONG)


def test_a_real_server_is_understood(mlflow, bundle_folder, tmp_path):
    """Registered over the same interface, without the seconds that MLflow's client takes."""
    api = f"{mlflow}/api/2.0"

    def post(what, **content):
        return httpx.post(f"{api}/mlflow/{what}", json=content).raise_for_status().json()

    logged = post("logged-models", experiment_id="0", name="model")["model"]["info"]
    home = logged["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for file in bundle_folder.iterdir():
        where = f"{api}/mlflow-artifacts/artifacts/{home}/artifacts/bundle/{file.name}"
        httpx.put(where, content=file.read_bytes()).raise_for_status()
    post("registered-models/create", name="long-stay")
    number = logged["model_id"]
    post("model-versions/create", name="long-stay", source=f"models:/{number}", model_id=number)
    post("registered-models/alias", name="long-stay", alias="champion", version="1")
    for name, status in (("mlflow:5000", 200), ("evil.example", 403)):
        asked = httpx.get(f"{api}/mlflow/registered-models/search", headers={"Host": name})
        assert asked.status_code == status
    registry = HttpRegistry(URI, tmp_path / "models", mlflow)
    assert asyncio.run(registry.stamp()) == "1"
    fetched = asyncio.run(registry.fetch())
    assert open_bundle(fetched, origin="registry").name.version == "1"
    nobody = HttpRegistry("models:/long-stay@nobody", tmp_path / "models", mlflow)
    with pytest.raises(BadInput, match="no such registered model"):
        asyncio.run(nobody.stamp())
