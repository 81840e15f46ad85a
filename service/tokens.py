"""Signed tokens (OAuth 2 client credentials, JWT): verified, then remembered until they expire.

Checked: the signature by a key of the issuer and only by the algorithms of that key, issuer,
audience, ``exp`` (must be there), ``nbf`` and ``iat``. A header of the token chooses nothing but
the name of the key.

References
----------
RFC 7519 (JWT), RFC 8725 (best current practices), RFC 9068 (access tokens).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from service.access import Caller, Scope
from service.problems import Problem, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from service.token_keys import KeySet, PublicKey, TokenKeys

LEEWAY_SECONDS: Final = 30
MOST_BYTES: Final = 8192
MOST_REMEMBERED: Final = 1024
RETRY_SECONDS: Final = 5
ALL_SITES: Final = "*"
NAME_PREFIX: Final = "token:"  # no API key can have this name
Claims = dict[str, Any]
_NAME: Final = re.compile(r"[A-Za-z0-9._@|/-]{1,128}")
_KINDS: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_WHY: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is of another issuer.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What a token must say.

    Parameters
    ----------
    issuer, audience : str
    sites_claim : str or None
        Claim that lists the sites a caller may see, ``*`` for all; then a token without it sees
        none. None: tokens are not restricted.
    """

    issuer: str
    audience: str
    sites_claim: str | None = None


class Tokens:
    """Callers by their tokens.

    Parameters
    ----------
    rules : TokenRules
    keys : TokenKeys
    now : callable
        Seconds since 1970, to forget a token that has expired.
    """

    def __init__(
        self, rules: TokenRules, keys: TokenKeys, now: Callable[[], float] = time.time
    ) -> None:
        self.keys = keys
        self._rules = rules
        self._now = now
        self._remembered: dict[str, tuple[Caller, float]] = {}
        self._by: KeySet | None = None

    def caller(self, token: bytes, digest: str) -> Caller:
        """Whose token this is.

        Parameters
        ----------
        token : bytes
        digest : str
            Its SHA-256, under which it is remembered.

        Raises
        ------
        Problem
            401: not a good token; 503: no key of the issuer is known yet.
        """
        keys = self.keys.current()
        if keys is not self._by:  # a key taken out of the set verifies nothing any longer
            self._remembered.clear()
            self._by = keys
        known = self._remembered.get(digest)
        if known is not None and self._now() < known[1]:
            return known[0]
        claims = verified(token, self._rules, self.keys, ("exp", "iss", "aud"))
        caller = _caller(claims, self._rules)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = caller, float(claims["exp"]) + LEEWAY_SECONDS
        return caller


def verified(
    token: bytes, trust: TokenRules, known: TokenKeys, required: tuple[str, ...]
) -> Claims:
    """Claims of a token that its issuer signed for this audience, and that has not expired.

    Parameters
    ----------
    token : bytes
    trust : TokenRules
    known : TokenKeys
    required : tuple of str
        Claims that must be there.

    Raises
    ------
    Problem
        401: not a good token; 503: no key of the issuer is known yet.
    """
    keys = known.current()
    if not keys:
        known.missed()
        msg = "The keys of the token issuer are not known yet."
        raise unavailable(msg, retry_after_seconds=RETRY_SECONDS)
    try:
        key = _key(_header(token), keys, known)
        return jwt.decode(
            token,
            key.key,
            algorithms=list(key.algorithms),
            issuer=trust.issuer,
            audience=trust.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": list(required)},
        )
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError) as error:
        raise not_valid(_WHY.get(type(error), "")) from None


def _key(header: Mapping[str, Any], keys: KeySet, known: TokenKeys) -> PublicKey:
    name = header.get("kid", "")
    if not isinstance(name, str):
        raise jwt.InvalidTokenError
    if not name and len(keys) == 1:
        return next(iter(keys.values()))
    if name not in keys:
        known.missed()
        raise jwt.InvalidTokenError
    return keys[name]


def not_valid(detail: str = "") -> Problem:
    """Return the problem of a token that does not open anything."""
    challenge = 'Bearer realm="homeward", error="invalid_token"'
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def _header(token: bytes) -> dict[str, Any]:
    if len(token) > MOST_BYTES:
        raise jwt.InvalidTokenError
    header = jwt.get_unverified_header(token)
    if "crit" in header or str(header.get("typ", "JWT")).lower() not in _KINDS:
        raise jwt.InvalidTokenError
    return header


def _caller(claims: Mapping[str, Any], rules: TokenRules) -> Caller:
    """Name, scopes and sites that a verified token gives."""
    names = (claims.get(claim) for claim in ("client_id", "azp", "appid", "sub"))
    name = next((name for name in names if name is not None), None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise not_valid("The token names no client.")
    scopes = {scope for claim in ("scope", "scp", "roles") for scope in _words(claims.get(claim))}
    sites = None
    if rules.sites_claim is not None:
        listed = frozenset(_words(claims.get(rules.sites_claim)))
        sites = None if ALL_SITES in listed else listed
    known = frozenset(scope for scope in Scope if scope.value in scopes)
    return Caller(NAME_PREFIX + name, known, sites)


def _words(claim: object) -> list[str]:
    """Words of a claim, be it one text or a list of texts.

    >>> _words("scores events"), _words(["scores"]), _words(None), _words([1])
    (['scores', 'events'], ['scores'], [], [])
    """
    if isinstance(claim, str):
        return claim.split()
    if isinstance(claim, list):
        return [word for word in claim if isinstance(word, str)]
    return []
