"""Who comes first: by expected gain, within what a hub can take on.

A hub gains where a stay that would have become long does not. So the order is that of the chance of
passing the next horizon that is not yet passed (7, then 14, then 21 nights). Who passed the last
one has none ahead and stands below: long-stay reviews are their place. Of equals, who is here
longer comes first, then the name of the spell decides, so that a list does not shuffle between two
looks.

Who no longer meets the criteria to reside is not at risk of a long stay but kept from home: another
section, longest wait first, and no capacity applies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from service.wire_live import WorklistEntry

READY: Final = "awaiting_discharge"
_NO_GAIN = -1.0


def next_horizon(probability: Mapping[str, float | None], days_so_far: int) -> str | None:
    """First horizon that is ahead and of which a chance is known.

    >>> next_horizon({"7": 1.0, "14": 0.3, "21": 0.1}, 8)
    '14'
    """
    ahead = (
        days
        for days in sorted(probability, key=int)
        if int(days) > days_so_far and probability[days] is not None
    )
    return next(ahead, None)


def gain(entry: WorklistEntry) -> float:
    """Chance of passing the next horizon; below every chance where none is ahead."""
    score = entry.score
    horizon = next_horizon(score.probability, score.days_so_far)
    chance = None if horizon is None else score.probability[horizon]
    return _NO_GAIN if chance is None else chance


def ranked(entries: Iterable[WorklistEntry], capacity: int) -> list[WorklistEntry]:
    """Entries in their order, each with its rank within site and section."""
    places: Counter[tuple[str | None, str]] = Counter()
    told = []
    for entry in sorted(entries, key=_order):
        key = entry.site, entry.section
        places[key] += 1
        within = entry.section == READY or places[key] <= capacity
        told.append(replace(entry, rank=places[key], within_capacity=within))
    return told


def _order(entry: WorklistEntry) -> tuple[bool, float, int, str]:
    if entry.section == READY:
        return True, -float(entry.days_since_ready or 0), 0, entry.spell_id
    return False, -gain(entry), -entry.score.days_so_far, entry.spell_id
