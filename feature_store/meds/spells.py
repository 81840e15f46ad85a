"""Spells of a shard: by the column that names them, or by pairing each opening with its closing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.clock import local_day
from feature_store.events import NO_SPELL, NO_TIME
from feature_store.identity import pseudonym
from feature_store.ingest.spell_index import SpellIndex
from feature_store.spells import STILL_HERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from feature_store.events import Int64

_UNTIMED: Final = "openings or closings of a spell without a time"
_ENDLESS: Final = "spells without an end (the codebook says complete = true)"


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Rows of a shard that say something of spells.

    Parameters
    ----------
    subject, time, spell : ndarray of int64, shape (n,)
        Of every row; ``spell`` is ``NO_SPELL`` where the dataset does not name one.
    opens, closes, dies : ndarray of bool, shape (n,)
    """

    subject: Int64
    time: Int64
    spell: Int64
    opens: NDArray[np.bool_]
    closes: NDArray[np.bool_]
    dies: NDArray[np.bool_]


def find(
    marks: Marks, *, named: bool, complete: bool, secret: bytes, faults: Counter[str]
) -> SpellIndex:
    """Spells of a shard; whatever does not make one is counted in ``faults``.

    Parameters
    ----------
    marks : Marks
    named : bool
        Whether a column names the spells.
    complete : bool
        Whether a spell without an end is a fault.
    secret : bytes
        Of the pseudonyms of spells that no column names.
    faults : Counter of str
        Fault in words to how often; changed in place.
    """
    timed = marks.time != NO_TIME
    faults[_UNTIMED] += int(((marks.opens | marks.closes) & ~timed).sum())
    found = list(_named(marks, timed, faults) if named else _paired(marks, timed, secret, faults))
    columns = np.array(found, np.int64).reshape(-1, 4).T
    spell_id, subject_id, start, end = columns[:, np.argsort(columns[0], kind="stable")]
    if complete:
        faults[_ENDLESS] += int((end == STILL_HERE).sum())
    index = SpellIndex(
        spell_id, subject_id, start, end, np.zeros(spell_id.size, bool), np.zeros(0, np.int64)
    )
    return SpellIndex(spell_id, subject_id, start, end, _died(index, marks), index.rejected)


Found = tuple[int, int, int, int]
"""Spell, subject, start, end."""


def _named(marks: Marks, timed: NDArray[np.bool_], faults: Counter[str]) -> Iterator[Found]:
    """One opening a spell; the last closing of it counts, as everywhere in Homeward."""
    told = timed & (marks.spell != NO_SPELL)
    stray = (marks.opens | marks.closes) & timed & ~told
    faults["openings or closings that name no spell"] += int(stray.sum())
    ends: dict[int, int] = {}
    owners: dict[int, int] = {}
    for row in np.flatnonzero(marks.closes & told):
        spell = int(marks.spell[row])
        ends[spell] = max(ends.get(spell, NO_TIME), int(marks.time[row]))
        owners.setdefault(spell, int(marks.subject[row]))
    begun: set[int] = set()
    for row in np.flatnonzero(marks.opens & told):
        spell, subject, start = (
            int(column[row]) for column in (marks.spell, marks.subject, marks.time)
        )
        end = ends.get(spell, STILL_HERE)
        if spell in begun:
            faults["spells with two openings"] += 1
        elif owners.get(spell, subject) != subject:
            faults["spells of two subjects"] += 1
        elif end < start:
            faults["spells that end before they start"] += 1
        else:
            yield spell, subject, start, end
        begun.add(spell)
    faults["closings of a spell that never opened"] += len(set(ends) - begun)


def _paired(
    marks: Marks, timed: NDArray[np.bool_], secret: bytes, faults: Counter[str]
) -> Iterator[Found]:
    """Each opening with the next closing of its subject, which comes before the next opening."""
    rows = np.flatnonzero((marks.opens | marks.closes) & timed)
    rows = rows[np.lexsort((marks.time[rows], marks.subject[rows]))]
    cuts = np.flatnonzero(np.diff(marks.subject[rows])) + 1
    for mine in np.split(rows, cuts) if rows.size else []:
        subject = int(marks.subject[mine[0]])
        starts = np.unique(marks.time[mine[marks.opens[mine]]]).tolist()
        ends = np.unique(marks.time[mine[marks.closes[mine]]]).tolist()
        for start, end in _pairs(starts, ends, faults):
            yield pseudonym(f"{subject}|{start}", "spell", secret), subject, start, end


def _pairs(starts: list[int], ends: list[int], faults: Counter[str]) -> Iterator[tuple[int, int]]:
    """Openings with their closings, both ascending.

    A closing at the moment of an opening ends the spell before it, if one is open; else it is a
    stay of no length.
    """
    place = 0
    for number, start in enumerate(starts):
        while place < len(ends) and ends[place] < start:
            faults["closings of a spell that never opened"] += 1
            place += 1
        following = starts[number + 1] if number + 1 < len(starts) else STILL_HERE
        if place < len(ends) and ends[place] <= following:
            yield start, ends[place]
            place += 1
        elif following == STILL_HERE:
            yield start, STILL_HERE
        else:
            faults["spells that had not ended when the next began"] += 1
    faults["closings of a spell that never opened"] += len(ends) - place


def _died(index: SpellIndex, marks: Marks) -> NDArray[np.bool_]:
    """Spells that ended by death: told of the spell itself, or dated within its days.

    A death may be known by its date alone, so it may seem to come hours before or after the end.
    """
    died = np.zeros(len(index), bool)
    rows = np.flatnonzero(marks.dies)
    position = index.find(marks.spell[rows])
    died[position[(position >= 0) & (marks.spell[rows] != NO_SPELL)]] = True
    loose = rows[(position < 0) & (marks.time[rows] != NO_TIME)]
    which, spell = index.spells_of(marks.subject[loose])
    day = local_day(marks.time[loose])[which]
    ended = index.ended[spell]
    last = local_day(np.where(ended, index.end[spell], 0))
    within = ended & (local_day(index.start[spell]) <= day) & (day == last)
    died[spell[within]] = True
    return died & index.ended
