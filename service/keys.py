"""API keys from a file: hashed, rotated without a restart.

The file is JSON::

    {"keys": [{"name": "hub", "sha256": "…64 hex digits…", "scopes": ["scores"],
               "sites": ["RXX01"], "expires": "2027-04-01T00:00:00Z"}]}

``sites`` and ``expires`` may be left out: every site, and for ever. A key is 256 random bits, made
by ``python -m service.keys NAME SCOPE...``, so a plain SHA-256 protects it at rest; a slow hash
would only protect a guessable one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
import time
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from feature_store.errors import BadInput
from service.access import Caller, Scope
from service.watched import WatchedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

KEY_PREFIX: Final = "hw_"  # lets secret scanners find a key that leaked
KIND: Final = "a file of API keys"


class Key(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """One API key: its owner, what stands for it, what it opens, where and until when."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    sites: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)] | None = (
        None
    )
    expires: Annotated[datetime, Meta(tz=True)] | None = None


class KeyFile(Struct, forbid_unknown_fields=True, frozen=True):
    """The file of keys."""

    keys: Annotated[list[Key], Meta(min_length=1)]


class Keys:
    """API keys in a file.

    A file that becomes unreadable keeps the last good keys, and ``trouble`` says so.

    Parameters
    ----------
    path : Path
    clock : callable
        Monotonic seconds, to look at the file again.
    now : callable
        Seconds since 1970, to let keys expire.

    Raises
    ------
    BadInput
        The file is not one of keys.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = WatchedFile(path, read_keys, kind=KIND, clock=clock)
        self._now = now

    @property
    def trouble(self) -> str:
        """What an operator should know, or nothing."""
        return self._file.trouble

    def find(self, digest: str) -> Caller | None:
        """Whose key has this SHA-256; None for nobody's, or for one that has expired."""
        found = None
        for key in self._file.content():  # all of them: how long it takes tells nothing
            if hmac.compare_digest(digest, key.sha256):
                found = key
        if found is None or (found.expires and found.expires.timestamp() <= self._now()):
            return None
        return _caller(found)


@lru_cache(maxsize=256)
def _caller(key_of: Key) -> Caller:
    sites = None if key_of.sites is None else frozenset(key_of.sites)
    return Caller(key_of.name, frozenset(key_of.scopes), sites)


def read_keys(content: bytes) -> tuple[Key, ...]:
    """Keys of a file.

    Raises
    ------
    BadInput
        It is not a file of keys, or names a key twice.
    """
    try:
        keys = msgspec.json.decode(content, type=KeyFile).keys
    except msgspec.DecodeError as error:
        msg = f"{KIND} expected ({type(error).__name__})"
        raise BadInput(msg) from error
    if len({key.name for key in keys}) < len(keys):
        msg = "every name of a key once expected"
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


def main(arguments: Sequence[str]) -> None:
    """Print a new key (once) and the entry for the file."""
    secret, key = new_key(arguments[0], arguments[1:])
    sys.stdout.write(f"key, shown once:  {secret}\n")
    sys.stdout.write(f"entry for the file:  {msgspec.json.encode(key).decode()}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
