"""What an effect amounts to in bed days and pounds, and in whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import Refused
from models.judging.groups import rounded
from training.impact.effect import Effect
from training.impact.estimating import Study, effect_of
from training.impact.measures import Measure
from training.impact.protocol import day_number

LEAST_PATIENTS: Final = 20
"""Spells of a group, on either side of the change, below which it is not judged."""


def released(study: Study, effect: Effect, due: int) -> dict[str, Any]:
    """Bed days fewer than expected in the units and time that were exposed, and their worth."""
    nights = study.rollout(due).exposed.sum(axis=1) * study.protocol.days
    scale = -float((study.usual * nights).sum()) / 100.0
    money = study.protocol.money
    days = {
        "estimate": scale * effect.estimate,
        "low": scale * effect.high,
        "high": scale * effect.low,
    }
    known = {name: round(value) if np.isfinite(value) else None for name, value in days.items()}
    worth = [money.low, money.high]
    return {
        "bed_days": known,
        "pounds_a_bed_day": worth,
        "pounds": {
            name: None if told is None else sorted(round(told * price) for price in worth)
            for name, told in known.items()
        },
    }


def groups_of(study: Study, measure: Measure) -> dict[str, list[dict[str, Any]]]:
    """Effect in each group of each grouping."""
    return {
        name: [
            _group(study, measure, label, grouping.member == at)
            for at, label in enumerate(grouping.labels)
            if (grouping.member == at).any()
        ]
        for name, grouping in study.stays.groups.items()
    }


def _group(study: Study, measure: Measure, label: str, member: NDArray[np.bool_]) -> dict[str, Any]:
    """Effect in one group; a small group is named and not judged."""
    sides = _spells_of(study, member)
    told: dict[str, Any] = {
        "group": label,
        "spells": rounded(sum(sides), least=min(sides)),
        "too_few": min(sides) < LEAST_PATIENTS,
    }
    if told["too_few"]:
        return told
    try:
        effect = effect_of(study, measure, member)
    except Refused as refusal:
        return told | {"too_few": True, "refused": str(refusal)}
    kept: Mapping[str, Any] = effect.to_json()
    return told | {
        name: kept[name] for name in ("estimate", "low", "high", "p_value", "mean_before", "model")
    }


def _spells_of(study: Study, member: NDArray[np.bool_]) -> tuple[int, int]:
    """Spells of a group in the units that changed, admitted before and after."""
    sides = [0, 0]
    for step in study.protocol.steps:
        here = member & (study.stays.unit == study.stays.units.index(step.unit))
        here &= study.stays.admitted >= study.protocol.first_day
        late = study.stays.admitted[here] >= day_number(step.starts)
        sides = [sides[0] + int((~late).sum()), sides[1] + int(late.sum())]
    return sides[0], sides[1]
