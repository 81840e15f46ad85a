"""Features of snapshots: the only feature code, for one patient or a million."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feature_store.clock import local_microseconds
from feature_store.definitions import FeatureSet
from feature_store.events import Events
from feature_store.kernel import address, load
from feature_store.plan import plan_of
from feature_store.snapshots import Snapshots

Matrix = NDArray[np.float64]


def compute_features(events: Events, snapshots: Snapshots, feature_set: FeatureSet) -> Matrix:
    """Features as they could have been known at each snapshot's ``prediction_time``.

    An event is used only if it had happened and was recorded by then, up to and including that
    moment. The order of events does not matter; the row of a snapshot does not depend on which
    other snapshots or patients are in the batch.

    Parameters
    ----------
    events : Events
        Of at least the subjects asked about; others are ignored.
    snapshots : Snapshots
    feature_set : FeatureSet

    Returns
    -------
    ndarray of float64, shape (n_snapshots, n_features)
        Columns in the order of ``feature_set``; NaN is missing, never a default.
    """
    ordered = events.in_order()
    plan = plan_of(feature_set)
    links = plan.links(ordered.codes)
    library = load()
    first = np.searchsorted(ordered.subject_id, snapshots.subject_id, side="left")
    end = np.searchsorted(ordered.subject_id, snapshots.subject_id, side="right")
    size, features = len(snapshots), len(feature_set)
    room = np.empty(max(plan.scope.size, 1) * library.homeward_series_bytes(), np.uint8)
    answers = np.empty((size, features), np.float64)
    local = local_microseconds(
        np.concatenate([snapshots.spell_start, snapshots.prediction_time])
    ).reshape(2, size)
    columns = [
        np.ascontiguousarray(column)
        for column in (
            *(ordered.time, ordered.visible_at, ordered.code, ordered.numeric_value),
            *(ordered.spell_id, links.number, links.start, links.series, links.category),
            *(plan.scope, plan.window, plan.feature_series, plan.feature_read),
            *(first, end, snapshots.spell_id, snapshots.spell_start, snapshots.prediction_time),
            *(local[0], local[1], room, answers),
        )
    ]
    at = [address(column) for column in columns]
    library.homeward_features(
        *(*at[:9], plan.scope.size, *at[9:11]), *(features, *at[11:13]), *(size, *at[13:])
    )
    return answers
