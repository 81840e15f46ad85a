"""Signing in at a browser: an access key, sealed into a cookie, good for a shift.

The cookie holds the key itself, encrypted, so every request goes through the same door as a
program's: a key that was withdrawn, expired or narrowed is so at once.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken

COOKIE: Final = "homeward"
SHIFT_SECONDS: Final = 12 * 3600
OPEN: Final = "open"
"""What stands for the cookie while the service is open and asks nobody to sign in."""


class Sessions:
    """Seals and opens cookies.

    Parameters
    ----------
    secret : bytes
        32 bytes for this purpose alone; the same in every worker.
    tls : bool
        Whether cookies travel by TLS only.
    """

    def __init__(self, secret: bytes, *, tls: bool) -> None:
        self._secret = secret
        self._fernet = Fernet(base64.urlsafe_b64encode(secret))
        self._tls = tls

    def begin(self, key: str) -> str:
        """Value of the Set-Cookie header that signs a browser in."""
        return self._cookie(self._fernet.encrypt(key.encode()).decode(), SHIFT_SECONDS)

    def end(self) -> str:
        """Value of the Set-Cookie header that signs it out."""
        return self._cookie("", 0)

    def headers(self, sent: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
        """Headers as a program with the same key would have sent them."""
        key = self._key(cookie_of(sent))
        if key is None:
            return sent
        return {**sent, b"authorization": b"Bearer " + key}

    def csrf(self, sent: Mapping[bytes, bytes]) -> str:
        """Text that a form of this session carries and another site cannot know."""
        return hmac.digest(self._secret, (cookie_of(sent) or OPEN).encode(), "sha256").hex()

    def came_from_here(self, sent: Mapping[bytes, bytes], csrf: str) -> bool:
        """Whether a form was sent from a page of ours, in this session."""
        origin = sent.get(b"origin", b"").decode("latin-1")
        host = sent.get(b"host", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host:
            return False
        if sent.get(b"sec-fetch-site", b"same-origin") not in {b"same-origin", b"none"}:
            return False
        return hmac.compare_digest(csrf.encode(), self.csrf(sent).encode())

    def _key(self, cookie: str | None) -> bytes | None:
        if not cookie:
            return None
        try:
            return self._fernet.decrypt(cookie.encode(), ttl=SHIFT_SECONDS)
        except InvalidToken:
            return None

    def _cookie(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self._tls else ""
        return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"


def cookie_of(sent: Mapping[bytes, bytes]) -> str | None:
    """The cookie of a session, if one was sent.

    >>> cookie_of({b"cookie": b"other=1; homeward=abc"}), cookie_of({})
    ('abc', None)
    """
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(sent.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    return jar[COOKIE].value if COOKIE in jar else None
