"""Public keys of whoever signs tokens: a JWK set in a file, or at an address, kept fresh.

Only keys of asymmetric algorithms are taken, and each verifies only what its kind can sign: a
public key can never be mistaken for a shared secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWKError

from feature_store.errors import BadInput
from service.logs import LOGGER
from service.watched import WatchedFile

if TYPE_CHECKING:
    import httpx

KIND: Final = "a JWK set"
ALGORITHMS: Final = {
    ("RSA", ""): ("RS256", "RS384", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
}
"""What a key may have signed, by its kind and curve; nothing else is ever accepted."""

REFRESH_SECONDS: Final = 300.0
LEAST_SECONDS: Final = 10.0
"""Between two questions, however often a token names a key that is not known."""
FETCH_SECONDS: Final = 10.0
MOST_BYTES: Final = 1024 * 1024
_LEAST_RSA_BITS: Final = 2048

_log = logging.getLogger(LOGGER)


@dataclass(frozen=True, slots=True, eq=False)
class PublicKey:
    """One key that may have signed a token.

    Parameters
    ----------
    key : Any
        As the cryptography library has it.
    algorithms : tuple of str
    """

    key: Any
    algorithms: tuple[str, ...]


class KeySet(dict[str, PublicKey]):
    """Keys by their ``kid``; a key without one stands under the empty text."""


class TokenKeys(Protocol):
    """Where public keys are kept."""

    @property
    def trouble(self) -> str:
        """What an operator should know, or nothing."""

    def current(self) -> KeySet:
        """Return the keys as known now; the same object until they change."""

    def missed(self) -> None:
        """Note that a token named a key that is not there."""

    async def run(self) -> None:
        """Keep them fresh until cancelled."""


class FileKeys:
    """A JWK set in a file, read again when it changes.

    Raises
    ------
    BadInput
        The file is not one.
    """

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, read_key_set, kind=KIND)

    @property
    def trouble(self) -> str:
        """What an operator should know, or nothing."""
        return self._file.trouble

    def current(self) -> KeySet:
        """Return the keys as known now."""
        return self._file.content()

    def missed(self) -> None:
        """Do nothing: the file is looked at anyway."""

    async def run(self) -> None:
        """Nothing to keep fresh."""


class AddressKeys:
    """A JWK set at an address: asked in the background, kept for the next start.

    Parameters
    ----------
    address : str
    copy : Path
        Where the last good set is kept, for a start while nobody answers there.
    """

    def __init__(self, address: str, copy: Path) -> None:
        self._address = address
        self._copy = copy
        self._keys = KeySet()
        self._content = b""
        self._wanted = asyncio.Event()
        self.trouble = "the keys of the token issuer are being asked for"
        with contextlib.suppress(OSError, msgspec.DecodeError, BadInput):
            kept = msgspec.json.decode(copy.read_bytes(), type=_Kept)
            if kept.address == address:
                self._keys = read_key_set(kept.keys)

    def current(self) -> KeySet:
        """Return the keys as known now."""
        return self._keys

    def missed(self) -> None:
        """Ask again soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Ask every few minutes, and sooner when a token names an unknown key."""
        import httpx  # noqa: PLC0415 - where it is installed it loads rich, which nothing here needs

        async with httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as client:
            while True:
                self._wanted.clear()
                await self._refresh(client)
                await asyncio.sleep(LEAST_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH_SECONDS):
                        await self._wanted.wait()

    async def _refresh(self, client: httpx.AsyncClient) -> None:
        import httpx  # noqa: PLC0415 - where it is installed it loads rich, which nothing here needs

        try:
            content = await _get(client, self._address)
            keys = read_key_set(content)
        except (httpx.HTTPError, BadInput) as error:
            kind = str(error) if isinstance(error, BadInput) else type(error).__name__
            self.trouble = f"the keys of the token issuer cannot be fetched ({kind})"
            _log.warning("token keys not fetched", extra={"fields": {"error": kind}})
            return
        if content != self._content:  # the same object while nothing changed
            self._keys, self._content = keys, content
        self.trouble = ""
        with contextlib.suppress(OSError):  # a full disk stops no caller
            await asyncio.to_thread(self._keep, content)

    def _keep(self, content: bytes) -> None:
        self._copy.parent.mkdir(parents=True, exist_ok=True)
        beside = self._copy.with_name(f".{self._copy.name}.{os.getpid()}")
        beside.write_bytes(msgspec.json.encode(_Kept(self._address, msgspec.Raw(content))))
        beside.replace(self._copy)


class _Kept(msgspec.Struct, frozen=True):
    address: str
    keys: msgspec.Raw


async def _get(client: httpx.AsyncClient, address: str) -> bytes:
    content = b""
    async with client.stream("GET", address) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > MOST_BYTES:
                msg = f"{KIND} of at most {MOST_BYTES} bytes expected, got more"
                raise BadInput(msg)
    return content


def token_keys(where: str, copy: Path) -> TokenKeys:
    """Keys in a file, or at an address.

    Raises
    ------
    BadInput
        The file is not a JWK set.
    """
    if where.startswith(("https://", "http://")):
        return AddressKeys(where, copy)
    return FileKeys(Path(where))


def read_key_set(content: bytes) -> KeySet:
    """Read the keys of a set that can verify a signature; others in it are passed over.

    Raises
    ------
    BadInput
        Not a JWK set, none of its keys can be used, or two have one name.
    """
    try:
        given = msgspec.json.decode(content, type=dict[str, Any])["keys"]
        usable = [
            (str(jwk.get("kid", "")), _read(jwk)) for jwk in given
        ]  # house: allow default-on-record - kid is optional in RFC 7517
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, PyJWKError) as error:
        msg = f"{KIND} expected ({type(error).__name__})"
        raise BadInput(msg) from error
    keys = KeySet((kid, key) for kid, key in usable if key is not None)
    if not keys or len(keys) < sum(key is not None for _, key in usable):
        msg = f"{KIND} of RSA, P-256 or P-384 signing keys expected, each kid once"
        raise BadInput(msg)
    return keys


def _read(jwk: dict[str, Any]) -> PublicKey | None:
    """Read a key, if it is one for signatures of an algorithm that we take and strong enough."""
    kind = (str(jwk.get("kty")), str(jwk.get("crv", "")))
    algorithms = ALGORITHMS.get(kind, ())
    named = jwk.get("alg")
    if named is not None:
        algorithms = tuple(name for name in algorithms if name == named)
    if not algorithms or jwk.get("use", "sig") != "sig":
        return None
    key = PyJWK(jwk, algorithm=algorithms[0]).key
    if hasattr(key, "public_key"):  # somebody put the private half there
        key = key.public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        return None
    return PublicKey(key, algorithms)
