"""What was said, or would have been, at 06:00 yesterday: by what was known then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from feature_store.live.census import Present
from feature_store.live.spell_index import Inpatient
from feature_store.vocabulary import MORNING_HOUR
from service import wire
from service.hub.live import Live
from service.hub.present import yesterday_at_six
from service.hub.scoring import Asking, Identity, identity_of, score_present
from service.record import AuditRow

Change = Literal["new", "rising", "steady", "falling"]
Chances = dict[str, float | None]

NOTABLE: Final = 0.1
"""Change of the chance of passing the next horizon from which a patient is rising or falling: about
what one more deranged observation moves, and more than a day of waiting does."""


@dataclass(frozen=True, slots=True)
class Morning:
    """Chances of one morning by one model, computed once.

    Parameters
    ----------
    at : int
    made_by : tuple of (str or None), or None
        ``identity_of`` the model.
    chances : dict of int to (dict or None)
        By spell; None where the patient was there and not scored, or was not there.
    there : set of int
        Spells that were open then.
    """

    at: int = 0
    made_by: Identity | None = None
    chances: dict[int, Chances | None] = field(default_factory=dict)
    there: set[int] = field(default_factory=set)


def bring_up_to_date(
    morning: Morning, live: Live, asking: Asking, present: Present
) -> tuple[Morning, list[AuditRow]]:
    """The morning before with everybody who is here now; new scores come with their account.

    A fact that is sent later with an earlier time of recording does not change what was computed.
    The morning that is given stays as it is: its account may yet fail to be kept.
    """
    at = yesterday_at_six(present.at, MORNING_HOUR)
    made_by = identity_of(asking.model)
    if (morning.at, morning.made_by) != (at, made_by):
        morning = Morning(at, made_by)
    missing = [
        one.spell_id
        for one in present.inpatients
        if one.start <= at and one.spell_id not in morning.chances
    ]
    if not missing:
        return morning, []
    then = _narrowed(live.census.question(at), set(missing))
    names = {one.spell_id: "" for one in then.inpatients}
    scored = score_present(replace(asking, reasons=0, newest=None), then, names)
    chances = morning.chances | dict.fromkeys(missing)
    for one, word in zip(then.inpatients, scored.words, strict=True):
        if isinstance(word, wire.Score):
            chances[one.spell_id] = word.probability
    there = morning.there | {one.spell_id for one in then.inpatients}
    return Morning(at, made_by, chances, there), scored.rows


def _narrowed(present: Present, spells: set[int]) -> Present:
    inpatients = [one for one in present.inpatients if one.spell_id in spells]
    subjects = np.array([one.subject_id for one in inpatients], np.int64)
    events = present.events.take(np.isin(present.events.subject_id, subjects))
    return replace(present, inpatients=inpatients, events=events)


def change_of(
    morning: Morning, one: Inpatient, now: Mapping[str, float | None], horizon: str | None
) -> Change | None:
    """How the chance of passing the next horizon moved; new for who was not here then."""
    if one.spell_id not in morning.there:
        return "new"
    before = (morning.chances.get(one.spell_id) or {}).get(horizon or "")
    after = now.get(horizon or "")
    if before is None or after is None:
        return None
    if abs(after - before) < NOTABLE:
        return "steady"
    return "rising" if after > before else "falling"
