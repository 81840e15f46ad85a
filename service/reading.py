"""Bytes of a request to a checked ``Sheet``, or a problem that repeats nothing sent."""

from __future__ import annotations

import json
import re
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from service.identifiers import is_opaque, looks_like_nhs_number
from service.kernel import DOUBTFUL_IDENTIFIER, READ
from service.problems import Fault, Problem
from service.sheet import RequestRead, Sheet, read_sheet
from service.wire import Event, ScoresRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from service.wire_live import LiveEvent

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
MOST_FAULTS: Final = 20
_YEARS: Final = f"a moment from {FIRST_YEAR} to {LAST_YEAR} expected"
_ANOTHER: Final = "another value expected"
_NO_JSON: Final = Fault("#", "well-formed JSON in UTF-8 expected")
_NO_CONTROLS: Final = "text without control characters expected"

Read = TypeVar("Read")

_decode = msgspec.json.Decoder(ScoresRequest).decode
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([a-z_]+)|\[(\d+)\]")


def read_scores_request(body: bytes) -> Sheet:
    """Read and check one request; of several see :func:`read_requests`.

    Raises
    ------
    Problem
        422, with what is wrong and where.
    """
    sheet, wrong = read_requests([body])
    if wrong:
        raise wrong[0]
    return sheet


def read_requests(bodies: Sequence[bytes]) -> tuple[Sheet, dict[int, Problem]]:
    """Read and check requests, each as if it were alone.

    The kernel reads them, each whole or not at all; what is wrong with one that it does not take is
    found by reading that one again, slowly.

    Returns
    -------
    sheet : Sheet
    wrong : dict of int to Problem
        422, with what is wrong and where, of each request that cannot be used; nor can what the
        sheet holds of it.
    """
    sheet = read_sheet(bodies)
    wrong = {
        place: _problem_of(bodies[place])
        for place, request in enumerate(sheet.requests)
        if not _may_be_used(sheet, request)
    }
    doubtful = (place for place in wrong if sheet.requests[place].verdict == DOUBTFUL_IDENTIFIER)
    if fine := {place for place in doubtful if wrong[place] is None}:
        sheet = read_sheet(bodies, trusted=fine)
    return sheet, {
        place: problem or Problem(422, faults=[Fault("#", _ANOTHER)])
        for place, problem in wrong.items()
        if place not in fine
    }


def _may_be_used(sheet: Sheet, request: RequestRead) -> bool:
    if request.verdict != READ:
        return False
    names = sheet.spell_ids[request.first : request.first + request.spells]
    return len(set(names)) == len(names)


def _problem_of(body: bytes) -> Problem | None:
    """What is wrong with a request, as far as it is told."""
    try:
        request = read_json(body, _decode)
    except Problem as problem:
        return problem
    faults = list(islice(_faults(request), MOST_FAULTS))
    return Problem(422, faults=faults) if faults else None


def read_json(body: bytes, decode: Callable[[bytes], Read]) -> Read:
    """Read a small request by a decoder of its type; every key once.

    Raises
    ------
    Problem
        422, with what is wrong and where.
    """
    request = decode_strictly(body, decode)
    _refuse_repeats(body)
    return request


def check_moment(moment: datetime, place: str) -> None:
    """Refuse a moment of another century, which no computer of a hospital can have meant.

    Raises
    ------
    Problem
        422.
    """
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise Problem(422, faults=[Fault(place, _YEARS)])


def decode_strictly(body: bytes, decode: Callable[[bytes], Read]) -> Read:
    """Decode JSON by a decoder of its type; a key may yet be there twice.

    Raises
    ------
    Problem
        422, with what is wrong and where.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise Problem(422, faults=[_fault(str(error))]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(422, faults=[_NO_JSON]) from None


# ---- what the decoder found ----------------------------------------------------------------------

_EXPECTED: Final = (
    # Its messages name types and lengths of ours; what it quotes of the sender's is dropped here.
    (re.compile(r"Object contains unknown field"), "a field that is not known; see /docs"),
    (re.compile(r"Object missing required field `(\w+)`"), "the field {0} is missing"),
    (re.compile(r"Invalid RFC3339"), "a moment as RFC 3339 text expected"),
    (re.compile(r"Expected `datetime` with a timezone"), "a moment with an offset expected"),
    (
        re.compile(r"Expected `([\w |]+)` of length (>=|<=) (\d+)"),
        "{0} of length {1} {2} expected",
    ),
    (re.compile(r"Expected `(\w+)` (>=|<=) (-?[\d.e+]+)"), "{0} {1} {2} expected"),
    (re.compile(r"Expected `([\w |]+)`, got `(\w+)`"), "{0} expected, got {1}"),
    (re.compile(r"Number out of range"), "a number within range expected"),
)


def _fault(message: str) -> Fault:
    found = _PLACE.fullmatch(message)
    what, path = (found["what"], found["path"] or "") if found else ("", "")
    for pattern, words in _EXPECTED:
        match = pattern.match(what)
        if match:
            return Fault(_pointer(path), words.format(*match.groups()))
    return Fault(_pointer(path), _ANOTHER)


def _pointer(path: str) -> str:
    """JSON pointer of a decoder's path; it holds names of our fields and positions only."""
    return "#" + "".join(f"/{name or position}" for name, position in _STEP.findall(path))


# ---- repeated keys -------------------------------------------------------------------------------


def refuse_repeated_keys(body: bytes, *, texts: int) -> None:
    """Refuse a JSON object with a key twice: decoders silently let the last one win.

    What was decoded tells how many JSON strings there must have been, keys and values, and each
    has two quotes. A repeated key makes more of them, unless escapes blur the count; counting
    quotes is a hundred times faster than parsing again, which is done only if the count differs.
    """
    if b"\\" not in body and body.count(b'"') == 2 * texts:
        return
    _refuse_repeats(body)


def _refuse_repeats(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_without_repeats)
    except _RepeatedKey:
        fault = Fault("#", "every key once in its object expected, found one repeated")
        raise Problem(422, faults=[fault]) from None
    except ValueError:  # in a field that the decoder passed by: broken text, a number without end
        raise Problem(422, faults=[_NO_JSON]) from None


class _RepeatedKey(ValueError):
    pass


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _RepeatedKey


# ---- what types cannot say -----------------------------------------------------------------------


def _faults(request: ScoresRequest) -> Iterator[Fault]:
    if not FIRST_YEAR <= request.prediction_time.year <= LAST_YEAR:
        yield Fault("#/prediction_time", _YEARS)
    seen: set[str] = set()
    for position, spell in enumerate(request.spells):
        place = f"#/spells/{position}"
        yield from identifier_faults(spell.spell_id, f"{place}/spell_id")
        yield from identifier_faults(spell.subject_id, f"{place}/subject_id")
        if spell.spell_id in seen:
            yield Fault(f"{place}/spell_id", "each spell once expected, found one repeated")
        seen.add(spell.spell_id)
        for row, event in enumerate(spell.events):
            yield from _event_faults(event, f"{place}/events/{row}")


def _event_faults(event: Event, place: str) -> Iterator[Fault]:
    if isinstance(event.spell_id, str):
        yield from identifier_faults(event.spell_id, f"{place}/spell_id")
    if not is_opaque(event.code):
        yield Fault(f"{place}/code", _NO_CONTROLS)
    yield from year_faults(event, place)


def year_faults(event: Event | LiveEvent, place: str) -> Iterator[Fault]:
    """Moments of an event that lie outside the years which can be meant."""
    for name in ("time", "recorded_at"):
        moment = getattr(event, name)
        if isinstance(moment, datetime) and not FIRST_YEAR <= moment.year <= LAST_YEAR:
            yield Fault(f"{place}/{name}", _YEARS)


def identifier_faults(text: str, place: str) -> Iterator[Fault]:
    """What is wrong with an identifier: control characters, the shape of an NHS number."""
    if not is_opaque(text):
        yield Fault(place, _NO_CONTROLS)
    elif looks_like_nhs_number(text):
        yield Fault(place, "another identifier expected: this has the shape of an NHS number")
