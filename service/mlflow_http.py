"""An MLflow server asked over HTTP: which version an alias names, and the files of its bundle.

Nothing of MLflow is needed for that. The server must hand out artefacts itself (``mlflow server``
does, unless told ``--no-serve-artifacts``).

References
----------
MLflow REST API, ``registered-models/alias``, ``model-versions/get-download-uri`` and
``mlflow-artifacts/artifacts``.
"""

from __future__ import annotations

import asyncio
import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from feature_store.errors import BadInput
from models.bundle import load_manifest
from models.local_copy import BUNDLE, Registered, keep, place
from service.registry import Fetched, RegistryAway

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from service.settings import Settings

Answer = TypeVar("Answer")

ANSWER_SECONDS: Final = 10.0
MOST_BYTES: Final = 512 * 1024 * 1024
_API: Final = "api/2.0/mlflow"
_FILES: Final = "api/2.0/mlflow-artifacts/artifacts"
_NAMED: Final = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))")
_NOT_THERE: Final = frozenset({400, 404})


class HttpRegistry:
    """A registry behind an address.

    Parameters
    ----------
    uri : str
        ``models:/name@alias`` or ``models:/name/version``.
    cache : Path
    address : str
        Of the MLflow server.

    Raises
    ------
    BadInput
        Another kind of model address: a server is asked for registered models only.
    """

    def __init__(self, uri: str, cache: Path, address: str) -> None:
        named = _NAMED.fullmatch(uri)
        if named is None:
            msg = "model: models:/name@alias or models:/name/version expected with an MLflow server"
            raise BadInput(msg)
        self._uri = uri
        self._named = named
        self._cache = cache
        self._address = address

    async def stamp(self) -> str:
        """Name and version."""
        return await asyncio.to_thread(self._asking, self._version)

    async def fetch(self) -> Fetched:
        """Download the bundle, unless it is here already."""
        return await asyncio.to_thread(self._asking, self._fetch)

    def _asking(self, question: Callable[[httpx.Client], Answer]) -> Answer:
        import httpx  # noqa: PLC0415 - where it is installed it loads rich, which nothing here needs

        with httpx.Client(
            base_url=self._address.rstrip("/") + "/",
            timeout=ANSWER_SECONDS,
            auth=_credentials(),
            headers=_token(),
        ) as client:
            try:
                return question(client)
            except httpx.HTTPError as error:
                raise _away(type(error).__name__) from error

    def _version(self, client: httpx.Client) -> str:
        name, alias, version = self._named["name"], self._named["alias"], self._named["version"]
        if alias is None:
            return str(version)
        told = self._ask(client, "registered-models/alias", name=name, alias=alias)
        return str(told["model_version"]["version"])

    def _fetch(self, client: httpx.Client) -> Fetched:
        name, version = self._named["name"], self._version(client)
        told = Registered(path="", name=name, version=version, alias=self._named["alias"])
        kept = keep(told, self._cache, partial(place, bring=partial(self._bring, client, told)))
        return Fetched(kept.path, name, version, kept.alias)

    def _bring(self, client: httpx.Client, told: Registered, aside: Path) -> Path:
        """Download the manifest, then every file that it lists."""
        asked = {"name": told.name, "version": told.version}
        where = self._ask(client, "model-versions/get-download-uri", **asked)
        source = urlsplit(str(where["artifact_uri"]))
        if source.scheme != "mlflow-artifacts":
            msg = (
                f"{told.name} {told.version}: its files are not behind the MLflow server; start it "
                "with --artifacts-destination and register again"
            )
            raise BadInput(msg)
        folder = f"{_FILES}/{quote(source.path.strip('/'))}/{BUNDLE.as_posix()}"
        _download(client, f"{folder}/manifest.json", aside / "manifest.json")
        for name in load_manifest(aside)["sha256"]:
            _download(client, f"{folder}/{name}", aside / name)
        return aside

    def _ask(self, client: httpx.Client, what: str, **parameters: str) -> dict[str, Any]:
        answer = client.get(f"{_API}/{what}", params=parameters)
        if answer.status_code in _NOT_THERE:
            msg = f"{self._uri}: no such registered model; homeward promote gives it its alias"
            raise BadInput(msg)
        if not answer.is_success:
            raise _away(f"status {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise _away(type(error).__name__) from error


def _download(client: httpx.Client, path: str, to: Path) -> None:
    size = 0
    with client.stream("GET", path) as answer, to.open("wb") as file:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            size += len(piece)
            if size > MOST_BYTES:
                msg = f"{to.name}: at most {MOST_BYTES} bytes expected, got more"
                raise BadInput(msg)
            file.write(piece)


def _away(why: str) -> RegistryAway:
    # The address may carry a password, so it is not repeated.
    return RegistryAway(f"MLflow cannot be reached ({why})")


def _credentials() -> tuple[str, str] | None:
    """Name and password in the variables that MLflow itself reads."""
    name = os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (name, password) if name and password else None


def _token() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def is_address(settings: Settings) -> bool:
    """Whether the registry is behind an address."""
    return (settings.mlflow_tracking_uri or "").startswith(("http://", "https://"))
