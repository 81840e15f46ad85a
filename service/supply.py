"""Where the model comes from: a folder, or the registry with a local copy to fall back on.

The registry is asked by a helper process (``python -m models.registry``), so that this one never
loads what only training needs. The last model that loaded is noted beside the local copies and is
served at once at the next start, while the registry is asked in the background.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from msgspec import Struct

import models
from feature_store.clock import DAY
from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import SPELL_START
from models.bundle import Bundle, load_bundle
from models.scoring import score
from service.answering import ServedModel
from service.logs import LOGGER
from service.settings import variable
from service.wire import ModelName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.settings import Settings

REGISTRY_SCHEMES: Final = ("models:/", "runs:/")
LOCAL_COPY: Final = "local copy"
FETCH_SECONDS: Final = 120.0
RETRY_SECONDS: Final = (2.0, 5.0, 15.0, 60.0)
"""Waits between questions to a registry that does not answer; the last goes on for ever."""

_log = logging.getLogger(LOGGER)


class Fetched(Struct, frozen=True):
    """What the registry gave: where the local copy is and which version it is of."""

    path: str
    name: str
    version: str | None = None
    alias: str | None = None


class Noted(Struct, frozen=True):
    """The last good model, noted for the next start."""

    uri: str
    fetched: Fetched


class Shelf:
    """The model being served; replaced whole, between requests."""

    def __init__(self, model: ServedModel | None = None) -> None:
        self.model = model
        self.trouble = ""

    def put(self, model: ServedModel) -> None:
        """Serve this model from now on."""
        self.model = model


class Supply:
    """Keeps the shelf filled.

    Parameters
    ----------
    settings : Settings
        Which model, and where local copies are kept.
    shelf : Shelf
    arrived : callable
        Told of every model put on the shelf.
    """

    def __init__(
        self, settings: Settings, shelf: Shelf, arrived: Callable[[ServedModel], None]
    ) -> None:
        self._settings = settings
        self._uri = settings.model_uri
        self._cache = settings.var / "models"
        self._shelf = shelf
        self._arrived = arrived

    def start(self) -> None:
        """Load what is on this machine already; nothing there is no failure yet.

        Raises
        ------
        BadInput
            The setting names a folder that is not a bundle: no waiting will mend that.
        """
        if not self._uri.startswith(REGISTRY_SCHEMES):
            self._put(open_bundle(Fetched(self._uri, "", "local"), origin="folder"))
            return
        noted = self._noted()
        if noted is not None:
            try:
                self._put(open_bundle(noted, origin=LOCAL_COPY))
            except BadInput as error:
                self._shelf.trouble = str(error)

    async def run(self) -> None:
        """Ask the registry until it has answered once."""
        attempt = 0
        while self._uri.startswith(REGISTRY_SCHEMES):
            try:
                await self.refresh()
            except (BadInput, OSError, TimeoutError) as error:
                wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                self._trouble(error)
                await asyncio.sleep(wait)
                attempt += 1
            else:
                return

    async def refresh(self) -> None:
        """Fetch the model that the registry names now, and serve it if it is another.

        Raises
        ------
        BadInput
            The registry does not answer, has no such model, or its bundle is not sound.
        """
        fetched = await fetch(self._uri, self._cache, self._environment())
        model = await asyncio.to_thread(open_bundle, fetched, origin="registry")
        self._put(model)
        self._shelf.trouble = ""
        note = msgspec.json.encode(Noted(self._uri, fetched))
        await asyncio.to_thread(_write_whole, self._note, note)

    def _put(self, model: ServedModel) -> None:
        self._shelf.put(model)
        self._arrived(model)
        _log.info("model loaded", extra={"fields": {**_told(model.name), "origin": model.origin}})

    def _trouble(self, error: Exception) -> None:
        self._shelf.trouble = str(error) if isinstance(error, BadInput) else "no answer in time"
        _log.warning("registry not reached", extra={"fields": {"error": type(error).__name__}})

    def _environment(self) -> dict[str, str]:
        """Environment of the helper: ours, with the settings that it reads as they are here."""
        environment = dict(os.environ)
        # A folder called models/ where the service happens to run must not be taken for ours.
        environment["PYTHONPATH"] = str(Path(models.__file__).parents[1])
        environment[variable("var")] = str(self._settings.var)
        if self._settings.mlflow_tracking_uri:
            environment[variable("mlflow_tracking_uri")] = self._settings.mlflow_tracking_uri
        return environment

    @property
    def _note(self) -> Path:
        return self._cache / "last-good.json"

    def _noted(self) -> Fetched | None:
        """Last good model of this address, if its local copy is still there."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            noted = msgspec.json.decode(self._note.read_bytes(), type=Noted)
            if noted.uri == self._uri and Path(noted.fetched.path).is_dir():
                return noted.fetched
        return None


def _told(name: ModelName) -> dict[str, Any]:
    return {"model": name.name, "version": name.version, "alias": name.alias}


def open_bundle(fetched: Fetched, *, origin: str) -> ServedModel:
    """Load a bundle, checked byte by byte, and let it score once.

    The score finds a kernel that is missing or does not agree before a patient does.

    Raises
    ------
    BadInput
        The folder is not a sound bundle for this version of Homeward.
    """
    bundle = load_bundle(Path(fetched.path))
    warm_up(bundle)
    feature_set = bundle.model.feature_set
    return ServedModel(
        name=ModelName(fetched.name or bundle.name, fetched.version, fetched.alias),
        score=partial(score, bundle),
        feature_set_hash=feature_set.hash,
        features=feature_set.to_json(),
        card=bundle.card,
        provenance=bundle.provenance,
        origin=origin,
        checksum=bundle.checksum,
    )


def warm_up(bundle: Bundle) -> None:
    """Score a spell of nobody, a day into it."""
    one = np.zeros(1, np.int64)
    events = Events.build(subject_id=[0], spell_id=[0], time=[0], code=[SPELL_START])
    score(bundle, events, Snapshots(one, one, one, one + DAY), reasons=None)


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
        raise BadInput(complained.decode(errors="replace").strip().rpartition("\n")[2])
    if helper.returncode:
        # Not said on purpose: it may quote an address with a password.
        msg = f"the model registry gave no model (exit code {helper.returncode})"
        raise BadInput(msg)
    try:
        return msgspec.json.decode(said.strip().rpartition(b"\n")[2], type=Fetched)
    except msgspec.DecodeError as error:
        msg = "the model registry gave an answer that is not understood"
        raise BadInput(msg) from error


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
