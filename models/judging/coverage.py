"""Whether the discharge-day range holds what it promises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feature_store.outcome import Outcomes
from models.judging.estimate import Estimate, Float64, Int64
from models.judging.metrics import Bootstrap


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Share of discharge-day ranges that held the day.

    Parameters
    ----------
    share : Estimate
    rows : int
        Snapshots it is measured on.
    unknown : int
        Snapshots left out because they could not be followed to the end of their range.
    """

    share: Estimate
    rows: int
    unknown: int


def judge_coverage(
    low: Float64,
    high: Float64,
    outcomes: Outcomes,
    *,
    subject_id: Int64,
    bootstrap: Bootstrap | None = None,
) -> Coverage:
    """Coverage of a range of days of stay.

    A snapshot counts if its spell could have been followed to the end of its own range, however it
    went: a rule that looks at the calendar and the range, never at the stay, so that the short
    stays of the last weeks are not counted while the long ones are left out. A range without an
    upper end (beyond what the model sees) is held by any stay that reaches its lower end.

    Parameters
    ----------
    low, high : ndarray of float64, shape (n,)
        In midnights, both ends inside; NaN where beyond what the model sees.
    outcomes : Outcomes
    subject_id : ndarray of int64, shape (n,)
    bootstrap : Bootstrap, optional
    """
    chosen = bootstrap or Bootstrap()
    lower = np.where(np.isnan(low), np.inf, low)
    needed = np.where(np.isnan(high), lower, high)
    known = outcomes.follow_up_days >= needed
    # A censored spell that was followed beyond its range has outstayed it, whatever its end.
    stay = np.where(outcomes.censored, outcomes.follow_up_days + 1, outcomes.length_of_stay_days)
    upper = np.where(np.isnan(high), np.inf, high)
    held = ((stay >= lower) & (stay <= upper))[known].astype(np.float64)
    drawn = chosen.resamples(subject_id[known])
    return Coverage(
        drawn.ratios(held[:, None], np.ones(held.size))[0],
        rows=int(known.sum()),
        unknown=int((~known).sum()),
    )
