"""Every contestant on the same trial: fitted, calibrated on unseen patients, asked about others."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.cases import Cases, Float64, Trial
from benchmarks.peers.peer import Peer, Predict, Terms, choose_size
from feature_store.vocabulary import LONG_STAY_DAYS
from models.calibration import expit, logit
from models.fitting import FitSettings, fit
from models.recalibrate import learn_calibration
from models.stay import StayModel

HOMEWARD: Final = "Homeward"

Chances = dict[int, Float64]
"""By horizon, the chance of each test snapshot."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a trial is held.

    Parameters
    ----------
    horizons : tuple of int
    threads : int
    calibrate : bool
        Whether chances are calibrated; ranks within a trial do not need it.
    """

    horizons: tuple[int, ...] = LONG_STAY_DAYS
    threads: int = 2
    calibrate: bool = True


def hold(trial: Trial, peers: Sequence[Peer], rules: Rules, *, says: str) -> Mapping[str, Chances]:
    """Chances of every contestant; peers whose library is not installed are left out, and named."""
    answers: dict[str, Chances] = {}
    for peer in peers:
        if importlib.util.find_spec(peer.library) is None:
            print(f"{peer.name}: {peer.library} is not installed, left out", file=sys.stderr)
            continue
        begun = time.perf_counter()
        asked = [days for days in rules.horizons if days in (peer.horizons or rules.horizons)]
        answers[peer.name] = {days: _peer(peer, trial, rules, days) for days in asked}
        _progress(says, peer.name, begun)
    begun = time.perf_counter()
    answers[HOMEWARD] = _homeward(trial, rules)
    _progress(says, HOMEWARD, begun)
    return answers


def _progress(says: str, name: str, begun: float) -> None:
    print(f"{says}: {name} {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)


def _homeward(trial: Trial, rules: Rules) -> Chances:
    """One model for all horizons."""
    model = _fit(trial.whole or trial.train, rules)
    if rules.calibrate:
        learner = model if trial.whole is None else _fit(trial.train, rules)
        unseen = trial.calibration
        raw = learner.predict_raw(unseen.matrix, unseen.days_so_far)
        model = replace(model, calibration=learn_calibration(raw, unseen.outcomes))
    prediction = model.predict(trial.test.matrix, trial.test.days_so_far)
    return {days: prediction.at_least(days) for days in rules.horizons}


def _fit(cases: Cases, rules: Rules) -> StayModel:
    return fit(
        cases.matrix,
        cases.snapshots,
        cases.outcomes,
        feature_set=cases.feature_set,
        settings=FitSettings(threads=rules.threads),
    )


def _peer(peer: Peer, trial: Trial, rules: Rules, days: int) -> Float64:
    """One model for one horizon."""
    train, target = _known(trial.train, days)
    terms = Terms(days, rules.threads)
    size = choose_size(peer, train, target, terms)
    if trial.whole is None:
        learner = judged = peer.fit(train, target, size, terms)
    else:
        judged = peer.fit(*_known(trial.whole, days), size, terms)
        learner = peer.fit(train, target, size, terms) if rules.calibrate else judged
    chance = judged(trial.test, size)
    if not rules.calibrate:
        return chance
    return _platt(*_known(trial.calibration, days), learner, size)(chance)


def _known(cases: Cases, days: int) -> tuple[Cases, Float64]:
    """Cases whose outcome at this horizon is known and still open, and the outcome."""
    target = cases.target(days)
    rows = ~np.isnan(target)
    return cases.take(rows), target[rows]


def _platt(
    cases: Cases, target: Float64, predict: Predict, size: float
) -> Callable[[Float64], Float64]:
    """Logistic recalibration, as Homeward's, learnt on patients the fit has not seen."""
    scores = logit(predict(cases, size))[:, None]
    line = LogisticRegression(C=1e6).fit(scores, target)
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    return lambda chance: expit(intercept + slope * logit(chance))
