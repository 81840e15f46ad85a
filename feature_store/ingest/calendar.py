"""A calendar for extracts that know the order of their spells and no dates.

It is invented: it keeps the order and the lengths of stay, and nothing else may be read from it.
The manifest says so (clock ``order``), and no calendar feature is computed from such a dataset.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from feature_store.clock import DAY, at_local_hour, to_microseconds
from feature_store.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.events import Int64

FIRST_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
SPELLS_A_DAY: Final = 50
NOON: Final = 12
DESCRIPTION: Final = (
    "times are invented: admissions in the order of the source, fifty a day from 2000-01-01, at "
    "noon, no spell of a patient before the patient's last one ended; lengths of stay are real"
)
_LAST_DAY: Final = 36_525
"""A century: an order that needs more is none."""


def invent_starts(
    order: NDArray[np.float64], subject_id: Int64, spell_id: Int64, days: Int64
) -> Int64:
    """Starts in order, later ones never earlier, and a patient's spells one after another.

    Where a patient returns before there was time to leave, the calendar jumps ahead for everybody:
    so the order stays whole.

    Parameters
    ----------
    order : ndarray of float, shape (n,)
        Ties are broken by ``spell_id``.
    subject_id, spell_id, days : ndarray of int64, shape (n,)
        ``days``: lengths of stay in midnights.

    Returns
    -------
    ndarray of int64, shape (n,)
        UTC microseconds.

    Raises
    ------
    BadInput
        The calendar would last longer than a century.
    """
    rows = np.lexsort((spell_id, order))
    free_from: dict[int, int] = {}
    ticks = 0  # a tick is one place of the SPELLS_A_DAY of a day
    start_day = np.zeros(rows.size, np.int64)
    subjects, lengths = subject_id[rows].tolist(), days[rows].tolist()
    for place, (subject, length) in enumerate(zip(subjects, lengths, strict=True)):
        ticks = max(ticks, free_from.get(subject, 0) * SPELLS_A_DAY)
        day = ticks // SPELLS_A_DAY
        free_from[subject] = day + length + 1
        start_day[rows[place]] = day
        ticks += 1
    if rows.size and int(start_day.max()) > _LAST_DAY:
        msg = "[spells] order: an order across patients expected, found one patient after another"
        raise BadInput(msg)
    return at_local_hour(start_day + to_microseconds(FIRST_DAY) // DAY, NOON)
