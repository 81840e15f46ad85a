"""One event on its way into columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from feature_store.events import NO_SPELL, Events


class Row(NamedTuple):
    """An event: UTC microseconds, NaN for no value, ``NO_SPELL`` for no spell.

    ``source`` is the name of the resource that a finding came from.
    """

    subject: int
    time: int
    code: str
    recorded_at: int
    value: float = float("nan")
    spell: int = NO_SPELL
    source: str = ""


def to_events(rows: Sequence[Row]) -> Events:
    """Rows as events, in order."""
    return Events.build(
        subject_id=[row.subject for row in rows],
        time=[row.time for row in rows],
        code=[row.code for row in rows],
        numeric_value=[row.value for row in rows],
        spell_id=[row.spell for row in rows],
        recorded_at=[row.recorded_at for row in rows],
    ).in_order()
