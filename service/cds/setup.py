"""How CDS Hooks is set up: who may call with signed tokens, which hooks, from which web pages.

The file of ``HOMEWARD_CDS_FILE`` is JSON::

    {"url": "https://homeward.trust.example",
     "hooks": ["encounter-start", "encounter-discharge"],
     "origins": ["https://sandbox.cds-hooks.org"],
     "clients": [{"name": "ehr", "iss": "https://ehr.trust.example/",
                  "keys": "https://ehr.trust.example/jwks.json", "sites": ["RXX01"]}]}

All of it may be left out, but ``url`` where there are clients: tokens must be for it. It is read
once, at the start; the keys of a client may change at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from feature_store.errors import BadInput
from service.setting_kinds import file_or_https, variable

if TYPE_CHECKING:
    from pathlib import Path

Hook = Literal["patient-view", "encounter-start", "encounter-discharge"]
USUAL: Final[Hook] = "patient-view"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FILE: Final = variable("cds_file")


class Client(Struct, forbid_unknown_fields=True, frozen=True):
    """A CDS client: the ``iss`` of its tokens, and its public keys, a JWK set."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]
    iss: Annotated[str, Meta(min_length=1)]
    keys: Annotated[str, Meta(min_length=1)]
    sites: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)] | None = (
        None
    )


class CdsSetup(Struct, forbid_unknown_fields=True, frozen=True):
    """The file."""

    url: str | None = None
    hooks: tuple[Hook, ...] = ()
    origins: tuple[str, ...] = ()
    clients: tuple[Client, ...] = ()

    @property
    def offered(self) -> tuple[Hook, ...]:
        """Hooks in the order of discovery."""
        return (USUAL, *(hook for hook in self.hooks if hook != USUAL))


def read_setup(path: Path | None) -> CdsSetup:
    """Read the file; the usual where there is none.

    Raises
    ------
    BadInput
        It cannot be read, or says something else than can be set.
    """
    if path is None:
        return CdsSetup()
    try:
        setup = msgspec.json.decode(path.read_bytes(), type=CdsSetup)
    except (OSError, msgspec.DecodeError) as error:
        why = str(error) if isinstance(error, msgspec.ValidationError) else type(error).__name__
        msg = f"{_FILE}: a file as docs/cds.md has it expected ({why})"
        raise BadInput(msg) from error
    _check(setup)
    return setup


def _check(setup: CdsSetup) -> None:
    for found in ([one.iss for one in setup.clients], [one.name for one in setup.clients]):
        if len(set(found)) < len(found):
            msg = f"{_FILE}: each client with a name and an iss of its own expected"
            raise BadInput(msg)
    if setup.clients and setup.url is None:
        msg = f"{_FILE}: url expected, the address that tokens of clients are for"
        raise BadInput(msg)
    for text in (*([setup.url] if setup.url else []), *setup.origins):
        if not _is_base(text):
            msg = f"{_FILE}: url and origins as https://HOST[:PORT] expected, nothing after it"
            raise BadInput(msg)
    for client in setup.clients:
        try:
            file_or_https(client.keys)
        except ValueError as error:
            msg = f"{_FILE}: keys expected as a file or an https address"
            raise BadInput(msg) from error


def _is_base(text: str) -> bool:
    """Whether a text is a web origin that nobody on the way can forge.

    >>> [_is_base(one) for one in ("https://a.example:8443", "http://localhost:9080", "*")]
    [True, True, False]
    >>> [_is_base(one) for one in ("http://a.example", "https://a.example/", "https://u@a.example")]
    [False, False, False]
    """
    try:
        parts = urlsplit(text)
        whole = f"{parts.scheme}://{parts.netloc}" == text and parts.port != 0
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return whole and safe and bool(parts.hostname) and "@" not in parts.netloc
