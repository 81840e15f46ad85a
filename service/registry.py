"""The model registry as the service asks it: by HTTP, or by a helper process for a local store.

An MLflow server is asked over its REST interface. A store on this machine (SQLite) can only be read
by MLflow itself, which this process never loads: a helper (``python -m models.registry``) does it,
and only after the store's file has changed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct

import models
from feature_store.errors import BadInput
from service.setting_kinds import variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.settings import Settings

FETCH_SECONDS: Final = 120.0
SQLITE: Final = "sqlite:///"


class Fetched(Struct, frozen=True):
    """What the registry gave: where the local copy is and which version it is of."""

    path: str
    name: str
    version: str | None = None
    alias: str | None = None


class RegistryAway(BadInput):
    """The registry does not answer; it may later."""


class Registry(Protocol):
    """Where models are registered."""

    async def stamp(self) -> str:
        """Return what changes whenever another model may be named.

        Raises
        ------
        BadInput
            The registry does not answer (``RegistryAway``), or has no such model.
        """

    async def fetch(self) -> Fetched:
        """Bring the model named now onto this machine, whole and checked.

        Raises
        ------
        BadInput
            The registry does not answer (``RegistryAway``), has no such model, or what it has is
            not sound.
        """


class HelperRegistry:
    """A store that MLflow reads for us, in a process of its own.

    Parameters
    ----------
    uri : str
    cache : Path
    settings : Settings
    """

    def __init__(self, uri: str, cache: Path, settings: Settings) -> None:
        self._uri = uri
        self._cache = cache
        self._settings = settings

    async def stamp(self) -> str:
        """Size and age of the store's files; an empty text where they are not on this machine."""
        return "-".join(map(_stamp, _files(self._settings)))

    async def fetch(self) -> Fetched:
        """Let the helper fetch the model."""
        try:
            return await fetch(self._uri, self._cache, _environment(self._settings))
        except TimeoutError as error:
            msg = "the model registry gave no answer in time"
            raise RegistryAway(msg) from error


def _files(settings: Settings) -> tuple[Path, ...]:
    uri = settings.mlflow_tracking_uri or f"{SQLITE}{settings.var}/mlflow.db"
    if not uri.startswith(SQLITE):
        return ()
    store = uri.removeprefix(SQLITE)
    return Path(store), Path(f"{store}-wal")


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "none"
    return f"{status.st_mtime_ns}.{status.st_size}"


def _environment(settings: Settings) -> dict[str, str]:
    """Environment of the helper: ours, with the settings that it reads as they are here."""
    environment = dict(os.environ)
    # A folder called models/ where the service happens to run must not be taken for ours.
    environment["PYTHONPATH"] = str(Path(models.__file__).parents[1])
    environment[variable("var")] = str(settings.var)
    if settings.mlflow_tracking_uri:
        environment[variable("mlflow_tracking_uri")] = settings.mlflow_tracking_uri
    return environment


async def fetch(uri: str, cache: Path, environment: Mapping[str, str]) -> Fetched:
    """Ask the registry for a model, in a helper process.

    Raises
    ------
    BadInput
        The helper failed, and why, if it said so on purpose.
    TimeoutError
        It took too long, and was stopped.
    """
    helper = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "models.registry", "fetch", uri, str(cache)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            said, complained = await helper.communicate()
    finally:
        if helper.returncode is None:
            helper.kill()
            await helper.wait()
    if helper.returncode == BadInput.exit_code:
        raise RegistryAway(complained.decode(errors="replace").strip().rpartition("\n")[2])
    if helper.returncode:
        # Not said on purpose: it may quote an address with a password.
        msg = f"the model registry gave no model (exit code {helper.returncode})"
        raise RegistryAway(msg)
    try:
        return msgspec.json.decode(said.strip().rpartition(b"\n")[2], type=Fetched)
    except msgspec.DecodeError as error:
        msg = "the model registry gave an answer that is not understood"
        raise RegistryAway(msg) from error
