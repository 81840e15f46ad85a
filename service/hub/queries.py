"""Fields of a query: known ones, each once, well formed; what was sent is never repeated."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl

import msgspec

from feature_store.clock import to_microseconds
from models.scoring import TOP_REASONS
from service.identifiers import is_opaque
from service.problems import Fault, Problem
from service.reading import FIRST_YEAR, LAST_YEAR
from service.wire import Moment

MOST_ENTRIES: Final = 5000
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller asks of the live store.

    Parameters
    ----------
    at : int or None
        UTC microseconds; None for now.
    site, ward : str or None
    limit : int or None
    reasons : int or None
        How many; None for all.
    """

    at: int | None = None
    site: str | None = None
    ward: str | None = None
    limit: int | None = None
    reasons: int | None = TOP_REASONS


def read_query(query: bytes, known: Collection[str], *, now: int) -> Wanted:
    """Read the query of a request.

    Parameters
    ----------
    query : bytes
    known : collection of str
        Fields that this address takes.
    now : int
        UTC microseconds; no moment ahead of it can be asked about.

    Raises
    ------
    Problem
        422.
    """
    given = _fields(query, known)
    return Wanted(
        at=_moment(given["at"], now) if "at" in given else None,
        site=_text("site", given["site"]) if "site" in given else None,
        ward=_text("ward", given["ward"]) if "ward" in given else None,
        limit=_number("limit", given["limit"]) if "limit" in given else None,
        reasons=_reasons(given.get("reasons")),
    )


def _fields(query: bytes, known: Collection[str]) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=8, errors="strict"
        )
    except ValueError:
        pairs = [("", "")]
    if len({name for name, _ in pairs}) < len(pairs) or not {name for name, _ in pairs} <= set(
        known
    ):
        raise _wrong("", f"no field but {', '.join(known)} expected, and each once")
    return dict(pairs)


def _moment(text: str, now: int) -> int:
    # A plus sign that was not escaped arrives as a space: it can have meant nothing else here.
    try:
        moment = msgspec.convert(text.replace(" ", "+"), Moment)
    except msgspec.ValidationError:
        raise _wrong("at", "a moment as RFC 3339 text with an offset expected") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR or to_microseconds(moment) > now:
        raise _wrong("at", f"a moment from {FIRST_YEAR} to now expected")
    return to_microseconds(moment)


def _text(name: str, text: str) -> str:
    if not 0 < len(text) <= _LONGEST or not is_opaque(text):
        raise _wrong(name, f"1 to {_LONGEST} characters without control characters expected")
    return text


def _number(name: str, text: str) -> int:
    limit = Annotated[int, msgspec.Meta(ge=1, le=MOST_ENTRIES)]
    try:
        return msgspec.convert(text, limit, strict=False)
    except msgspec.ValidationError:
        raise _wrong(name, f"a whole number from 1 to {MOST_ENTRIES} expected") from None


def _reasons(text: str | None) -> int | None:
    if text not in {None, "all"}:
        raise _wrong("reasons", "all expected, or no such field")
    return TOP_REASONS if text is None else None


def _wrong(name: str, expected: str) -> Problem:
    return Problem(422, faults=[Fault(f"?{name}", expected)])
