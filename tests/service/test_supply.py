"""Where the model comes from, and what happens when it does not come."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from feature_store.errors import BadInput
from models.bundle import load_bundle, save_bundle
from models.golden import make_golden
from service import registry as registry_module
from service import supply
from service.app import create_app
from service.registry import Fetched, HelperRegistry, RegistryAway, fetch
from service.supply import Noted, Order, Shelf, Supply, open_bundle

URI = "models:/long-stay@champion"


@pytest.fixture
def arrivals():
    """The models put on the shelf, in order."""
    return []


@pytest.fixture
def supplied(settings, arrivals, registry):
    """A shelf and what keeps it filled from the registry."""
    shelf = Shelf()
    order = Order(uri=URI, cache=settings.var / "models", every=0.01)

    def looked(seen):
        if seen.model and seen.model not in arrivals:
            arrivals.append(seen.model)

    return shelf, Supply(order, registry(), shelf, looked)


@pytest.fixture
def registry(monkeypatch, bundle_folder):
    """A registry that answers what is put into it, and remembers how often it was asked."""

    class Registry:
        answer = Fetched(str(bundle_folder), "long-stay", "4", "champion")
        asked = fetched = 0
        asked_again = asyncio.Event()

        def __init__(self, *_arguments):
            pass

        async def stamp(self):
            Registry.asked += 1
            if Registry.asked > 2:
                Registry.asked_again.set()
            if isinstance(Registry.answer, Exception):
                raise Registry.answer
            return Registry.answer.version

        async def fetch(self):
            Registry.fetched += 1
            return Registry.answer

    monkeypatch.setattr(supply, "HelperRegistry", Registry)
    monkeypatch.setattr(supply, "RETRY_SECONDS", (0.01,))
    return Registry


def note(settings, fetched, uri=URI):
    folder = settings.var / "models"
    folder.mkdir(parents=True)
    (folder / "last-good.json").write_bytes(msgspec.json.encode(Noted(uri, fetched)))


def test_nothing_here_and_a_registry_that_answers(supplied, registry, settings, arrivals):
    shelf, keeper = supplied
    keeper.start()
    assert shelf.model is None
    assert asyncio.run(keeper.look())
    assert shelf.model.name.version == "4"
    assert shelf.model.origin == "registry"
    assert arrivals == [shelf.model]
    noted = msgspec.json.decode((settings.var / "models/last-good.json").read_bytes(), type=Noted)
    assert noted == Noted(URI, registry.answer)


def test_a_local_copy_serves_at_once_and_goes_on_while_the_registry_is_away(
    supplied, registry, settings, bundle_folder
):
    shelf, keeper = supplied
    note(settings, Fetched(str(bundle_folder), "long-stay", "3", "champion"))
    keeper.start()
    assert (shelf.model.name.version, shelf.model.origin) == ("3", "local copy")
    registry.answer = RegistryAway("MLflow cannot be reached (ConnectionError)")

    async def story():
        asking = asyncio.create_task(keeper.run())
        await registry.asked_again.wait()
        assert shelf.trouble == "MLflow cannot be reached (ConnectionError)"
        assert shelf.model.name.version == "3"
        registry.answer = Fetched(str(bundle_folder), "long-stay", "4", "champion")
        while shelf.trouble:  # noqa: ASYNC110 - nothing to wait upon
            await asyncio.sleep(0.001)
        asking.cancel()

    asyncio.run(story())
    assert (shelf.model.name.version, shelf.trouble) == ("4", "")


@pytest.mark.parametrize(
    "harm", ["altered", "cut short", "nested", "gone", "another address", "no note"]
)
def test_a_local_copy_that_is_not_sound_is_not_served(
    supplied, settings, bundle_folder, tmp_path, harm
):
    shelf, keeper = supplied
    copy = shutil.copytree(bundle_folder, tmp_path / "copy")
    note(
        settings,
        Fetched(str(copy), "n"),
        uri="models:/else@a" if harm == "another address" else URI,
    )
    trees = copy / "exits.txt"
    if harm == "altered":
        trees.write_text(trees.read_text().replace("leaf_value=", "leaf_value=0", 1))
    elif harm == "cut short":
        (copy / "manifest.json").write_text("{")
    elif harm == "nested":
        (copy / "manifest.json").write_text("[" * 100_000)
    elif harm == "gone":
        shutil.rmtree(copy)
    elif harm == "no note":
        (settings.var / "models/last-good.json").write_text("?")
    keeper.start()
    assert shelf.model is None


def test_whatever_the_registry_does_it_is_asked_again(supplied, registry, arrivals):
    good, registry.answer = registry.answer, RuntimeError("Smith")
    shelf, keeper = supplied

    async def story():
        registry.asked_again.clear()
        asking = asyncio.create_task(keeper.run())
        await registry.asked_again.wait()
        assert shelf.trouble == "RuntimeError"
        registry.answer = good
        while shelf.trouble:  # noqa: ASYNC110 - nothing to wait upon
            await asyncio.sleep(0.001)
        asking.cancel()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert [model.name.version for model in arrivals] == ["4"]


def test_a_bad_bundle_from_the_registry_leaves_the_last_good_one(
    supplied, registry, settings, bundle_folder, tmp_path
):
    shelf, keeper = supplied
    note(settings, Fetched(str(bundle_folder), "long-stay", "3"))
    keeper.start()
    bad = shutil.copytree(bundle_folder, tmp_path / "bad")
    (bad / "features.json").write_text("[]")
    registry.answer = Fetched(str(bad), "long-stay", "4")
    assert asyncio.run(keeper.look())
    assert "features" in shelf.refused
    assert shelf.model.name.version == "3"


def test_what_the_alias_names_next_is_served_without_a_restart(
    supplied, registry, bundle_folder, tmp_path
):
    shelf, keeper = supplied
    asyncio.run(keeper.look())
    asyncio.run(keeper.look())
    assert registry.fetched == 1  # the same version: asked about, not fetched
    other = shutil.copytree(bundle_folder, tmp_path / "other")
    registry.answer = Fetched(str(other), "long-stay", "5", "champion")
    asyncio.run(keeper.look())
    assert (shelf.model.name.version, shelf.refused) == ("5", "")


def with_golden(folder, golden):
    """Save a bundle anew with these golden scores."""
    bundle = load_bundle(folder)
    evaluation = {**bundle.evaluation, "golden": golden(bundle.model)}
    save_bundle(replace(bundle, evaluation=evaluation), folder)
    return folder


def made(model):
    width = len(model.feature_set.features)
    return make_golden(model, np.random.default_rng(0).uniform(0, 9, (50, width)), seed=1)


def altered(model):
    golden = made(model)
    golden["scores"]["p_14"][0] += 1e-6
    return golden


@pytest.mark.parametrize(
    "golden", [altered, lambda _: {}, lambda _: [], lambda _: {"rows": [["a"]]}, lambda _: 7]
)
def test_a_model_that_scores_differently_here_is_refused_and_the_last_good_one_stays(
    supplied, registry, bundle_folder, tmp_path, golden
):
    shelf, keeper = supplied
    good = with_golden(shutil.copytree(bundle_folder, tmp_path / "good"), made)
    registry.answer = Fetched(str(good), "long-stay", "4", "champion")
    asyncio.run(keeper.look())
    bad = with_golden(shutil.copytree(bundle_folder, tmp_path / "bad"), golden)
    registry.answer = Fetched(str(bad), "long-stay", "5", "champion")
    for _ in range(3):
        asyncio.run(keeper.look())
    assert shelf.model.name.version == "4"
    assert "version 5: its golden scores" in shelf.refused
    assert registry.fetched == 2  # a bad one is not fetched again and again
    registry.answer = Fetched(str(good), "long-stay", "4", "champion")  # rolled back
    asyncio.run(keeper.look())
    assert (shelf.model.name.version, shelf.refused) == ("4", "")


def test_readiness_and_metrics_tell_of_a_model_that_was_refused(
    make_client, registry, settings, bundle_folder, tmp_path
):
    note(settings, Fetched(str(bundle_folder), "long-stay", "3", "champion"))
    bad = with_golden(shutil.copytree(bundle_folder, tmp_path / "bad"), altered)
    registry.answer = Fetched(str(bad), "long-stay", "4", "champion")
    client = make_client(None)
    for _ in range(2000):
        ready = client.get("/health/ready").json()
        if ready["status"] == "degraded":
            break
    assert ready["model"]["version"] == "3"
    assert "golden scores" in ready["checks"][0]["detail"]
    assert "homeward_model_refused 1.0" in client.get("/metrics").text


def test_a_folder_that_is_no_bundle_stops_the_start(settings, tmp_path):
    with pytest.raises(BadInput, match="a model bundle expected"):
        create_app(replace(settings, model_uri=str(tmp_path)))


def test_a_folder_is_served_without_any_registry(make_client, bundle_folder, request_body):
    client = make_client(None, model_uri=str(bundle_folder))
    answer = client.post("/v1/scores", json=request_body)
    assert answer.json()["model"] == {"name": "long-stay", "version": "local", "alias": None}


def test_until_a_model_is_there_it_is_not_ready_and_does_not_answer(
    make_client, registry, request_body
):
    registry.answer = RegistryAway("MLflow cannot be reached (ConnectionError)")
    client = make_client(None)
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.headers["Content-Type"] == "application/problem+json"
    assert ready.json()["checks"][0]["state"] == "failing"
    assert client.get("/health/live").status_code == 200
    for answer in (client.post("/v1/scores", json=request_body), client.get("/v1/model")):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0


def test_a_service_on_a_local_copy_says_so(
    make_client, registry, settings, bundle_folder, request_body
):
    note(settings, Fetched(str(bundle_folder), "long-stay", "3", "champion"))
    registry.answer = RegistryAway("MLflow cannot be reached (ConnectionError)")
    client = make_client(None)
    for _ in range(200):
        ready = client.get("/health/ready").json()
        if ready["status"] == "degraded":
            break
    assert ready["checks"][0]["detail"] == (
        "from the local copy: MLflow cannot be reached (ConnectionError)"
    )
    assert client.post("/v1/scores", json=request_body).status_code == 200
    assert "homeward_model_from_local_copy 1.0" in client.get("/metrics").text


# ---- the helper process, for real ----------------------------------------------------------------


def helper_environment(tmp_path):
    return {**os.environ, "PYTHONPATH": str(Path.cwd()), "HOMEWARD_VAR": str(tmp_path)}


def test_the_helper_answers_in_the_words_that_we_read(bundle_folder, tmp_path):
    told = asyncio.run(fetch(str(bundle_folder), tmp_path, helper_environment(tmp_path)))
    assert told == Fetched(str(bundle_folder), "long-stay", "local")
    assert open_bundle(told, origin="folder").name.version == "local"


def test_what_the_helper_says_on_purpose_is_passed_on(tmp_path):
    with pytest.raises(BadInput, match="or a folder expected"):
        asyncio.run(fetch(str(tmp_path / "none"), tmp_path, helper_environment(tmp_path)))


def test_a_helper_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(registry_module, "FETCH_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        asyncio.run(fetch("anything", tmp_path, helper_environment(tmp_path)))


def test_a_local_store_is_asked_only_after_it_changed(settings, tmp_path):
    store = tmp_path / "mlflow.db"
    changed = replace(settings, mlflow_tracking_uri=f"sqlite:///{store}")
    asked = HelperRegistry(URI, tmp_path, changed)
    stamps = [asyncio.run(asked.stamp()) for _ in range(2)]
    store.write_text("a run")
    stamps += [asyncio.run(asked.stamp()) for _ in range(2)]
    assert stamps[0] == stamps[1] != stamps[2] == stamps[3]
    elsewhere = replace(settings, mlflow_tracking_uri="postgresql://db/mlflow")
    assert asyncio.run(HelperRegistry(URI, tmp_path, elsewhere).stamp()) == ""  # always asked
