"""The way in: an API key or a signed token, in one header, sent once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from service.access import Access, Caller, OpenAccess
from service.keys import Keys
from service.problems import Problem
from service.token_keys import token_keys
from service.tokens import TokenRules, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.settings import Settings

_DOTS = 2  # of a JWT; no key that Homeward makes has one


class Door:
    """Callers by key or by token.

    Parameters
    ----------
    keys : Keys or None
    tokens : Tokens or None
    """

    is_open = False

    def __init__(self, keys: Keys | None, tokens: Tokens | None) -> None:
        self._keys = keys
        self._tokens = tokens
        ways = ("API keys", keys), ("signed tokens", tokens)
        self.told = " and ".join(name for name, way in ways if way is not None)

    @property
    def trouble(self) -> str:
        """What an operator should know, or nothing."""
        troubles = [
            self._keys.trouble if self._keys else "",
            self._tokens.keys.trouble if self._tokens else "",
        ]
        return "; ".join(filter(None, troubles))

    def caller(self, headers: Mapping[bytes, bytes], client: str | None) -> Caller:  # noqa: ARG002 - as of OpenAccess
        """Whose key or token was sent.

        Raises
        ------
        Problem
            401: none, or one that is not good; 503: it cannot be told now.
        """
        scheme, _, sent = headers.get(b"authorization", b"").partition(b" ")
        credential = sent.strip()
        digest = hashlib.sha256(credential).hexdigest()
        found = self._keys.find(digest) if self._keys else None
        if scheme.lower() != b"bearer":
            raise _nobody()
        if found is not None:
            return found
        if self._tokens is not None and credential.count(b".") == _DOTS:
            return self._tokens.caller(credential, digest)
        raise _nobody()

    async def run(self) -> None:
        """Keep the keys of the token issuer fresh until cancelled."""
        if self._tokens is not None:
            await self._tokens.keys.run()


def _nobody() -> Problem:
    return Problem(401, headers={"WWW-Authenticate": 'Bearer realm="homeward"'})


def make_access(settings: Settings) -> Access:
    """Return the way in that the settings describe.

    Raises
    ------
    BadInput
        A file of keys cannot be used, or the settings of tokens are not all there.
    """
    keys = Keys(settings.api_keys_file) if settings.api_keys_file else None
    where = settings.token_trust
    if keys is None and where is None:
        return OpenAccess()
    if where is None:
        return Door(keys, None)
    issuer, audience, address = where
    rules = TokenRules(issuer=issuer, audience=audience, sites_claim=settings.token_sites_claim)
    return Door(keys, Tokens(rules, token_keys(address, settings.var / "token-keys.json")))
