"""Where patients are, and that a caller who may see some sites only gets no score of others."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.events import NO_SPELL
from feature_store.vocabulary import family_of, value_of
from models.forecast import Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.translate import Question

OTHER_SITE: Final = Refusal(
    "other_site", "the last SITE of this spell is not one that these credentials cover"
)


def within_sites(question: Question, sites: frozenset[str]) -> Question:
    """Refuse the spells of a question whose last known site is not among these, or not known.

    Parameters
    ----------
    question : Question
    sites : frozenset of str
    """
    where = last_known(question, "SITE")
    kept = np.array([where.get(position) in sites for position in question.asked], np.bool_)
    others = {
        position: OTHER_SITE
        for position, mine in zip(question.asked, kept, strict=True)
        if not mine
    }
    return replace(
        question,
        snapshots=question.snapshots.take(kept),
        asked=[position for position in question.asked if position not in others],
        refused=question.refused | others,
    )


def last_known(question: Question, family: str) -> dict[int, str]:
    """Last known value of a family, of each spell asked about that has one, by its position.

    Of several at once the last sent counts. Only what was said of the spell itself does, not the
    patient's history.

    Parameters
    ----------
    question : Question
    family : str
        ``SITE`` or ``WARD``.
    """
    events, snapshots = question.events, question.snapshots
    names = [_value_in(family, code) for code in events.codes]
    told = [number for number, name in enumerate(names) if name is not None]
    if not told:
        return {}
    is_told = np.zeros(len(names), np.bool_)
    is_told[told] = True
    rows = np.flatnonzero(is_told[events.code])
    visible_at = events.visible_at
    admitted = dict(zip(question.asked, snapshots.spell_start.tolist(), strict=True))
    now = dict(zip(question.asked, snapshots.prediction_time.tolist(), strict=True))
    found: dict[int, str] = {}
    for row in rows[np.argsort(events.time[rows], kind="stable")].tolist():
        position = int(events.subject_id[row])
        name = names[events.code[row]]
        if position not in admitted or name is None or visible_at[row] > now[position]:
            continue
        if _is_of(events.spell_id, events.time, row, position, admitted[position]):
            found[position] = name
    return found


@lru_cache(maxsize=8192)
def _value_in(family: str, code: str) -> str | None:
    """Value of a code of this family; None for one of another."""
    return value_of(code) if family_of(code) == family else None


def _is_of(
    spells: NDArray[np.int64], times: NDArray[np.int64], row: int, position: int, admitted: int
) -> bool:
    """Whether an event is of the spell itself, not of the patient's history."""
    if spells[row] == NO_SPELL:
        return bool(times[row] >= admitted)
    return bool(spells[row] == position)
