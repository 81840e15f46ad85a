"""Who asks, and what they may do.

A caller comes in by an API key (``service/keys.py``) or a signed token (``service/tokens.py``);
which of the two is ``service/door.py``'s business. Without either the service is open, and answers
only callers on this machine who ask for it by a loopback name.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_PROXY: Final = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


class Scope(StrEnum):
    """What a caller may do."""

    SCORES = "scores"
    EVENTS = "events"
    FEEDBACK = "feedback"
    ADMIN = "admin"


class Caller(Struct, frozen=True):
    """Who asks; the name goes into the log and the audit.

    Parameters
    ----------
    name : str
    scopes : frozenset of Scope
    sites : frozenset of str or None
        Sites whose patients the caller may see; None for all.
    """

    name: str
    scopes: frozenset[Scope]
    sites: frozenset[str] | None = None


ANYBODY: Final = Caller("anybody", frozenset(Scope))
"""The caller of an open service."""


class Access(Protocol):
    """What lets callers in."""

    is_open: bool
    told: str
    """In words, for whoever asks whether the service is ready."""

    @property
    def trouble(self) -> str:
        """What an operator should know, or nothing."""

    def caller(self, headers: Mapping[bytes, bytes], client: str | None) -> Caller:
        """Who sent these headers.

        Raises
        ------
        Problem
            401 or 403: nobody who may ask; 503: it cannot be told now.
        """

    async def run(self) -> None:
        """Keep what it needs fresh until cancelled."""


class OpenAccess:
    """No keys: whoever is on this machine may ask."""

    trouble = ""
    is_open = True
    told = "open, to this machine only: no API keys are configured"

    def caller(self, headers: Mapping[bytes, bytes], client: str | None) -> Caller:
        """Let in a caller from this machine that asks for it by name.

        The name matters: a web page that a browser on this machine visits can have its own name
        point here, but cannot make the browser send another one. A proxy on this machine speaks for
        others.

        Raises
        ------
        Problem
            403.
        """
        host = headers.get(b"host", b"").decode("latin-1")
        here = is_loopback(client or "127.0.0.1") and is_loopback(_without_port(host))
        if here and _BY_PROXY.isdisjoint(headers):
            return ANYBODY
        msg = "Without API keys this service answers its own machine only, by a loopback name."
        raise Problem(403, msg)

    async def run(self) -> None:
        """Nothing to keep fresh."""


def allow(caller: Caller, scope: Scope | None) -> None:
    """Let a caller with this scope pass; None asks for no more than a valid key.

    Raises
    ------
    Problem
        403.
    """
    if scope is not None and scope not in caller.scopes:
        raise Problem(403, f"This key lacks the scope {scope.value}.")


def may_see(caller: Caller, site: str | None) -> bool:
    """Whether a caller may see patients of a site; None is a patient whose site is not known.

    >>> ward = Caller("ward", frozenset({Scope.SCORES}), frozenset({"RXX01"}))
    >>> may_see(ward, "RXX01"), may_see(ward, "RXX02"), may_see(ward, None), may_see(ANYBODY, None)
    (True, False, False, True)
    """
    return caller.sites is None or site in caller.sites


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
