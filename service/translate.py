"""Wire to domain and back, nowhere else.

Every spell of a request is a patient of its own here: what was sent with one spell is never history
of another, so its score does not depend on what else was in the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import UNSET

from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.snapshots import Snapshots
from feature_store.vocabulary import FAMILIES, SPELL_END, SPELL_START, family_of, value_of
from models.forecast import Forecast, Refusal
from service import wire
from service.identifiers import new_score_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from service.columns import Columns

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_MARKS: Final = frozenset({SPELL_START, SPELL_END})

NOT_ADMITTED: Final = Refusal(
    "not_admitted", f"no {SPELL_START} of this spell known by the prediction time"
)
TWO_STARTS: Final = Refusal("bad_value", f"more than one {SPELL_START} carries this spell_id")
DISCHARGED: Final = Refusal(
    "already_discharged", f"{SPELL_END} of this spell is known by the prediction time"
)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A request as the models understand it.

    Parameters
    ----------
    events : Events
        Subject and spell are the position of the spell in the request.
    snapshots : Snapshots
        Of the spells that can be asked about.
    asked : list of int
        Their positions in the request.
    refused : dict of int to Refusal
        The other positions.
    ignored : list of int
        For every spell, events that happened or were recorded after the prediction time.
    age_seconds : list of float
        For every spell, time since the newest event used; NaN without one.
    """

    events: Events
    snapshots: Snapshots
    asked: list[int]
    refused: dict[int, Refusal]
    ignored: list[int]
    age_seconds: list[float]


def to_question(request: wire.ScoresRequest, columns: Columns) -> Question:
    """Events and snapshots of a request, with what cannot be asked set apart."""
    now = microseconds(request.prediction_time)
    events = _events(request.spells, columns)
    visible = events.visible_at
    late = visible > now
    refused = _bad_values(events, ~late)
    starts: list[int] = []
    asked: list[int] = []
    for position, spell in enumerate(request.spells):
        start = _admission(spell, request.prediction_time)
        if isinstance(start, Refusal):
            refused[position] = start
        elif position not in refused:
            asked.append(position)
            starts.append(microseconds(start))
    at = np.array(asked, np.int64)
    size = len(request.spells)
    return Question(
        events=events,
        snapshots=Snapshots(at, at, np.array(starts, np.int64), np.full(at.size, now, np.int64)),
        asked=asked,
        refused=refused,
        ignored=np.bincount(events.subject_id[late], minlength=size).tolist(),
        age_seconds=_ages(np.where(late, NO_TIME, visible), columns.sizes, now),
    )


# ---- events --------------------------------------------------------------------------------------


def _events(spells: list[wire.Spell], columns: Columns) -> Events:
    return Events.build(
        subject_id=np.repeat(np.arange(len(spells)), columns.sizes),
        time=[microseconds(moment) if moment else NO_TIME for moment in columns.time],
        code=columns.code,
        numeric_value=[
            np.nan if value is None or value is UNSET else value for value in columns.numeric_value
        ],
        spell_id=_owners(spells, columns),
        recorded_at=[microseconds(moment) if moment else NO_TIME for moment in columns.recorded_at]
        if any(columns.recorded_at)
        else None,
    )


def _owners(spells: list[wire.Spell], columns: Columns) -> list[int] | None:
    """Spell of each event: this one, an earlier one, or unsaid (the time decides, in features)."""
    if not any(columns.spell_id):
        return None
    owners: list[int] = []
    for position, rows in enumerate(columns.slices()):
        numbers: dict[object, int] = {UNSET: NO_SPELL, None: NO_SPELL}
        numbers[spells[position].spell_id] = position
        for spell_id in columns.spell_id[rows]:
            number = numbers.get(spell_id)
            if number is None:  # another spell of this patient; only that it is another matters
                number = numbers[spell_id] = len(spells) + len(numbers)
            owners.append(number)
    return owners


def microseconds(moment: datetime) -> int:
    """Moment as the events know it: microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(microseconds_since: int) -> datetime:
    """Moment of so many microseconds since 1970 in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds_since)


def _ages(seen: NDArray[np.int64], sizes: list[int], now: int) -> list[float]:
    """Seconds since the newest event seen of each spell; NaN without one."""
    newest = np.full(len(sizes), NO_TIME, np.int64)
    counts = np.array(sizes)
    filled = counts > 0  # reduceat would give a spell without events its neighbour's
    if seen.size:
        newest[filled] = np.maximum.reduceat(seen, (np.cumsum(counts) - counts)[filled])
    return [
        float("nan") if moment == NO_TIME else (now - moment) / _SECOND
        for moment in newest.tolist()
    ]


# ---- what cannot be asked ------------------------------------------------------------------------


def _admission(spell: wire.Spell, now: datetime) -> datetime | Refusal:
    """Start of a spell as known at ``now``.

    A start that names this spell decides; else the latest that names none, for earlier ones are the
    patient's history.
    """
    named, unnamed, ends = [], [], []
    for event, moment in _known_marks(spell, now):
        mine, nobodys = event.spell_id == spell.spell_id, not event.spell_id
        if event.code == SPELL_END and (mine or nobodys):
            ends.append(moment)
        elif mine:
            named.append(moment)
        elif nobodys:
            unnamed.append(moment)
    if len(set(named)) > 1:
        return TWO_STARTS
    start = max(named or unnamed, default=None)
    if start is None:
        return NOT_ADMITTED
    return DISCHARGED if any(end >= start for end in ends) else start


def _known_marks(spell: wire.Spell, now: datetime) -> Iterator[tuple[wire.Event, datetime]]:
    for event in spell.events:
        if event.code not in _MARKS or event.time is None:
            continue
        if event.time <= now and (event.recorded_at or event.time) <= now:
            yield event, event.time


@lru_cache(maxsize=4096)
def _limits(code: str) -> tuple[float, float]:
    """Plausible range of a code's number; an empty one for a value outside its value set."""
    family = FAMILIES.get(family_of(code))
    if family is None:
        return -np.inf, np.inf
    if family.values and value_of(code) not in family.values:
        return np.inf, -np.inf
    return family.low, family.high


def _bad_values(events: Events, known: NDArray[np.bool_]) -> dict[int, Refusal]:
    """Refuse a spell with a value that its family cannot take: a slip of the feed, not a fact."""
    limits = np.array([_limits(code) for code in events.codes]).reshape(-1, 2)
    low, high = limits[events.code].T
    value = events.numeric_value
    bad = (value < low) | (value > high) | (low > high)
    refused: dict[int, Refusal] = {}
    for row in np.flatnonzero(bad & known).tolist() if bad.any() else ():
        position = int(events.subject_id[row])
        if position not in refused:
            family = family_of(events.codes[events.code[row]])  # a name of our vocabulary
            refused[position] = Refusal(
                "bad_value", f"a value of {family} outside its value set or plausible range"
            )
    return refused


# ---- and back ------------------------------------------------------------------------------------


def to_score(
    forecast: Forecast, spell: wire.Spell, prediction_time: datetime, *, ignored: int
) -> wire.Score:
    """Forecast as it goes over the wire, under an identifier of its own."""
    days = forecast.discharge_day
    return wire.Score(
        score_id=new_score_id(),
        spell_id=spell.spell_id,
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
