"""CDS clients that sign their calls: a token a call, for the very address that is called.

A header of a token chooses nothing but the name of the key. ``jku`` is never fetched: it must be
the address that the set-up has, or be left out.

References
----------
CDS Hooks 2.0 (HL7), Trusting CDS Clients; RFC 8725 (JWT best current practices).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from service.access import Caller, Scope
from service.cds.replays import Replays
from service.token_keys import token_keys
from service.tokens import LEEWAY_SECONDS, MOST_BYTES, TokenRules, not_valid, verified

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from service.cds.setup import CdsSetup, Client
    from service.token_keys import TokenKeys

LONGEST_LIFE_SECONDS: Final = 3600
NAME_PREFIX: Final = "cds:"  # no API key and no OAuth 2 token can have this name
_LONGEST_NUMBER: Final = 256
_REQUIRED: Final = ("iss", "aud", "exp", "iat", "jti")


@dataclass(frozen=True, slots=True)
class _Known:
    client: Client
    keys: TokenKeys


class Clients:
    """Callers by the tokens that they sign themselves.

    Parameters
    ----------
    setup : CdsSetup
    var : Path
        Where copies of keys and what was used are kept.
    """

    def __init__(self, setup: CdsSetup, var: Path) -> None:
        self._url = setup.url or ""
        self._replays = Replays(var / "cds-tokens")
        self._known = {
            one.iss: _Known(one, token_keys(one.keys, var / f"cds-keys-{one.name}.json"))
            for one in setup.clients
        }

    async def caller(self, headers: Mapping[bytes, bytes], path: str) -> Caller | None:
        """Whose token this is; None where none of these clients can have made it.

        Parameters
        ----------
        headers : mapping of bytes to bytes
        path : str
            Address that is called, without scheme and host.

        Raises
        ------
        Problem
            401: not a good token, or one that was used; 503: it cannot be told now.
        """
        scheme, _, token = headers.get(b"authorization", b"").strip().partition(b" ")
        known = self._known.get(_issuer(token.strip())) if scheme.lower() == b"bearer" else None
        if known is None:
            return None
        await asyncio.to_thread(self._check, token.strip(), known, self._url + path)
        sites = None if known.client.sites is None else frozenset(known.client.sites)
        scopes = frozenset({Scope.SCORES, Scope.FEEDBACK})
        return Caller(NAME_PREFIX + known.client.name, scopes, sites)

    def _check(self, token: bytes, known: _Known, address: str) -> None:
        client = known.client
        rules = TokenRules(issuer=client.iss, audience=address)
        claims = verified(token, rules, known.keys, _REQUIRED)
        header = jwt.get_unverified_header(token)  # verified by now
        if header.get("jku", client.keys) != client.keys or header.get("typ", "JWT") != "JWT":
            raise not_valid()
        number, until = claims["jti"], float(claims["exp"]) + LEEWAY_SECONDS
        if not isinstance(number, str) or not 0 < len(number) <= _LONGEST_NUMBER:
            raise not_valid()
        if until > time.time() + LONGEST_LIFE_SECONDS + 2 * LEEWAY_SECONDS:
            raise not_valid("The token is good for more than an hour.")
        if not self._replays.is_first(client.iss, number, until=until):
            raise not_valid("The token was used before.")

    async def run(self) -> None:
        """Keep the keys of the clients fresh until cancelled."""
        await asyncio.gather(*(known.keys.run() for known in self._known.values()))


def _issuer(token: bytes) -> str:
    """What an unverified token says of its issuer: no more than whose keys to try."""
    if len(token) > MOST_BYTES:
        return ""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return ""
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""
