"""How often somebody would be called: alerts a day and a shift, at each site."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_day, local_hour
from feature_store.snapshots import Snapshots
from models.judging.estimate import Int64
from models.judging.metrics import Bootstrap

DAY_SHIFT: Final = (6.0, 18.0)
"""Local hours of the day shift, the morning's list included; the rest is the night shift."""

SETTLING_DAYS: Final = 28
"""First days of held-out data, left out: those already in hospital are not among its patients."""

_BUSY: Final = 0.9


def judge_alerts(
    flagged: NDArray[np.bool_],
    snapshots: Snapshots,
    *,
    site: Int64,
    bootstrap: Bootstrap | None = None,
) -> dict[str, Any] | None:
    """New and standing alerts a site and day.

    Parameters
    ----------
    flagged : ndarray of bool, shape (n,)
        Snapshots above the alert level, of patients with the horizon still ahead.
    snapshots : Snapshots
        All of them; a day with none flagged counts as a day.
    site : ndarray of int64, shape (n,)
    bootstrap : Bootstrap, optional
        By patient.

    Returns
    -------
    dict or None
        ``new`` (first of their spell), ``day_shift`` and ``night_shift`` of them, ``standing``
        (every patient above the level), each a site and day with its interval; ``busy_day``, the
        new alerts that nine days in ten do not pass; ``days``. None if there are too few days.
    """
    chosen = bootstrap or Bootstrap()
    day = local_day(snapshots.prediction_time)
    kept = day >= int(day.min(initial=0)) + SETTLING_DAYS
    _, place = np.unique(np.column_stack([site, day])[kept], axis=0, return_inverse=True)
    if np.unique(day[kept]).size < SETTLING_DAYS:
        return None
    days = int(place.max()) + 1
    hour = local_hour(snapshots.prediction_time)
    by_day = (hour >= DAY_SHIFT[0]) & (hour < DAY_SHIFT[1])
    new = _first(flagged, snapshots)
    columns = np.column_stack([new, new & by_day, new & ~by_day, flagged])[kept]
    drawn = chosen.resamples(snapshots.subject_id[kept])
    told = drawn.ratios(columns.astype(np.float64) * columns.shape[0] / days, np.ones(len(columns)))
    names = ("new", "day_shift", "night_shift", "standing")
    each = np.bincount(place.ravel(), new[kept], minlength=days)
    return {
        **{name: one.to_json() for name, one in zip(names, told, strict=True)},
        "busy_day": float(np.quantile(each, _BUSY)),
        "days": days,
    }


def _first(flagged: NDArray[np.bool_], snapshots: Snapshots) -> NDArray[np.bool_]:
    """The first flagged snapshot of each spell."""
    order = np.lexsort((snapshots.prediction_time, snapshots.spell_id))
    rows = order[flagged[order]]
    first = np.zeros(flagged.size, bool)
    first[rows[np.unique(snapshots.spell_id[rows], return_index=True)[1]]] = True
    return first
