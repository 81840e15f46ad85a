"""Where the model comes from: a folder, or the registry with a local copy to fall back on.

The last model that loaded is noted beside the local copies and is served at once at the next start,
while the registry is asked in the background. An alias is watched: what it names next is fetched,
checked byte by byte and on its golden scores, and put in place between two requests. What does not
pass is refused, and the last good model goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from msgspec import Struct

from feature_store.clock import DAY
from feature_store.errors import BadInput
from feature_store.events import Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import SPELL_START
from models.bundle import Bundle, load_bundle
from models.golden import TOLERANCE, golden_gap
from models.scoring import leaving_soon, score
from service.answering import ServedModel
from service.logs import LOGGER, whereabouts
from service.mlflow_http import HttpRegistry, is_address
from service.registry import Fetched, HelperRegistry, Registry, RegistryAway
from service.wire import ModelName

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.settings import Settings

REGISTRY_SCHEMES: Final = ("models:/", "runs:/")
LOCAL_COPY: Final = "local copy"
RETRY_SECONDS: Final = (2.0, 5.0, 15.0, 60.0)
"""Waits between questions to a registry that does not answer; the last goes on for ever."""

_log = logging.getLogger(LOGGER)


class Noted(Struct, frozen=True):
    """The last good model, noted for the next start."""

    uri: str
    fetched: Fetched


class Shelf:
    """The model being served; replaced whole, between requests."""

    def __init__(self, model: ServedModel | None = None) -> None:
        self.model = model
        self.trouble = ""
        """Why the registry does not answer."""
        self.refused = ""
        """Why the model that the registry names now is not the one being served."""

    def put(self, model: ServedModel) -> None:
        """Serve this model from now on."""
        self.model = model


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be on a shelf.

    Parameters
    ----------
    uri : str
    cache : Path
        Folder of local copies.
    note : str
        File in it that names the last good one.
    every : float
        Seconds between two looks at the registry.
    """

    uri: str
    cache: Path
    note: str = "last-good.json"
    every: float = 30.0

    @property
    def is_registered(self) -> bool:
        """Whether a registry is to be asked."""
        return self.uri.startswith(REGISTRY_SCHEMES)

    @property
    def may_change(self) -> bool:
        """Whether the address can come to name another model."""
        return self.is_registered and "@" in self.uri


class Supply:
    """Keeps a shelf filled.

    Parameters
    ----------
    order : Order
    registry : Registry
    shelf : Shelf
    looked : callable
        Told of the shelf whenever something on it may have changed.
    """

    def __init__(
        self, order: Order, registry: Registry, shelf: Shelf, looked: Callable[[Shelf], None]
    ) -> None:
        self._order = order
        self._registry = registry
        self._shelf = shelf
        self._looked = looked
        self._seen = self._verdict = ""
        self.settled = asyncio.Event()
        """There is a model, or the registry was asked for one once."""

    def start(self) -> None:
        """Load what is on this machine already; nothing there is no failure yet.

        Raises
        ------
        BadInput
            The setting names a folder that is not a bundle: no waiting will mend that.
        """
        if not self._order.is_registered:
            self._put(open_bundle(Fetched(self._order.uri, "", "local"), origin="folder"))
            return
        noted = self._noted()
        if noted is not None:
            try:
                self._put(open_bundle(noted, origin=LOCAL_COPY))
            except BadInput as error:
                self._shelf.trouble = str(error)
            except Exception as error:  # noqa: BLE001 - whatever the copy does, the registry is asked
                self._shelf.trouble = type(error).__name__

    async def run(self) -> None:
        """Look at the registry, again and again if its answer can change, until cancelled."""
        failures = 0
        while self._order.is_registered:
            wait = self._order.every
            if await self.look():
                failures = 0
                if not self._order.may_change:
                    return
            else:
                wait = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
            await asyncio.sleep(wait)

    async def look(self) -> bool:
        """Serve what the registry names now, if it is another; say whether it answered."""
        shelf = self._shelf
        try:
            await self._refresh()
        except (RegistryAway, OSError) as error:
            shelf.trouble = str(error) if isinstance(error, BadInput) else type(error).__name__
            _log.warning("registry not reached", extra={"fields": {"error": type(error).__name__}})
        except BadInput as error:
            shelf.trouble, shelf.refused = "", str(error)
            _log.error("model refused", extra={"fields": {"error": str(error)}})
        except Exception as error:  # noqa: BLE001 - the last good model goes on, and so does the watch
            shelf.trouble = type(error).__name__
            _log.error("registry not understood", extra={"fields": whereabouts(error)})
        else:
            shelf.trouble = ""
        self._looked(shelf)
        self.settled.set()
        return not shelf.trouble and shelf.model is not None

    async def _refresh(self) -> None:
        stamp = await self._registry.stamp()
        if stamp and stamp == self._seen:
            self._shelf.refused = self._verdict
            return
        fetched = await self._registry.fetch()
        served = self._shelf.model
        if served is not None and _same(served.name, fetched):
            self._shelf.put(replace(served, origin="registry"))
        else:
            try:
                self._put(await asyncio.to_thread(open_bundle, fetched, origin="registry"))
            except BadInput as error:
                # Not fetched again until the registry names another.
                self._seen, self._verdict = stamp, str(error)
                raise
            note = msgspec.json.encode(Noted(self._order.uri, fetched))
            await asyncio.to_thread(_write_whole, self._order.cache / self._order.note, note)
        self._shelf.refused = self._verdict = ""
        self._seen = stamp

    def _put(self, model: ServedModel) -> None:
        self._shelf.put(model)
        self.settled.set()
        self._looked(self._shelf)
        told = msgspec.structs.asdict(model.name) | {"origin": model.origin}
        _log.info("model loaded", extra={"fields": {"model": told.pop("name"), **told}})

    def _noted(self) -> Fetched | None:
        """Last good model of this address, if its local copy is still there."""
        note = self._order.cache / self._order.note
        with contextlib.suppress(OSError, msgspec.DecodeError):
            noted = msgspec.json.decode(note.read_bytes(), type=Noted)
            if noted.uri == self._order.uri and Path(noted.fetched.path).is_dir():
                return noted.fetched
        return None


def _same(served: ModelName, fetched: Fetched) -> bool:
    return (served.name, served.version, served.alias) == (
        fetched.name,
        fetched.version,
        fetched.alias,
    )


def make_supply(
    settings: Settings, order: Order, shelf: Shelf, looked: Callable[[Shelf], None]
) -> Supply:
    """Supply of an order from the registry that the settings name.

    Raises
    ------
    BadInput
        A kind of model address that this registry does not know.
    """
    address = settings.mlflow_tracking_uri or ""
    registry: Registry = HelperRegistry(order.uri, order.cache, settings)
    if is_address(settings) and order.is_registered:
        registry = HttpRegistry(order.uri, order.cache, address)
    return Supply(order, registry, shelf, looked)


def open_bundle(fetched: Fetched, *, origin: str) -> ServedModel:
    """Load a bundle, checked byte by byte, and let it score what it scored when it was made.

    Raises
    ------
    BadInput
        The folder is not a sound bundle for this version of Homeward, or scores differently here.
    """
    bundle = load_bundle(Path(fetched.path))
    warm_up(bundle)
    check_golden(bundle, fetched.version)
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
        leaving_soon=partial(leaving_soon, bundle.model),
    )


def check_golden(bundle: Bundle, version: str | None) -> None:
    """Compare the golden scores of a bundle; one made before there were any passes.

    Raises
    ------
    BadInput
        They differ on this machine.
    """
    golden = bundle.evaluation.get("golden")
    if golden is None:
        return
    gap = golden_gap(bundle.model, golden)
    if not gap <= TOLERANCE:
        msg = (
            f"version {version}: its golden scores within {TOLERANCE:.0e} expected, differ by "
            f"{gap:.1e} here; not served"
        )
        raise BadInput(msg)


def warm_up(bundle: Bundle) -> None:
    """Score a spell of nobody, a day into it: a kernel that is missing fails here."""
    one = np.zeros(1, np.int64)
    events = Events.build(subject_id=[0], spell_id=[0], time=[0], code=[SPELL_START])
    score(bundle, events, Snapshots(one, one, one, one + DAY), reasons=None)


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
