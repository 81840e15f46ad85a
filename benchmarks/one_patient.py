"""One patient's features by feature set: what a request pays, in CPU of one core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from benchmarks.engines.windows import FEATURES
from benchmarks.report import Report
from feature_store.automatic import derive_features
from feature_store.compute import compute_features
from feature_store.landmarks import known_snapshots
from feature_store.nhs import NHS
from feature_store.simulation import TrustSettings, simulate_events

REPEATS: Final = 20
"""Of one patient between two looks at the clock."""

_SIMULATED: Final = TrustSettings(spells=4_000, days=365, seed=3)


def add_sets(report: Report, *, events: int, turns: int) -> None:
    """Measure a simulated patient with about so many events, the last question about the stay.

    Parameters
    ----------
    report : Report
    events : int
    turns : int
        Looks at the clock.
    """
    everybody, _ = simulate_events(_SIMULATED)
    _, asked = known_snapshots(everybody, until=_SIMULATED.until)
    some = asked.take(np.arange(0, len(asked), 10))
    sets = {
        "the windows above": FEATURES,
        "NHS": NHS,
        "derived from the codes": derive_features(everybody, some, described=None),
        "both": derive_features(everybody, some, described=NHS),
    }
    subjects, counts = np.unique(everybody.subject_id, return_counts=True)
    subject = subjects[np.abs(counts - events).argmin()]
    own = everybody.take(everybody.subject_id == subject)
    last = asked.take(np.flatnonzero(asked.subject_id == subject)[-1:])
    rows = []
    for name, features in sets.items():
        taken = timed(partial(compute_features, own, last, features), turns)
        figures = (statistics.median(taken), max(taken))
        rows.append([name, str(len(features)), *(f"{1000 * one:.3f}" for one in figures)])
    title = f"SYNTHETIC, one patient with {len(own)} events of {len(own.codes)} codes"
    report.add(title, ("feature set", "features", "CPU ms, median", "slowest"), rows)


def timed(compute: Callable[[], object], turns: int) -> list[float]:
    """CPU seconds of one call, one figure a turn."""
    taken = []
    for _ in range(turns):
        begun = time.process_time()
        for _ in range(REPEATS):
            compute()
        taken.append((time.process_time() - begun) / REPEATS)
    return taken
