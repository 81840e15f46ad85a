"""What a worklist shows of an inpatient beside the score: facts for people, not for the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from feature_store.clock import DAY, at_local_hour, local_day, midnights_between
from feature_store.events import NO_TIME, Events
from feature_store.live.spell_index import Inpatient
from feature_store.vocabulary import family_of, value_of

_NOON: Final = 12
_SHOWN: Final = ("SPECIALTY", "DISCHARGE_READY", "CRITERIA_TO_RESIDE", "EXPECTED_DISCHARGE")


@dataclass(frozen=True, slots=True)
class Facts:
    """Latest known facts of a spell.

    Parameters
    ----------
    specialty : str or None
    ready_at : int or None
        When the criteria to reside were lost; None while they are met, or nobody said.
    expected_days : int or None
        Length of stay that clinicians expect, midnights.
    """

    specialty: str | None = None
    ready_at: int | None = None
    expected_days: int | None = None


def facts_of(events: Events, inpatients: Sequence[Inpatient]) -> dict[int, Facts]:
    """Facts by spell, of the spells that have any."""
    family = [family_of(code) for code in events.codes]
    is_shown = np.array([name in _SHOWN for name in family], np.bool_)
    spells = np.array([one.spell_id for one in inpatients], np.int64)
    rows = np.flatnonzero(is_shown[events.code]) if len(events) else np.zeros(0, np.intp)
    rows = rows[np.isin(events.spell_id[rows], spells)]
    found: dict[int, dict[str, Any]] = {}
    for row in rows[np.lexsort((events.recorded_at[rows], events.time[rows]))].tolist():
        told = found.setdefault(int(events.spell_id[row]), {})
        code = int(events.code[row])
        number = float(events.numeric_value[row])
        said = _told(family[code], value_of(events.codes[code]), int(events.time[row]), number)
        if said.get("ready_at") is not None and told.get("ready_at") is not None:
            continue  # lost already: the first time since they were last met counts
        told |= said
    return {spell: Facts(**told) for spell, told in found.items()}


def _told(family: str, value: str, at: int, number: float) -> dict[str, Any]:
    if family == "SPECIALTY":
        return {"specialty": value}
    if family == "EXPECTED_DISCHARGE":
        return {} if np.isnan(number) else {"expected_days": int(number)}
    return {"ready_at": None if value == "Y" else at}


def days_since_ready(ready_at: int | None, now: int) -> int | None:
    """Midnights since the criteria to reside were lost."""
    if ready_at is None:
        return None
    return int(midnights_between(np.array([ready_at]), np.array([now]))[0])


def expected_discharge_at(start: int, expected_days: int | None) -> int | None:
    """Noon of the day on which clinicians expect the patient to leave: a day, not a moment."""
    if expected_days is None:
        return None
    day = local_day(np.array([start], np.int64)) + expected_days
    return int(at_local_hour(day, _NOON)[0])


def yesterday_at_six(now: int, hour: int) -> int:
    """The morning before this one, on the wall clock."""
    return int(at_local_hour(local_day(np.array([now], np.int64)) - 1, hour)[0])


# ---- how fresh -----------------------------------------------------------------------------------


def newest_by_site(events: Events, inpatients: Sequence[Inpatient]) -> dict[str | None, int]:
    """When the newest fact about anybody at a site was recorded; sites with none are left out."""
    newest: dict[str | None, int] = {}
    if not len(events):
        return newest
    begins = np.flatnonzero(np.diff(events.subject_id, prepend=-1))
    last = np.maximum.reduceat(events.recorded_at, begins)
    by_subject = dict(zip(events.subject_id[begins].tolist(), last.tolist(), strict=True))
    for one in inpatients:
        moment = by_subject.get(one.subject_id, NO_TIME)
        if moment != NO_TIME:
            newest[one.site] = max(newest.get(one.site, moment), moment)
    return newest


def is_stale(newest: Mapping[str | None, int], site: str | None, now: int, hours: int) -> bool:
    """Whether a site was silent for so long that its patients may have changed unseen."""
    return site not in newest or now - newest[site] > hours * DAY // 24
