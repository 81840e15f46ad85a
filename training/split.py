"""Part spells into training, calibration and held-out test: by time, and by patient.

The earliest admissions train, later ones calibrate, the latest are held out; a source without dates
is parted by order. A patient belongs to the part of their *last* admission, and their earlier
spells in other parts are dropped: so the held-out patients are those a live service would meet,
returning ones included, and nobody is on both sides. What a part may know ends where the next
begins: a training spell still open at that moment is censored there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import BadInput
from feature_store.events import Int64
from feature_store.manifest import Clock
from feature_store.spells import Spells
from training.config import SplitSettings

DROPPED: Final = -1
NO_SITE: Final = ""


class Part(StrEnum):
    """Side of the split that a spell belongs to."""

    TRAIN = "train"
    CALIBRATION = "calibration"
    TEST = "test"


PARTS: Final = tuple(Part)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which spell belongs to which part.

    Parameters
    ----------
    spell_id : ndarray of int64, shape (n,)
        Ascending.
    part : ndarray of int64, shape (n,)
        Position in ``PARTS``; ``DROPPED`` for a spell of none.
    until : mapping of Part to int
        UTC microseconds at which what the part may know ends.
    dropped : mapping of str to int
        Spells in no part, by reason.
    """

    spell_id: Int64
    part: Int64
    until: Mapping[Part, int]
    dropped: Mapping[str, int]

    @property
    def counts(self) -> dict[str, int]:
        """Spells in each part."""
        return {part.value: int((self.part == at).sum()) for at, part in enumerate(PARTS)}


def split_spells(
    spells: Spells, settings: SplitSettings, *, clock: Clock, until: int, site: NDArray[np.str_]
) -> Split:
    """Split spells in scope.

    Parameters
    ----------
    spells : Spells
        Ordered by ``spell_id``.
    settings : SplitSettings
    clock : Clock
        Without dates every part may know everything: its times are an order, not a calendar.
    until : int
        End of the data, UTC microseconds.
    site : ndarray of str, shape (n,)
        Of each spell; ``NO_SITE`` where not recorded.

    Raises
    ------
    BadInput
        Fewer than ``least_spells`` of the settings in a part, or an unknown site to hold out.
    """
    part, edges = _by_time(spells, settings)
    dropped = {}
    if settings.hold_out_site:
        dropped.update(_hold_out(part, site, settings.hold_out_site))
    dropped["of patients admitted again in a later part"] = _one_side_a_patient(part, spells)
    ends = (*edges, until) if clock.calendar else (until, until, until)
    split = Split(spells.spell_id, part, dict(zip(PARTS, ends, strict=True)), dropped)
    _check(split, settings.least_spells)
    return split


def everything(spells: Spells, *, until: int, since: int | None = None) -> Split:
    """Every spell to be judged, or those admitted since a moment; none to learn from."""
    part = np.full(len(spells), PARTS.index(Part.TEST), np.int64)
    if since is not None:
        part[spells.start < since] = DROPPED
    early = int((part == DROPPED).sum())
    return Split(spells.spell_id, part, dict.fromkeys(PARTS, until), {"admitted earlier": early})


def _by_time(spells: Spells, settings: SplitSettings) -> tuple[Int64, tuple[int, int]]:
    """Part of each spell by admission, and the admissions at which the later parts begin."""
    order = np.lexsort((spells.spell_id, spells.start))
    size = order.size
    least = len(PARTS) * settings.least_spells
    if size < least:
        msg = f"training: at least {least} spells in scope expected, got {size}"
        raise BadInput(msg)
    first = round(size * settings.train)
    second = round(size * (settings.train + settings.calibration))
    rank = np.empty(size, np.int64)
    rank[order] = np.arange(size)
    start = spells.start[order]
    if start[0] != start[-1]:
        # Admissions of one moment stay together: a cut in time is a moment, not a row.
        first, second = (int(np.searchsorted(start, start[cut])) for cut in (first, second))
    part = np.searchsorted([first, second], rank, side="right")
    return part.astype(np.int64), (int(start[first]), int(start[second]))


def _hold_out(part: Int64, site: NDArray[np.str_], held: str) -> dict[str, int]:
    """Keep the site for the test and the test for the site, in place; how many that dropped."""
    inside = site == held
    if not inside.any():
        known = ", ".join(sorted(set(site.tolist()) - {NO_SITE})) or "none"
        msg = f"--hold-out-site: a site of the data expected; its sites are {known}"
        raise BadInput(msg)
    test = part == PARTS.index(Part.TEST)
    early, other = inside & ~test, ~inside & test
    part[early | other] = DROPPED
    return {
        "of the held-out site, before the test period": int(early.sum()),
        "of other sites, in the test period": int(other.sum()),
    }


def _one_side_a_patient(part: Int64, spells: Spells) -> int:
    """Drop, in place, the spells of a patient before the part of their last one; how many."""
    _, patient = np.unique(spells.subject_id, return_inverse=True)
    patient = patient.ravel()
    home = np.full(int(patient.max(initial=-1)) + 1, DROPPED, np.int64)
    np.maximum.at(home, patient, part)
    early = (part != home[patient]) & (part != DROPPED)
    part[early] = DROPPED
    return int(early.sum())


def _check(split: Split, least: int) -> None:
    small = [f"{name} {count}" for name, count in split.counts.items() if count < least]
    if small:
        msg = (
            f"training: at least {least} spells in each part expected, got "
            f"{', '.join(small)}; "
            "give a longer period or other shares in [split]"
        )
        raise BadInput(msg)
