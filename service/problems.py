"""The one door for failures: a table of problems and the document each becomes (RFC 9457).

A problem tells what is wrong and where, by names we own and by positions. It never repeats a value
that was sent, nor the name of a field we do not know: either may be a patient's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status and its fixed words."""

    status: int
    slug: str
    title: str
    usual: str

    @property
    def type(self) -> str:
        """Identifier of the kind, stable for programs."""
        return f"urn:homeward:problem:{self.slug}"


KINDS: Final[Mapping[int, Kind]] = MappingProxyType(
    {
        kind.status: kind
        for kind in (
            Kind(401, "unauthenticated", "No valid credentials", "Send a valid API key or token."),
            Kind(403, "forbidden", "Not allowed", "The credentials do not allow this."),
            Kind(404, "not-found", "Not found", "There is nothing at this address."),
            Kind(405, "method-not-allowed", "Method not allowed", "See the Allow header."),
            Kind(408, "timeout", "Request took too long", "The body did not arrive in time."),
            Kind(412, "precondition", "Not enough was sent", "Send what the service asks for."),
            Kind(413, "too-large", "Request too large", "Send fewer spells in a request."),
            Kind(415, "media-type", "Unsupported media type", "Send application/json, unencoded."),
            Kind(422, "invalid", "Request cannot be used", "See errors for what and where."),
            Kind(429, "too-many", "Too many requests", "Try again after Retry-After seconds."),
            Kind(500, "fault", "Fault of the service", "Nothing was answered; it is logged."),
            Kind(503, "unavailable", "Not available now", "Try again after Retry-After seconds."),
        )
    }
)


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with a request."""

    pointer: str
    """JSON pointer into the body (RFC 6901, as a URI fragment), or ``?name`` of a query field."""
    detail: str


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: tuple[Fault, ...] = ()


class Problem(Exception):
    """A request ends here.

    Parameters
    ----------
    status : int
        One of ``KINDS``.
    detail : str, optional
        One sentence in place of the usual one.
    faults : sequence of Fault
    headers : mapping of str to str
        Added to the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = KINDS[status]
        self.detail = detail or self.kind.usual
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    def document(self, request_id: str) -> bytes:
        """Body of the answer."""
        return msgspec.json.encode(
            ProblemDocument(
                type=self.kind.type,
                title=self.kind.title,
                status=self.kind.status,
                detail=self.detail,
                request_id=request_id,
                errors=self.faults,
            )
        )


def unavailable(detail: str, *, retry_after_seconds: int) -> Problem:
    """Return the problem of a service that cannot answer now and will again."""
    return Problem(503, detail, headers={"Retry-After": str(retry_after_seconds)})
