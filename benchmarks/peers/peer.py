"""What a peer is, and how it chooses its size: as Homeward does, on later patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Cases, Float64
from feature_store.snapshots import Snapshots

Predict = Callable[[Cases, float], Float64]
"""Cases and size to probabilities, shape (n,)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a fit besides its cases.

    Parameters
    ----------
    days : int
        Horizon of the target, for peers that learn from the whole stay.
    threads : int
    """

    days: int
    threads: int


Fit = Callable[[Cases, Float64, float, Terms], Predict]
"""Cases, target of 0 and 1, size and terms to a prediction."""

LATER_SHARE: Final = 0.25
LEAST_EVENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer.

    Parameters
    ----------
    name : str
    effort : str
        Settings, and how categories are told to it.
    sizes : tuple of float
        Numbers of trees, or strengths of a penalty, to choose from; ascending in complexity.
    fit : callable
    staged : bool
        Whether the fit of the largest size predicts as each smaller one would.
    library : str
        What must be installed.
    horizons : tuple of int
        Asked for these only; empty for all.
    """

    name: str
    effort: str
    sizes: tuple[float, ...]
    fit: Fit
    staged: bool
    library: str
    horizons: tuple[int, ...] = ()


def choose_size(peer: Peer, cases: Cases, target: Float64, terms: Terms) -> float:
    """Size that predicts the latest quarter of the training patients best, by log-loss."""
    if len(peer.sizes) == 1:
        return peer.sizes[0]
    later = latest_patients(cases.snapshots)
    earlier = cases.take(~later)
    if min(_fewer(target[later]), _fewer(target[~later])) < LEAST_EVENTS:
        return peer.sizes[0]
    fitted_on = peer.sizes[-1:] if peer.staged else peer.sizes
    models = {size: peer.fit(earlier, target[~later], size, terms) for size in fitted_on}
    judged = cases.take(later)
    losses = [
        _log_loss(target[later], models.get(size, models[fitted_on[-1]])(judged, size))
        for size in peer.sizes
    ]
    return peer.sizes[int(np.argmin(losses))]


def latest_patients(snapshots: Snapshots) -> NDArray[np.bool_]:
    """Snapshots of the quarter of patients whose last admission is latest."""
    patients, row = np.unique(snapshots.subject_id, return_inverse=True)
    last = np.full(patients.size, np.iinfo(np.int64).min, np.int64)
    np.maximum.at(last, row.ravel(), snapshots.spell_start)
    return np.asarray((last > np.quantile(last, 1.0 - LATER_SHARE))[row.ravel()])


def _fewer(target: Float64) -> int:
    return int(min((target == 1).sum(), (target == 0).sum()))


def _log_loss(target: Float64, chance: Float64) -> float:
    kept = np.clip(chance, 1e-9, 1 - 1e-9)
    return float(-np.mean(target * np.log(kept) + (1 - target) * np.log1p(-kept)))
