"""Outcomes by unit and point, counted from stays; a point that is not due is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.impact.measures import Clock, Kind, Measure
from training.impact.panel import Float64, Int64, Panel
from training.impact.stays import NOT_READY, NOWHERE, Intervals, Stays

WINDOW: Final = 90
"""Days over which days at home are counted."""

READMISSION_DAYS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Points of an evaluation.

    Parameters
    ----------
    first : int
        Local day number on which point 0 begins.
    points : int
    days : int
        Length of a point.
    """

    first: int
    points: int
    days: int = 7

    def due(self, measure: Measure, until: int) -> int:
        """How many points are over and followed up by the local day ``until``."""
        known = until - measure.follow_up - self.first
        return int(min(self.points, max(0, known // self.days)))

    def point_of(self, day: Int64) -> Int64:
        """Point of each day; outside 0 to ``points`` for a day outside the period."""
        return (day - self.first) // self.days


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """An outcome as counted.

    Parameters
    ----------
    total, size : ndarray of float64, shape (n_units, n_points)
        Sum of the outcome, and how many it is the sum of: patients, or nights of the point.
    """

    total: Float64
    size: Float64


def count(
    stays: Stays, measure: Measure, calendar: Calendar, *, member: NDArray[np.bool_] | None = None
) -> Counted:
    """Count an outcome of these units over the points that are due.

    Parameters
    ----------
    stays : Stays
    measure : Measure
    calendar : Calendar
    member : ndarray of bool, shape (n_spells,), optional
        Spells of a group; all if left out.
    """
    points = calendar.due(measure, stays.until)
    told = Calendar(first=calendar.first, points=points, days=calendar.days)
    chosen = np.ones(len(stays), bool) if member is None else member
    if measure.kind is Kind.CENSUS:
        beds = census(
            stays, told, nights=measure.nights, waiting=measure.nights == 0, member=chosen
        )
        return Counted(beds, np.full(beds.shape, float(told.days)))
    return _cohort(stays, measure, told, chosen)


def census(
    stays: Stays,
    calendar: Calendar,
    *,
    nights: int = 0,
    waiting: bool = False,
    member: NDArray[np.bool_] | None = None,
) -> Float64:
    """Bed days: midnights spent in each unit in each point; shape (n_units, n_points).

    The midnight at the end of a day is counted to that day.

    Parameters
    ----------
    stays : Stays
    calendar : Calendar
    nights : int
        Count only midnights by which a patient has been in hospital for so many nights.
    waiting : bool
        Count only midnights without criteria to reside.
    member : ndarray of bool, shape (n_spells,), optional
    """
    told = _placed_waits(stays) if waiting else stays.places
    kept = told.unit != NOWHERE
    if member is not None:
        kept &= member[told.row]
    row, last = told.row[kept], told.last[kept]
    first = np.maximum(told.first[kept], stays.admitted[row] + nights - 1)
    days = calendar.points * calendar.days
    begin = np.clip(first - calendar.first, 0, days)
    end = np.clip(last - calendar.first, 0, days)
    steps = np.zeros((len(stays.units), days + 1))
    real = end > begin
    np.add.at(steps, (told.unit[kept][real], begin[real]), 1.0)
    np.add.at(steps, (told.unit[kept][real], end[real]), -1.0)
    nightly = np.cumsum(steps[:, :-1], axis=1)
    return np.asarray(nightly.reshape(len(stays.units), calendar.points, calendar.days).sum(axis=2))


def _placed_waits(stays: Stays) -> Intervals:
    """Waits parted by where the patient was."""
    waits, places = stays.waits, stays.places
    order = np.argsort(places.row, kind="stable")
    begin = np.searchsorted(places.row[order], waits.row, side="left")
    end = np.searchsorted(places.row[order], waits.row, side="right")
    wait = np.repeat(np.arange(waits.row.size), end - begin)
    within = np.arange(wait.size) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
    place = order[begin[wait] + within]
    first = np.maximum(waits.first[wait], places.first[place])
    last = np.minimum(waits.last[wait], places.last[place])
    kept = last > first
    return Intervals(waits.row[wait][kept], first[kept], last[kept], places.unit[place][kept])


def _cohort(
    stays: Stays, measure: Measure, calendar: Calendar, member: NDArray[np.bool_]
) -> Counted:
    begins, value = _begins(stays, measure.clock), _values(stays, measure)
    point = calendar.point_of(begins)
    kept = member & (stays.unit != NOWHERE) & (begins >= 0) & ~np.isnan(value)
    kept &= (point >= 0) & (point < calendar.points)
    shape = (len(stays.units), calendar.points)
    total, size = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (stays.unit[kept], point[kept]), value[kept])
    np.add.at(size, (stays.unit[kept], point[kept]), 1.0)
    return Counted(total, size)


def _begins(stays: Stays, clock: Clock) -> Int64:
    if clock is Clock.ADMITTED:
        return stays.admitted
    if clock is Clock.READY:
        return np.where(stays.ready == NOT_READY, -1, stays.ready)
    return np.where(stays.open | stays.died, -1, stays.left)


def _values(stays: Stays, measure: Measure) -> Float64:
    """Outcome of each spell, right only where it is due; NaN for a spell it does not concern."""
    match measure.name:
        case "ready_delay":
            told = np.minimum(stays.left - stays.ready, measure.follow_up)
        case "length_of_stay":
            told = np.minimum(stays.left - stays.admitted, measure.follow_up)
        case "death_30":
            told = stays.died & (stays.left - stays.admitted <= measure.follow_up)
        case "readmission_30":
            told = _readmitted(stays)
        case "new_care_home":
            told = np.where(stays.from_care_home, np.nan, stays.to_care_home)
        case _:
            told = days_at_home(stays)
    return np.asarray(told, dtype=np.float64)


def _by_subject(stays: Stays) -> tuple[Int64, NDArray[np.bool_]]:
    """Spells of each patient in order of admission; whether the next is of the same patient."""
    order = np.lexsort((stays.left, stays.admitted, stays.subject))
    same = np.zeros(order.size, bool)
    same[:-1] = stays.subject[order][1:] == stays.subject[order][:-1]
    return order.astype(np.int64), same


def _readmitted(stays: Stays) -> NDArray[np.bool_]:
    order, same = _by_subject(stays)
    gap = np.full(order.size, READMISSION_DAYS + 1)
    gap[:-1] = stays.admitted[order][1:] - stays.left[order][:-1]
    back = np.zeros(order.size, bool)
    back[:-1] = stays.emergency[order][1:]
    told = np.zeros(order.size, bool)
    told[order] = same & back & (gap >= 0) & (gap <= READMISSION_DAYS)
    return told


def days_at_home(stays: Stays) -> Float64:
    """Of the 90 days from admission, those not in hospital, not in a new care home, and alive.

    A care home the patient came from is home. A patient discharged to a new one is there until the
    next admission or the end of the window. Deaths outside hospital are not in the data.
    """
    order, same = _by_subject(stays)
    admitted, left = stays.admitted[order], stays.left[order]
    new_home = (stays.to_care_home & ~stays.from_care_home)[order]
    following = np.full(order.size, np.iinfo(np.int64).max)
    following[:-1] = np.where(same[:-1], admitted[1:], following[:-1])
    gone = np.where(stays.died[order], np.iinfo(np.int64).max, np.where(new_home, following, left))
    away_until = np.maximum(gone, left)
    subject = stays.subject[order]
    lost = np.zeros(order.size)
    reached = admitted.copy()
    for ahead in range(_most_spells(subject)):
        here = np.arange(order.size - ahead)
        alike = subject[here] == subject[here + ahead]
        end = admitted[here] + WINDOW
        first = np.maximum(admitted[here + ahead], reached[here])
        last = np.minimum(away_until[here + ahead], end)
        lost[here] += np.where(alike, np.maximum(last - np.minimum(first, end), 0), 0)
        reached[here] = np.where(alike, np.maximum(reached[here], last), reached[here])
    told = np.zeros(order.size)
    told[order] = WINDOW - lost
    return told


def _most_spells(subject: Int64) -> int:
    return int(np.unique(subject, return_counts=True)[1].max(initial=0))


def panel_of(counted: Counted, units: tuple[str, ...], calendar: Calendar, per: Float64) -> Panel:
    """Outcome per size, times ``per`` of each unit: 100 over usual beds, or 1 for a cohort."""
    with np.errstate(invalid="ignore", divide="ignore"):
        values = counted.total / counted.size * per[:, None]
    return Panel(units, calendar.first, calendar.days, values)
