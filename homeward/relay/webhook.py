"""A webhook: a signed POST, by the Standard Webhooks specification 1.0.

It says who is meant and which score, never what the score says: the receiver asks for that with its
own credentials, so who may know what is decided in one place.

References
----------
https://www.standardwebhooks.com: headers, signature, secret and answers.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from feature_store.errors import BadInput
from homeward.relay.tracker import Kind, Notice, Outcome, Reply

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the mark of one, not one
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
ANSWER_SECONDS: Final = 20.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_GONE: Final = 410
_LONGEST_ASKED: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver.

    Parameters
    ----------
    name : str
    url : str
        https, or http to this machine.
    secrets : sequence of bytes
        It is signed with each, so that a secret can be replaced while both are good.
    kinds : frozenset of Kind
    sites : frozenset of str or None
        Of whose spells it is told; None for all.
    clock : callable
        Seconds since 1970.

    Raises
    ------
    BadInput
        Another kind of address.
    """

    name: str
    url: str
    secrets: Sequence[bytes] = field(repr=False)
    kinds: frozenset[Kind] = frozenset({Kind.HIGH, Kind.RISING, Kind.WITHDRAWN})
    sites: frozenset[str] | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Refuse an address that anybody on the way can read, or that carries a password."""
        address = urlsplit(self.url)
        is_near = address.scheme == "http" and address.hostname in _LOOPBACK
        if (address.scheme != "https" and not is_near) or not address.hostname:
            msg = f"{self.name}: an https address expected (http only to this machine)"
            raise BadInput(msg)
        if address.username or address.password or address.fragment:
            msg = f"{self.name}: an address without user, password and fragment expected"
            raise BadInput(msg)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines hold addresses

    def wants(self, notice: Notice) -> bool:
        """Whether kind and site are this receiver's."""
        is_ours = self.sites is None or notice.spell_id is None or notice.site in self.sites
        return notice.kind in self.kinds and is_ours

    def tell(self, notice: Notice) -> Reply:
        """Send once; redirects are not followed, and an answer's body is not read."""
        body = content_of(notice)
        headers = signed(notice.notice_id, round(self.clock()), body, self.secrets)
        try:
            with (
                httpx.Client(timeout=ANSWER_SECONDS, follow_redirects=False) as client,
                client.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                return _reply(answer.status_code, answer.headers.get("Retry-After", ""))
        except httpx.HTTPError as error:
            return Reply(Outcome.AGAIN, type(error).__name__)


def content_of(notice: Notice) -> bytes:
    """Body of a notice, the same at every attempt."""
    data = {"spell_id": notice.spell_id, "score_id": notice.score_id}
    told = {name: value for name, value in data.items() if value is not None}
    return msgspec.json.encode({"type": notice.kind, "timestamp": notice.at, "data": told})


def signed(notice_id: str, at: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """Headers of a request.

    Parameters
    ----------
    notice_id : str
    at : int
        Seconds since 1970 of this attempt: a receiver refuses old ones, which may be replayed.
    body : bytes
    secrets : sequence of bytes
    """
    content = b".".join((notice_id.encode(), str(at).encode(), body))
    made = (base64.b64encode(hmac.digest(secret, content, "sha256")) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": "homeward",
        "webhook-id": notice_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature.decode()}" for signature in made),
    }


def _reply(status: int, retry_after: str) -> Reply:
    why = f"HTTP {status}"
    if 200 <= status < 300:  # noqa: PLR2004 - success, in HTTP
        return Reply(Outcome.TAKEN, why)
    if status == _GONE:  # the only answer that says: never again
        return Reply(Outcome.REFUSED, why)
    asked = float(retry_after) if retry_after.isdigit() else 0.0
    return Reply(Outcome.AGAIN, why, min(asked, _LONGEST_ASKED))


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """Secrets of a receiver, one a line: ``whsec_`` and 24 to 64 bytes in base64.

    Raises
    ------
    BadInput
        No such file, others than its owner can read it, or its lines are not such secrets.
    """
    try:
        open_to = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: a file of secrets expected ({type(error).__name__})"
        raise BadInput(msg) from None
    if open_to:
        msg = f"{path.name}: a file that only its owner can read expected; chmod 600 it"
        raise BadInput(msg)
    secrets = tuple(filter(None, map(_secret, lines)))
    if not lines or len(secrets) < len(lines):
        msg = (
            f"{path.name}: lines of {SECRET_PREFIX} and {SHORTEST_SECRET} to {LONGEST_SECRET} bytes"
            " in base64 expected; docs/trackers.md shows how to make one"
        )
        raise BadInput(msg)
    return secrets


def _secret(line: str) -> bytes | None:
    try:
        secret = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return None
    fits = SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET
    return secret if fits and line.startswith(SECRET_PREFIX) else None
