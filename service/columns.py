"""The events of a whole request as columns: taken apart once, checked and translated from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from msgspec import UnsetType

    from service.wire import ScoresRequest


@dataclass(frozen=True, slots=True)
class Columns:
    """Fields of all events, spell after spell, in the order sent.

    Parameters
    ----------
    sizes : list of int
        Events of each spell.
    code, time, recorded_at, numeric_value, spell_id : list
        One entry an event; ``UNSET`` for a field that was not sent.
    """

    sizes: list[int]
    code: list[str]
    time: list[datetime | None]
    recorded_at: list[datetime | UnsetType | None]
    numeric_value: list[float | UnsetType | None]
    spell_id: list[str | UnsetType | None]

    @classmethod
    def of(cls, request: ScoresRequest) -> Columns:
        """Take a request apart."""
        flat = [event for spell in request.spells for event in spell.events]
        return cls(
            sizes=[len(spell.events) for spell in request.spells],
            code=[event.code for event in flat],
            time=[event.time for event in flat],
            recorded_at=[event.recorded_at for event in flat],
            numeric_value=[event.numeric_value for event in flat],
            spell_id=[event.spell_id for event in flat],
        )

    @property
    def texts_sent(self) -> int:
        """How many JSON strings the events held, as keys and as values."""
        keys = 5 * len(self.code) - sum(
            column.count(UNSET) for column in (self.recorded_at, self.numeric_value, self.spell_id)
        )
        given = [
            True for column in (self.time, self.recorded_at, self.spell_id) for it in column if it
        ]
        return keys + len(self.code) + len(given)

    def slices(self) -> Iterator[slice]:
        """Rows of each spell."""
        end = 0
        for size in self.sizes:
            yield slice(end, end + size)
            end += size
