"""``GET /fhir/RiskAssessment``: what may be asked, read strictly; what was sent is not repeated.

A patient is asked for by the name that the caller used when the facts came in, or by the pseudonym
that every RiskAssessment carries, never by an NHS number: addresses stand in the logs of proxies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from feature_store.clock import to_microseconds
from feature_store.vocabulary import TIME_ZONE
from service.fhir import words
from service.identifiers import Pseudonyms, is_opaque, looks_like_nhs_number
from service.problems import Problem
from service.reading import FIRST_YEAR, LAST_YEAR
from service.wire import Moment

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

MOST_ON_A_PAGE: Final = 200
USUAL_PAGE: Final = 50
PARAMETERS: Final = ("encounter", "patient", "date", "_sort", "_count", "_format", "_offset")
_LONGEST: Final = 64
_MOST_DATES: Final = 2
_FORMATS: Final = frozenset({"json", "application/json", "application/fhir+json"})
_DATE: Final = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}-\d{2}-\d{2})(T.+)?")
_NUMBER: Final = re.compile(r"#?([0-9a-f]{16})")
_ZONE: Final = ZoneInfo(TIME_ZONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One search.

    Parameters
    ----------
    query : dict of str to str or list of str
        As it was asked, without its page.
    spells, subjects : dict of int to str, or None
        Pseudonyms that are meant, with the name that was sent; None: any.
    since, until : int or None
    newest_first : bool
    skip, most : int
    """

    query: dict[str, str | list[str]]
    spells: dict[int, str] | None
    subjects: dict[int, str] | None
    since: int | None
    until: int | None
    newest_first: bool
    skip: int
    most: int

    def page(self, skip: int) -> str:
        """Address of a page, relative to the base."""
        pages = {"_count": str(self.most), "_offset": str(skip)}
        return f"RiskAssessment?{urlencode(self.query | pages, doseq=True)}"


def read_search(given: QueryParams, pseudonyms: Pseudonyms) -> Asked:
    """Read the query of a search.

    Raises
    ------
    Problem
        422.
    """
    _check(given)
    spells = subjects = None
    if "encounter" in given:
        spells = _meant(given["encounter"], "Encounter", words.SPELL, pseudonyms.spell)
    if "patient" in given:
        subjects = _meant(given["patient"], "Patient", words.SUBJECT, pseudonyms.subject)
    since, until = _span(given.getlist("date"))
    return Asked(
        query={
            name: given.getlist(name)
            for name in ("encounter", "patient", "date", "_sort")
            if name in given
        },
        spells=spells,
        subjects=subjects,
        since=since,
        until=until,
        newest_first=_newest_first(given.get("_sort", "date")),
        skip=_number(given, "_offset", 0, least=0),
        most=min(_number(given, "_count", USUAL_PAGE, least=1), MOST_ON_A_PAGE),
    )


def _check(given: QueryParams) -> None:
    if set(given) - set(PARAMETERS):
        raise Problem(422, f"No parameter but {', '.join(PARAMETERS)} is supported.")
    for name in set(given):
        most = _MOST_DATES if name == "date" else 1
        if len(given.getlist(name)) > most:
            raise Problem(422, f"{name} expected once, and date twice at most.")
    if not {"encounter", "patient", "date"} & set(given):
        raise Problem(422, "encounter, patient or date expected.")
    if given.get("_format", "json") not in _FORMATS:
        raise Problem(422, "_format expected as json: there is no other.")


def _meant(text: str, kind: str, system: str, pseudonym: Callable[[str], int]) -> dict[int, str]:
    """Pseudonyms of whom a text can mean: with the type of the resource before it and without."""
    name = text.removeprefix(f"{system}|")
    bare = name.removeprefix(f"{kind}/")
    if not bare or len(bare) > _LONGEST or not is_opaque(name):
        msg = f"{kind.lower()} expected: a name as it was sent, of 1 to {_LONGEST} characters."
        raise Problem(422, msg)
    if any(looks_like_nhs_number(part) for part in re.split(r"[|/]", name)):
        msg = (
            "Another name expected: this has the shape of an NHS number, which must not stand in "
            f"an address. Every RiskAssessment has a pseudonym to search by ({words.SUBJECT}|...)."
        )
        raise Problem(422, msg)
    meant = {pseudonym(one): name for one in (name, bare, f"{kind}/{bare}")}
    number = _NUMBER.fullmatch(bare)
    return meant | ({int(number[1], 16): name} if number else {})


def _span(dates: Sequence[str]) -> tuple[int | None, int | None]:
    """From when and until before when, of one or two dates with a prefix each."""
    since: list[int] = []
    until: list[int] = []
    for text in dates:
        how, first, end = _day(text)
        if how in {"eq", "ge"}:
            since.append(first)
        if how in {"eq", "le"}:
            until.append(end)
        if how == "gt":
            since.append(end)
        if how == "lt":
            until.append(first)
    return max(since, default=None), min(until, default=None)


def _day(text: str) -> tuple[str, int, int]:
    """Prefix of a date, and from when to before when it lasts: a day of the ward, or a moment."""
    found = _DATE.fullmatch(text.replace(" ", "+"))  # a plus sign that was not escaped
    if found is None or not FIRST_YEAR <= int(found[2][:4]) <= LAST_YEAR:
        raise _no_date()
    how = found[1] or "eq"
    try:
        if found[3]:
            moment = to_microseconds(msgspec.convert(found[2] + found[3], Moment))
            return how, moment, moment + 1
        day = date.fromisoformat(found[2])
    except (ValueError, msgspec.ValidationError):
        raise _no_date() from None
    return how, _midnight(day), _midnight(day + timedelta(days=1))


def _no_date() -> Problem:
    msg = "date expected as YYYY-MM-DD or a moment with an offset; eq, ge, gt, le or lt before."
    return Problem(422, msg)


def _midnight(day: date) -> int:
    return to_microseconds(datetime.combine(day, time(), _ZONE))


def _newest_first(text: str) -> bool:
    if text not in {"date", "-date"}:
        raise Problem(422, "_sort expected as date or -date.")
    return text == "-date"


def _number(given: QueryParams, name: str, usual: int, *, least: int) -> int:
    text = given.get(name, str(usual))
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < least:
        msg = f"{name} expected: a whole number from {least}."
        raise Problem(422, msg)
    return int(text)
