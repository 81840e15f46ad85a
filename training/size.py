"""How much a model learnt from: by default a run stops on too little, and a setting lets it go on.

What then comes of it carries the counts on the run and the card, and no gate lets it pass.
"""

from __future__ import annotations

import numpy as np

from feature_store.vocabulary import LONG_STAY_DAYS
from training.config import LEAST_SPELLS
from training.material import Material
from training.split import Part, Split


def sides_of(material: Material) -> tuple[int, int]:
    """Spells that reached the first horizon, and that are known not to have."""
    target = material.target(min(LONG_STAY_DAYS))
    long, short = (
        np.unique(material.snapshots.spell_id[target == side]).size for side in (1.0, 0.0)
    )
    return long, short


def too_small(split: Split, train: Material) -> str:
    """What there is too little of by the default sizes, in words; empty where it is enough."""
    long, short = sides_of(train)
    ended = np.unique(train.snapshots.spell_id[~train.outcomes.censored]).size
    days = min(LONG_STAY_DAYS)
    counted = [
        *((f"{name} spells", count, LEAST_SPELLS) for name, count in split.counts.items()),
        (f"{Part.TRAIN} spells that ended", ended, LEAST_SPELLS),
        (f"{Part.TRAIN} spells of {days} midnights or more", long, LEAST_SPELLS // 2),
        (f"{Part.TRAIN} spells of fewer", short, LEAST_SPELLS // 2),
    ]
    return ", ".join(
        f"{what} {count} (least {least})" for what, count, least in counted if count < least
    )
