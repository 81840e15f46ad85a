"""Wire to domain and back, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.events import NO_TIME
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import SPELL_END, SPELL_START, family_of
from models.forecast import Forecast, Refusal
from service import wire
from service.identifiers import new_score_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.sheet import Sheet

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000

NOT_ADMITTED: Final = Refusal(
    "not_admitted", f"no {SPELL_START} of this spell known by the prediction time"
)
TWO_STARTS: Final = Refusal("bad_value", f"more than one {SPELL_START} carries this spell_id")
DISCHARGED: Final = Refusal(
    "already_discharged", f"{SPELL_END} of this spell is known by the prediction time"
)


VERDICTS: Final = (None, NOT_ADMITTED, TWO_STARTS, DISCHARGED, None)
"""What the kernel finds of a spell: it can be asked about; why not; a value that cannot be."""

_BAD_VALUE: Final = 4
Place = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A request as the models understand it.

    Parameters
    ----------
    sheet : Sheet
    snapshots : Snapshots
        Of the spells that can be asked about.
    asked : list of int
        Their positions in the request.
    places : list of (str or None, str or None)
        Their last known sites and wards; of several at once the last sent. Only what was said of
        the spell itself counts, not the patient's history.
    refused : dict of int to Refusal
        The other positions.
    """

    sheet: Sheet
    snapshots: Snapshots
    asked: list[int]
    places: list[Place]
    refused: dict[int, Refusal]

    def ages(self) -> Iterator[float]:
        """Seconds since the newest event used, of each spell asked about that has one."""
        for position in self.asked:
            newest = self.sheet.spells[position].newest
            if newest != NO_TIME:
                yield (self.sheet.now - newest) / _SECOND


def to_question(sheet: Sheet) -> Question:
    """Snapshots of a request, with what cannot be asked set apart."""
    book, refused = sheet.book, {}
    asked: list[int] = []
    places: list[Place] = []
    for position, spell in enumerate(sheet.spells):
        if not spell.verdict:
            asked.append(position)
            places.append((book.value(spell.site), book.value(spell.ward)))
        else:
            refused[position] = VERDICTS[spell.verdict] or _bad_value(book.names[spell.bad_code])
    at = np.array(asked, np.int64)
    starts = np.array([sheet.spells[position].start for position in asked], np.int64)
    snapshots = Snapshots(at, at, starts, np.full(at.size, sheet.now, np.int64))
    return Question(sheet, snapshots, asked, places, refused)


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
