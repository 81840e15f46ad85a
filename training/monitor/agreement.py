"""Staff's own expected dates beside the forecasts, for the same patients at the same moment."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feature_store.events import Events
from feature_store.vocabulary import family_of
from models.judging.estimate import Float64, Resamples, difference
from models.judging.groups import rounded
from models.judging.metrics import Bootstrap, judge
from training.monitor.lived import Lived

FAMILY: Final = "EXPECTED_DISCHARGE"
COUNTED_TO: Final = 28
"""Nights to which stays and both dates are counted, so that a few long ones do not decide."""

NEAR: Final = 1.0
LEAST: Final = 100


def expected_by_staff(events: Events, lived: Lived) -> Float64:
    """Length of stay that staff expected, as known at each score; NaN where nobody had said.

    Parameters
    ----------
    events : Events
        Of the live store.
    lived : Lived

    Returns
    -------
    ndarray of float64, shape (n,)
        Midnights from admission.
    """
    codes = [code for code in events.codes if family_of(code) == FAMILY]
    said = events.take(np.flatnonzero(events.rows_of(*codes)))
    asked = len(lived)
    spell = np.concatenate([said.spell_id, lived.snapshots.spell_id])
    moment = np.concatenate([said.recorded_at, lived.snapshots.prediction_time])
    is_score = np.arange(spell.size) >= len(said)
    order = np.lexsort((is_score, moment, spell))  # what is said at the very moment is known
    place = np.arange(spell.size)
    latest = np.maximum.accumulate(np.where(is_score[order], -1, place))
    here = np.flatnonzero(is_score[order])
    source = order[np.maximum(latest[here], 0)]
    known = (latest[here] >= 0) & (spell[source] == spell[order[here]])
    told = np.full(asked, np.nan)
    told[order[here] - len(said)] = np.where(
        known, np.append(said.numeric_value, np.nan)[np.minimum(source, len(said))], np.nan
    )
    return told


def agreement(
    lived: Lived, expected: Float64, days: int, bootstrap: Bootstrap
) -> dict[str, Any] | None:
    """How near staff's dates and the forecasts come, and which ranks better.

    One score a patient's spell counts: the first at which staff had said. Stays that could be
    followed for 28 nights, however they went.

    Parameters
    ----------
    lived : Lived
    expected : ndarray of float64, shape (n,)
        Of :func:`expected_by_staff`.
    days : int
        Horizon of the ranking.
    bootstrap : Bootstrap

    Returns
    -------
    dict or None
        None if there are too few. ``nights_off`` and ``within_one_night`` of ``forecast`` and
        ``staff``, ``alike`` (share within a night of each other), ``auroc`` of both and their
        ``difference`` (forecast less staff).
    """
    rows = _first_said(lived, expected)
    part, staff = lived.take(rows), np.minimum(expected[rows], COUNTED_TO)
    outcome = part.outcome(days)
    known = (part.outcomes.follow_up_days >= COUNTED_TO) & ~np.isnan(outcome)
    if min(int((outcome[known] == side).sum()) for side in (0, 1)) < LEAST:
        return None
    part, staff, outcome = part.take(known), staff[known], outcome[known]
    middle = np.asarray(part.told["discharge_p50"], np.float64)
    ours = np.minimum(np.nan_to_num(middle, nan=COUNTED_TO), COUNTED_TO)
    ended = np.where(part.outcomes.censored, COUNTED_TO, part.outcomes.length_of_stay_days)
    off = np.abs(np.column_stack([ours, staff]) - np.minimum(ended, COUNTED_TO)[:, None])
    columns = np.column_stack([off, off <= NEAR, np.abs(ours - staff) <= NEAR]).astype(np.float64)
    drawn = Resamples.draw(
        part.snapshots.subject_id, replicates=bootstrap.replicates, seed=bootstrap.seed
    )
    told = drawn.ratios(columns, np.ones(len(part)))
    rank = [_auroc(part, outcome, chance, bootstrap) for chance in (part.chance(days), staff)]
    return {
        "spells": rounded(len(part)),
        "horizon": days,
        "nights_off": _both(told[0], told[1]),
        "within_one_night": _both(told[2], told[3]),
        "alike": told[4].to_json(),
        "auroc": _both(*rank) | {"difference": difference(*rank).to_json()},
    }


def _first_said(lived: Lived, expected: Float64) -> NDArray[np.intp]:
    """First score of each spell at which staff had said; scores are oldest first."""
    rows = np.flatnonzero(~np.isnan(expected))
    _, first = np.unique(lived.snapshots.spell_id[rows], return_index=True)
    return np.sort(rows[first])


def _auroc(part: Lived, outcome: Float64, ranks: Float64, bootstrap: Bootstrap) -> Any:
    low, high = ranks.min(), ranks.max()
    scaled = (ranks - low) / max(high - low, 1e-12)
    judged = judge(
        outcome, scaled, part.snapshots.subject_id, metrics=("auroc",), bootstrap=bootstrap
    )
    return judged["auroc"]


def _both(forecast: Any, staff: Any) -> dict[str, Any]:
    return {"forecast": forecast.to_json(), "staff": staff.to_json()}
