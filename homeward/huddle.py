"""Today's inpatients of an event dataset, as a request to the service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from feature_store.clock import DAY, at_local_hour, local_day, to_moment
from feature_store.dataset import open_dataset
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.spells import find_spells
from feature_store.vocabulary import MORNING_HOUR, family_of, value_of
from homeward.bedding import with_beds

MOST_SPELLS = 1000
"""What one request may carry."""


@dataclass(frozen=True, slots=True)
class Huddle:
    """Who is in hospital on one morning.

    Parameters
    ----------
    at : datetime
        The prediction time.
    synthetic : bool
    request : dict
        Body of ``POST /v1/scores``.
    wards : dict of str to str
        Spell to site and ward, as last known.
    """

    at: datetime
    synthetic: bool
    request: dict[str, Any]
    wards: dict[str, str]


def inpatients_now(folder: Path) -> Huddle:
    """Everybody in hospital on a dataset's last morning, with all that was known then."""
    dataset = open_dataset(folder)
    events = dataset.read()
    morning = _last_morning(dataset.manifest.until)
    spells = find_spells(events)
    here = spells.take((spells.start < morning) & (spells.end > morning))
    known = events.take(
        np.isin(events.subject_id, here.subject_id) & (events.visible_at <= morning)
    )
    if dataset.manifest.synthetic:
        known = with_beds(known)
    known = known.in_order()
    asked = [
        _spell(known, int(spell), int(subject))
        for spell, subject in zip(
            here.spell_id[:MOST_SPELLS], here.subject_id[:MOST_SPELLS], strict=True
        )
    ]
    request = {"prediction_time": to_moment(morning).isoformat(), "spells": asked}
    wards = {spell["spell_id"]: _place(spell) for spell in asked}
    return Huddle(to_moment(morning), dataset.manifest.synthetic, request, wards)


def _last_morning(until: int) -> int:
    day = local_day(np.array([until], np.int64))
    morning = int(at_local_hour(day, MORNING_HOUR)[0])
    return morning if morning <= until else morning - DAY


def _spell(events: Events, spell: int, subject: int) -> dict[str, Any]:
    first, end = np.searchsorted(events.subject_id, [subject, subject + 1])
    rows = range(int(first), int(end))
    return {
        "spell_id": f"S{spell}",
        "subject_id": f"P{subject}",
        "events": [as_event(events, row) for row in rows],
    }


def as_event(events: Events, row: int) -> dict[str, Any]:
    """One event as the service takes it, under plain names for plain numbers."""
    fact: dict[str, Any] = {"code": events.codes[events.code[row]], "time": None}
    if events.time[row] != NO_TIME:
        fact["time"] = to_moment(int(events.time[row])).isoformat()
        fact["recorded_at"] = to_moment(int(events.recorded_at[row])).isoformat()
    if events.spell_id[row] != NO_SPELL:
        fact["spell_id"] = f"S{events.spell_id[row]}"
    if not np.isnan(events.numeric_value[row]):
        fact["numeric_value"] = float(events.numeric_value[row])
    return fact


def _place(spell: dict[str, Any]) -> str:
    latest = {"SITE": "", "WARD": ""}
    for event in spell["events"]:
        if event.get("spell_id") == spell["spell_id"] and family_of(event["code"]) in latest:
            latest[family_of(event["code"])] = value_of(event["code"])
    return " ".join(name for name in latest.values() if name)
