"""How much of what is recorded under each code belongs to the end of a stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from feature_store.clock import DAY
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.spells import Spells

Endings = Mapping[str, tuple[int, int]]
"""By code: events of ended stays long enough, and those of them around the end."""

LONG_ENOUGH: Final = 3 * DAY
"""In a shorter stay everything is near the end."""

AROUND: Final = DAY
"""Before the end; what is recorded after it counts too."""


def endings_of(events: Events, spells: Spells) -> Endings:
    """Count events by code, of one shard.

    Parameters
    ----------
    events : Events
    spells : Spells
        All of the shard, ordered by ``spell_id``.
    """
    kept = spells.take(spells.ended & (spells.end - spells.start >= LONG_ENOUGH))
    if not len(kept):
        return {}
    row = np.searchsorted(kept.spell_id, events.spell_id)
    row = np.minimum(row, len(kept) - 1)
    inside = (
        (kept.spell_id[row] == events.spell_id)
        & (events.spell_id != NO_SPELL)
        & (events.time != NO_TIME)
    )
    late = inside & (events.visible_at >= kept.end[row] - AROUND)
    size = len(events.codes)
    counts = [np.bincount(events.code[rows], minlength=size).tolist() for rows in (inside, late)]
    return {
        code: (seen, around)
        for code, seen, around in zip(events.codes, *counts, strict=True)
        if seen
    }


def united(parts: Iterable[Endings]) -> Endings:
    """Counts of several shards together."""
    total: dict[str, tuple[int, int]] = {}
    for part in parts:
        for code, (seen, around) in part.items():
            before = total.get(code, (0, 0))
            total[code] = (before[0] + seen, before[1] + around)
    return total
