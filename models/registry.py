"""Bring a registered bundle onto this machine, whole and checked, or not at all.

``python -m models.registry fetch URI CACHE`` prints one JSON object: the service runs it as a
process of its own, so that a serving process never imports MLflow.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from feature_store.errors import BadInput, HomewardError
from models.bundle import load_bundle
from models.local_copy import BUNDLE, Registered, keep, place

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_MODEL_URI: Final = "models:/long-stay@champion"
MODEL_NAME: Final = "long-stay"
ARTIFACT: Final = "model"
"""Name under which a run logs its model."""

_MODEL: Final = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))")
_RUN: Final = re.compile(r"runs:/(?P<run>[^/]+)(?:/(?P<artifact>.+))?")


def tracking_uri() -> str:
    """Return ``HOMEWARD_MLFLOW_TRACKING_URI``, or the SQLite store in ``HOMEWARD_VAR``."""
    given = os.environ.get("HOMEWARD_MLFLOW_TRACKING_URI")
    return given or f"sqlite:///{os.environ.get('HOMEWARD_VAR') or 'var'}/mlflow.db"


def connect() -> MlflowClient:
    """Client of the tracking server and registry; no telemetry, no long silent retries.

    Raises
    ------
    BadInput
        MLflow is not installed, or cannot be reached.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import logging  # noqa: PLC0415 - beside what it quietens

    try:
        import mlflow  # noqa: PLC0415 - seconds, and only where a registry is asked
    except ModuleNotFoundError as error:
        msg = (
            "MLflow is not installed here: name a server in HOMEWARD_MLFLOW_TRACKING_URI, or the "
            "folder of a bundle in HOMEWARD_MODEL_URI"
        )
        raise BadInput(msg) from error

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # What it raises is told in one line; it would print the statement and a traceback as well.
    logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)
    uri = tracking_uri()
    _make_room(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    except Exception as error:  # a database, a network and a server can each fail in its own way
        raise BadInput(_unreachable(error)) from error
    return client


def _make_room(uri: str) -> None:
    """Create the folder of a SQLite store, which SQLite itself would not."""
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).absolute().parent.mkdir(parents=True, exist_ok=True)


def _unreachable(error: Exception) -> str:
    # The address may carry a password, so it is not repeated.
    return (
        f"MLflow cannot be reached ({type(error).__name__}); check HOMEWARD_MLFLOW_TRACKING_URI "
        f"and "
        "that its server is up"
    )


def fetch(uri: str, cache: Path) -> Path:
    """Folder of a verified bundle.

    Parameters
    ----------
    uri : str
        ``models:/name@alias``, ``models:/name/version``, ``runs:/id[/model]``, or a folder.
    cache : Path
        Bundles are kept under ``cache/name/version``; a version never changes, so one that is
        there and whole is not fetched again.

    Raises
    ------
    BadInput
        Not a known kind of address, nothing registered under it, the registry cannot be reached,
        or a byte differs.
    """
    return Path(fetch_registered(uri, cache).path)


def fetch_registered(uri: str, cache: Path) -> Registered:
    """Fetch as :func:`fetch`, and say what it is."""
    if model := _MODEL.fullmatch(uri):
        return _fetch_model(uri, model.groupdict(), cache)
    if run := _RUN.fullmatch(uri):
        source = f"runs:/{run['run']}/{run['artifact'] or ARTIFACT}"
        return _keep(
            source,
            cache,
            Registered(path="", name="runs", version=run["run"], run_id=run["run"], uri=uri),
        )
    folder = Path(uri.removeprefix("file://"))
    if not folder.is_dir():
        msg = (
            "model: models:/name@alias, models:/name/version, runs:/id or a folder expected; "
            "nothing of the kind is there"
        )
        raise BadInput(msg)
    bundle = load_bundle(folder)
    return Registered(path=str(folder.absolute()), name=bundle.name, version="local", uri=uri)


def _fetch_model(uri: str, asked: dict[str, str | None], cache: Path) -> Registered:
    name, alias, number = asked["name"] or "", asked["alias"], asked["version"]
    client = connect()
    try:
        found = (
            client.get_model_version_by_alias(name, alias)
            if alias
            else client.get_model_version(name, number or "")
        )
    except Exception as error:
        msg = (
            f"{uri}: no such registered model ({type(error).__name__}); homeward train registers "
            f"one, "
            "homeward promote gives it the alias champion"
        )
        raise BadInput(msg) from error
    version = str(found.version)
    told = Registered(
        path="",
        name=name,
        version=version,
        alias=alias,
        run_id=found.run_id,
        uri=uri,
        tags=dict(found.tags),
    )
    return _keep(f"models:/{name}/{version}", cache, told)


def _keep(source: str, cache: Path, told: Registered) -> Registered:
    return keep(told, cache, lambda home: _download(source, home))


def _download(source: str, home: Path) -> None:
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - as above

    def bring(aside: Path) -> Path:
        try:
            return Path(download_artifacts(artifact_uri=source, dst_path=str(aside))) / BUNDLE
        except Exception as error:
            msg = f"{source}: its files cannot be fetched ({type(error).__name__})"
            raise BadInput(msg) from error

    place(home, bring)


def runs_of(version: str) -> list[str]:
    """Runs that judged a version: the one that trained it, then its evaluations, newest first."""
    client = connect()
    trained = client.get_model_version(MODEL_NAME, version).run_id
    experiments = [found.experiment_id for found in client.search_experiments()]
    asked = f"tags.`homeward.judged_version` = '{version}' and attributes.status = 'FINISHED'"
    judged = client.search_runs(experiments, filter_string=asked, max_results=50)
    return [*([trained] if trained else []), *(run.info.run_id for run in judged)]


def run_named(run_id: str) -> tuple[str, Mapping[str, str]]:
    """Name of a run, with the version it registered if it did, and its tags.

    Raises
    ------
    BadInput
        There is no such run.
    """
    try:
        client = connect()
        run = client.get_run(run_id)
        made = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    except HomewardError:
        raise
    except Exception as error:
        msg = (
            f"run: an identifier that homeward train or homeward evaluate printed expected; there "
            f"is no such run ({type(error).__name__})"
        )
        raise BadInput(msg) from error
    versions = "".join(f", version {version.version}" for version in made)
    return f"{run.info.run_name}{versions}", dict(run.data.tags)


def run_file(run_id: str, name: str, folder: Path) -> Path:
    """Copy one file that a run keeps into a folder.

    Raises
    ------
    BadInput
        The run or the file is not there.
    """
    client = connect()
    try:
        return Path(client.download_artifacts(run_id, name, str(folder)))
    except Exception as error:
        msg = f"run: {name} expected among its files, cannot be fetched ({type(error).__name__})"
        raise BadInput(msg) from error


def main(arguments: Sequence[str]) -> int:
    """Run ``fetch URI CACHE``; print what was fetched as JSON, or one line of error on stderr."""
    if len(arguments) != 3 or arguments[0] != "fetch":  # noqa: PLR2004 - verb and its two objects
        sys.stderr.write("usage: python -m models.registry fetch URI CACHE\n")
        return BadInput.exit_code
    try:
        told = fetch_registered(arguments[1], Path(arguments[2]))
    except HomewardError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(asdict(told)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
