"""Who may ask what: API keys from a file, hashed, re-read when the file changes.

The file is JSON::

    {"keys": [{"name": "hub", "sha256": "…64 hex digits…", "scopes": ["scores"]}]}

A key is 256 random bits, made by ``python -m service.access NAME SCOPE...``, so a plain SHA-256
protects it at rest; a slow hash would only protect a guessable one. Without a file the service is
open, and answers only callers on this machine who ask for it by a loopback name.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import sys
import time
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from feature_store.errors import BadInput
from service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOOK_AGAIN_SECONDS: Final = 1.0
KEY_PREFIX: Final = "hw_"  # lets secret scanners find a key that leaked


class Scope(StrEnum):
    """What a caller may do."""

    SCORES = "scores"
    EVENTS = "events"
    FEEDBACK = "feedback"
    ADMIN = "admin"


class Key(Struct, forbid_unknown_fields=True, frozen=True):
    """One API key: its owner, what stands for it, what it opens."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]


class KeyFile(Struct, forbid_unknown_fields=True, frozen=True):
    """The file of keys."""

    keys: Annotated[list[Key], Meta(min_length=1)]


class Caller(Struct, frozen=True):
    """Who asks; the name goes into the log and the audit."""

    name: str
    scopes: frozenset[Scope]


ANYBODY: Final = Caller("anybody", frozenset(Scope))
"""The caller of an open service."""


class OpenAccess:
    """No keys: whoever is on this machine may ask."""

    trouble = ""
    is_open = True

    def caller(self, headers: Mapping[bytes, bytes], client: str | None) -> Caller:
        """Let in a caller from this machine that asks for it by name.

        The name matters: a web page that a browser on this machine visits can have its own name
        point here, but cannot make the browser send another one.

        Raises
        ------
        Problem
            403.
        """
        host = headers.get(b"host", b"").decode("latin-1")
        if is_loopback(client or "127.0.0.1") and is_loopback(_without_port(host)):
            return ANYBODY
        msg = "Without API keys this service answers its own machine only, by a loopback name."
        raise Problem(403, msg)


class KeyAccess:
    """API keys in a file.

    A file that becomes unreadable keeps the last good keys, and ``trouble`` says so.

    Parameters
    ----------
    path : Path
    clock : callable
        Monotonic seconds.

    Raises
    ------
    BadInput
        The file is not one of keys.
    """

    is_open = False

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._stamp = _stamp(path)
        self._keys = read_keys(path)
        self.trouble = ""

    def caller(self, headers: Mapping[bytes, bytes], client: str | None) -> Caller:  # noqa: ARG002 - as of OpenAccess
        """Whose key was sent.

        Raises
        ------
        Problem
            401: none, or one that is not known.
        """
        self._look_again()
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        digest = hashlib.sha256(token.strip()).hexdigest()
        found = None
        for key in self._keys:  # all of them: how long it takes tells nothing
            if hmac.compare_digest(digest, key.sha256):
                found = key
        if found is None or scheme.lower() != b"bearer":
            raise Problem(401, headers={"WWW-Authenticate": 'Bearer realm="homeward"'})
        return _caller(found)

    def _look_again(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_AGAIN_SECONDS:
            return
        self._looked = now
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._keys, self._stamp = read_keys(self._path), stamp
            self.trouble = ""
        except BadInput as error:
            self.trouble = f"{error}; the last good keys go on"


@lru_cache(maxsize=256)
def _caller(key_of: Key) -> Caller:
    return Caller(key_of.name, frozenset(key_of.scopes))


def allow(caller: Caller, scope: Scope | None) -> None:
    """Let a caller with this scope pass; None asks for no more than a valid key.

    Raises
    ------
    Problem
        403.
    """
    if scope is not None and scope not in caller.scopes:
        raise Problem(403, f"This key lacks the scope {scope.value}.")


def read_keys(path: Path) -> tuple[Key, ...]:
    """Keys of a file.

    Raises
    ------
    BadInput
        It cannot be read, is not a file of keys, or names a key twice.
    """
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=KeyFile).keys
    except (OSError, msgspec.DecodeError) as error:
        msg = f"{path.name}: a file of API keys expected ({type(error).__name__})"
        raise BadInput(msg) from error
    if len({key.name for key in keys}) < len(keys):
        msg = f"{path.name}: every name of a key once expected"
        raise BadInput(msg)
    return tuple(keys)


def new_key(name: str, scopes: Sequence[str]) -> tuple[str, Key]:
    """Make a key and the entry that stands for it in the file.

    Raises
    ------
    BadInput
        A name or a scope that the file would not take.
    """
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    entry = {
        "name": name,
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "scopes": list(scopes),
    }
    try:
        return secret, msgspec.convert(entry, Key)
    except msgspec.ValidationError as error:
        msg = f"a name of letters and digits and scopes of {', '.join(Scope)} expected"
        raise BadInput(msg) from error


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by name or by address.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("10.0.0.1")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        msg = f"{path.name}: a file of API keys expected ({type(error).__name__})"
        raise BadInput(msg) from error
    return status.st_mtime_ns, status.st_size, status.st_ino


def main(arguments: Sequence[str]) -> None:
    """Print a new key (once) and the entry for the file."""
    secret, key = new_key(arguments[0], arguments[1:])
    sys.stdout.write(f"key, shown once:  {secret}\n")
    sys.stdout.write(f"entry for the file:  {msgspec.json.encode(key).decode()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
