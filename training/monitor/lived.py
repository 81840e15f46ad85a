"""Scores on the record beside what became of their spells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.compute import compute_features
from feature_store.definitions import FeatureSet
from feature_store.events import Events, Int64
from feature_store.outcome import Outcomes, outcomes_of
from feature_store.snapshots import Snapshots
from feature_store.spells import Spells, find_spells
from feature_store.vocabulary import LONG_STAY_DAYS
from models.judging.estimate import Float64
from training.facts import fact_set

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """Scores whose spells the store still knows, oldest first, with their outcomes.

    Parameters
    ----------
    told : mapping of str to ndarray, each of shape (n,)
        Columns of the record.
    snapshots : Snapshots
    outcomes : Outcomes
        As known at ``until``.
    facts : ndarray of float64, shape (n, n_facts)
        Of :mod:`training.facts`, as known at the score.
    fact_set : FeatureSet
    until : int
        UTC microseconds.
    gone : int
        Scores of spells that the store knows no longer: cancelled, or merged away.
    """

    told: Columns
    snapshots: Snapshots
    outcomes: Outcomes
    facts: Float64
    fact_set: FeatureSet
    until: int
    gone: int

    def __len__(self) -> int:
        """Return how many scores there are."""
        return len(self.snapshots)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Lived:
        """Return some of the scores."""
        return Lived(
            {name: column[rows] for name, column in self.told.items()},
            self.snapshots.take(rows),
            self.outcomes.take(rows),
            self.facts[rows],
            self.fact_set,
            self.until,
            self.gone,
        )

    def chance(self, days: int) -> Float64:
        """What was foreseen for a horizon; NaN where nothing was."""
        return np.asarray(self.told[f"probability_{days}"], np.float64)

    def outcome(self, days: int) -> Float64:
        """1 or 0 by what came about; NaN if not due, if nothing was foreseen, or once passed."""
        ahead = self.snapshots.days_so_far < days
        known = self.outcomes.long_stay(days)
        return np.where(ahead & ~np.isnan(self.chance(days)), known, np.nan)

    def due_at(self, days: int) -> Int64:
        """When the outcome of a horizon is known for all, however it went: UTC microseconds."""
        return self.snapshots.spell_start + np.int64(days + 1) * 86_400_000_000

    def firsts(self) -> NDArray[np.intp]:
        """First score of each spell: charts count a patient once."""
        _, first = np.unique(self.snapshots.spell_id, return_index=True)
        return np.sort(first)


def live(columns: Columns, events: Events, *, until: int) -> Lived:
    """Join scores to what became of them.

    A spell that ended is known at once, one that goes on when its horizon passes; neither counts
    before the horizon could have passed, or short stays would be known and long ones not.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Of ``Record.between``: ``spell``, ``prediction_time``, the probabilities and the rest.
    events : Events
        Of the live store, of at least the marks of spells and the facts of :mod:`training.facts`.
    until : int
        UTC microseconds: what is known now.
    """
    spells = find_spells(events)
    scored = ~np.isnan(np.asarray(columns["log_odds"], np.float64))
    place = np.searchsorted(spells.spell_id, columns["spell"])
    here = place < len(spells)
    here[here] = spells.spell_id[place[here]] == columns["spell"][here]
    rows = np.flatnonzero(scored & here)
    rows = rows[np.argsort(columns["prediction_time"][rows], kind="stable")]
    told = {name: column[rows] for name, column in columns.items()}
    snapshots = _snapshots(spells.take(place[rows]), told["prediction_time"])
    facts = fact_set(events.codes)
    return Lived(
        told,
        snapshots,
        outcomes_of(snapshots, spells, until=until),
        compute_features(events, snapshots, facts),
        facts,
        until,
        int((scored & ~here).sum()),
    )


def _snapshots(spells: Spells, moments: Int64) -> Snapshots:
    return Snapshots(spells.subject_id, spells.spell_id, spells.start, moments)


def horizons(lived: Lived) -> tuple[int, ...]:
    """Horizons for which anything was foreseen."""
    return tuple(days for days in LONG_STAY_DAYS if not np.isnan(lived.chance(days)).all())
