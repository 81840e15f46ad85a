"""The chart of a batch of spells (all that is true of them) and the ledger of what is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from feature_store.clock import HOUR, SECOND
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.simulation.arrivals import Arrivals, moment_of
from feature_store.simulation.chance import Floats, Ints
from feature_store.simulation.effects import Profile
from feature_store.simulation.people import People
from feature_store.simulation.presentation import Presentation
from feature_store.simulation.states import GONE
from feature_store.simulation.trust import Trust
from feature_store.simulation.walk import Stays

MINUTE: Final = 60 * SECOND


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """All that is true of n spells.

    Parameters
    ----------
    trust : Trust
    subject_id, spell_id, end : ndarray of int64, shape (n,)
    who : People
        The person of each spell: n rows.
    arrivals : Arrivals
    seen : Presentation
    profile : Profile
    stays : Stays
    """

    trust: Trust
    subject_id: Ints
    spell_id: Ints
    end: Ints
    who: People
    arrivals: Arrivals
    seen: Presentation
    profile: Profile
    stays: Stays

    def __len__(self) -> int:
        """Return how many spells there are."""
        return int(self.spell_id.size)

    @property
    def rows(self) -> Ints:
        """Every spell."""
        return np.arange(len(self))

    def moment(self, rows: Ints, day: Ints, hour: Floats) -> Ints:
        """UTC moment of an hour of a day of stay."""
        return moment_of(self.arrivals.day[rows] + day, hour)

    def days_in_hospital(self) -> tuple[Ints, Ints, Ints]:
        """Row, day of stay and state of every day of every spell."""
        row, day = np.nonzero(self.stays.state != GONE)
        return (
            row.astype(np.int64),
            day.astype(np.int64),
            self.stays.state[row, day].astype(np.int64),
        )


class Ledger:
    """Collects events column by column; becomes :class:`Events` once.

    Parameters
    ----------
    chart : Chart
    """

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._numbers: dict[str, int] = {}
        self._parts: list[tuple[Ints, Ints, Ints, Floats, Ints, Ints]] = []

    def codes(self, family: str, values: Sequence[str]) -> Ints:
        """Numbers of the codes ``family//value``, in the order of ``values``."""
        return np.array([self._number(f"{family}//{value}") for value in values], dtype=np.int64)

    def write(
        self,
        rows: Ints,
        code: str | Ints,
        time: Ints,
        *,
        value: ArrayLike = np.nan,
        delay: ArrayLike = 0.0,
    ) -> None:
        """Record one event for each of these spells; none after the patient has gone.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
            Spells of the chart.
        code : str or ndarray of int64, shape (m,)
            One code for all, or numbers from :meth:`codes`.
        time : ndarray of int64, shape (m,)
        value : array_like
            ``numeric_value``.
        delay : array_like
            Hours from happening to recording, not negative.
        """
        here = time <= self.chart.end[rows]
        number = np.full(rows.size, self._number(code)) if isinstance(code, str) else code
        hours = np.broadcast_to(np.asarray(delay, dtype=np.float64), rows.shape)
        values = np.broadcast_to(np.asarray(value, dtype=np.float64), rows.shape)
        recorded = time + (hours * (HOUR // SECOND)).astype(np.int64) * SECOND
        subject, spell = self.chart.subject_id[rows], self.chart.spell_id[rows]
        self._parts.append(
            (subject[here], time[here], number[here], values[here], spell[here], recorded[here])
        )

    def write_of_person(self, subject_id: Ints, code: Ints) -> None:
        """Record a fact without a time and outside any spell."""
        never = np.full(subject_id.size, NO_TIME)
        nothing = np.full(subject_id.size, np.nan)
        none = np.full(subject_id.size, NO_SPELL)
        self._parts.append((subject_id, never, code, nothing, none, never))

    def close(self, until: int) -> Events:
        """Events that had happened and been recorded by ``until``, in order."""
        subject, time, number, value, spell, recorded = (
            np.concatenate([part[column] for part in self._parts]) for column in range(6)
        )
        known = np.maximum(time, recorded) <= until
        present = np.unique(number[known])
        names = np.array(list(self._numbers), dtype=object)[present]
        order = np.argsort(names)
        rank = np.zeros(len(self._numbers), np.int32)
        rank[present[order]] = np.arange(present.size)
        return Events(
            subject_id=subject[known],
            time=time[known],
            code=rank[number[known]],
            numeric_value=value[known].astype(np.float32),
            spell_id=spell[known],
            recorded_at=recorded[known],
            codes=tuple(names[order].tolist()),
        ).in_order()

    def _number(self, code: str) -> int:
        return self._numbers.setdefault(code, len(self._numbers))
