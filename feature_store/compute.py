"""Features of snapshots: the only feature code, for one patient or a million."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import WallClock, clock_for, latest_clock
from feature_store.definitions import FeatureSet
from feature_store.events import Events
from feature_store.kernel import address, load
from feature_store.past import as_held
from feature_store.plan import plan_of
from feature_store.snapshots import Snapshots

Matrix = NDArray[np.float64]

_DISORDERED: Final = 1  # what the kernel returns
_OUTSIDE: Final = 2


def compute_features(events: Events, snapshots: Snapshots, feature_set: FeatureSet) -> Matrix:
    """Features as they could have been known at each snapshot's ``prediction_time``.

    An event is used only if it had happened and was recorded by then, up to and including that
    moment. The order of events does not matter; the row of a snapshot does not depend on which
    other snapshots or patients are in the batch.

    Parameters
    ----------
    events : Events
        Of at least the subjects asked about; others are ignored. With ``held``, each snapshot is
        answered from what held at its moment.
    snapshots : Snapshots
    feature_set : FeatureSet

    Returns
    -------
    ndarray of float64, shape (n_snapshots, n_features)
        Columns in the order of ``feature_set``; NaN is missing, never a default.
    """
    if events.held is not None:
        events, snapshots = as_held(events.in_order(), snapshots)
    answers = np.empty((len(snapshots), len(feature_set)))
    clock = latest_clock()  # held: another thread may put a new one in its place meanwhile
    done = _compute(events, snapshots, feature_set, answers, clock)
    if done == _DISORDERED:
        events = events.in_order()
        done = _compute(events, snapshots, feature_set, answers, clock)
    if done == _OUTSIDE:
        clock = clock_for(np.concatenate([snapshots.spell_start, snapshots.prediction_time]))
        done = _compute(events, snapshots, feature_set, answers, clock)
    if done:
        raise MemoryError
    return answers


def _compute(
    events: Events,
    snapshots: Snapshots,
    feature_set: FeatureSet,
    answers: Matrix,
    clock: WallClock,
) -> int:
    plan = plan_of(feature_set)
    links = plan.links(events.codes)
    columns = [
        np.ascontiguousarray(column)
        for column in (
            *(events.subject_id, events.time, events.recorded_at, events.code),
            *(events.numeric_value, events.spell_id, links.number),
            *(snapshots.subject_id, snapshots.spell_id),
            *(snapshots.spell_start, snapshots.prediction_time, answers),
        )
    ]
    at = [address(column) for column in columns]
    done: int = load().homeward_features(
        *(*at[:5], len(events), at[5], at[6]),
        *(*links.at, *plan.at, answers.shape[1]),
        *clock.at,
        *(*at[7:11], len(snapshots), at[11]),
    )
    return done
