"""Wire to domain and back, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.events import NO_TIME
from feature_store.snapshots import Snapshots
from feature_store.spells import EARLIEST_STAY
from feature_store.vocabulary import SPELL_END, SPELL_START, family_of
from models.forecast import Forecast, Refusal
from service import wire
from service.identifiers import new_score_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.sheet import RequestRead, Sheet

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000

NOT_ADMITTED: Final = Refusal(
    "not_admitted", f"no {SPELL_START} of this spell known by the prediction time"
)
TWO_STARTS: Final = Refusal("bad_value", f"more than one {SPELL_START} carries this spell_id")
OTHER_SITE: Final = Refusal(
    "other_site", "the last SITE of this spell is not one that these credentials cover"
)
TOO_LONG_AGO: Final = Refusal("bad_value", f"a {SPELL_START} before 1990: a clock at its zero")
DISCHARGED: Final = Refusal(
    "already_discharged", f"{SPELL_END} of this spell is known by the prediction time"
)


VERDICTS: Final = (None, NOT_ADMITTED, TWO_STARTS, DISCHARGED, None)
"""What the kernel finds of a spell: it can be asked about; why not; a value that cannot be."""

_BAD_VALUE: Final = 4
Place = tuple[str | None, str | None]
Sites = frozenset[str] | None


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Requests as the models understand them.

    Parameters
    ----------
    sheet : Sheet
    snapshots : Snapshots
        Of the spells that can be asked about.
    asked : list of int
        Their positions in the sheet.
    places : dict of int to (str or None, str or None)
        Their last known sites and wards; of several at once the last sent. Only what was said of
        the spell itself counts, not the patient's history.
    refused : dict of int to Refusal
        The other positions.
    """

    sheet: Sheet
    snapshots: Snapshots
    asked: list[int]
    places: dict[int, Place]
    refused: dict[int, Refusal]

    def ages(self, request: RequestRead) -> list[float]:
        """Seconds since the newest event used, of each spell asked about that has one."""
        ages = []
        for position in range(request.first, request.first + request.spells):
            newest = self.sheet.spells[position].newest
            if newest != NO_TIME and position in self.places:
                ages.append((request.now - newest) / _SECOND)
        return ages


def to_question(sheet: Sheet, sites: Sequence[Sites]) -> Question:
    """Snapshots of requests, with what cannot be asked set apart.

    Parameters
    ----------
    sheet : Sheet
    sites : sequence of (frozenset of str or None)
        Of each request the sites whose patients may be asked about; None for all.
    """
    book, spells = sheet.book, sheet.spells
    refused: dict[int, Refusal] = {}
    places: dict[int, Place] = {}
    columns: list[tuple[int, int, int]] = []
    for request, seen in zip(sheet.requests, sites, strict=True):
        for position in range(request.first, request.first + request.spells):
            spell = spells[position]
            if spell.verdict:
                why = VERDICTS[spell.verdict] or _bad_value(book.names[spell.bad_code])
                refused[position] = why
                continue
            if spell.start < EARLIEST_STAY:
                refused[position] = TOO_LONG_AGO
                continue
            place = book.value(spell.site), book.value(spell.ward)
            if seen is not None and place[0] not in seen:
                refused[position] = OTHER_SITE
                continue
            places[position] = place
            columns.append((position, spell.start, request.now))
    at, starts, now = np.array(columns, np.int64).reshape(-1, 3).T.copy()
    return Question(sheet, Snapshots(at, at, starts, now), list(places), places, refused)


def _bad_value(code: str) -> Refusal:
    """Refuse a spell with a value that its family cannot take: a slip of the feed, not a fact."""
    family = family_of(code)  # a name of our vocabulary
    return Refusal("bad_value", f"a value of {family} outside its value set or plausible range")


def microseconds(moment: datetime) -> int:
    """Moment as the events know it: microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(microseconds_since: int) -> datetime:
    """Moment of so many microseconds since 1970 in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds_since)


# ---- and back ------------------------------------------------------------------------------------


def to_score(
    forecast: Forecast, spell_id: str, prediction_time: datetime, *, ignored: int
) -> wire.Score:
    """Forecast as it goes over the wire, under an identifier of its own."""
    days = forecast.discharge_day
    return wire.Score(
        score_id=new_score_id(),
        spell_id=spell_id,
        prediction_time=prediction_time,
        days_so_far=forecast.days_so_far,
        probability={str(horizon): chance for horizon, chance in forecast.probability.items()},
        band=forecast.band.value,
        discharge_day=wire.DischargeDay(days.p10, days.p50, days.p90),
        probability_of_death_in_hospital=forecast.probability_of_death_in_hospital,
        reasons=list(forecast.reasons),
        base_value=forecast.base_value,
        log_odds=forecast.log_odds,
        missing=list(forecast.missing),
        completeness=forecast.completeness,
        ignored_events=ignored,
    )
