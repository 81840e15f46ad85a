"""Try settings of the trees, and keep the best: ``homeward train --trials``.

The study lives in a database of its own and is named after the data, the features and everything in
the configuration but the number of trials: a run that was killed goes on where it stopped, and a
run that asks for more trials continues. Trial *n* depends on the trials before it and on the seed
alone, so an interrupted study ends where an uninterrupted one does.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.fit_settings import FitSettings
from models.trial import Ground
from training.config import TrainingConfig, TuningSettings
from training.run import Run

if TYPE_CHECKING:
    import optuna

_LOGARITHMIC: Final = frozenset({"learning_rate", "l2", "category_smoothing"})
_WHOLE: Final = frozenset({"leaves", "least_spells_in_leaf"})
_PRUNE_AFTER_TREES: Final = 30
_PRUNE_EVERY: Final = 10
_FREE_TRIALS: Final = 5
"""Trials that are never pruned: there must be something to compare with."""

_TREES: Final = "trees_tried"

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What the trials found.

    Parameters
    ----------
    settings : FitSettings
        The best.
    notes : mapping
        For the run and the bundle: how many trials, the best, the space; plain JSON data.
    """

    settings: FitSettings
    notes: Mapping[str, Any]


def study_name(config: TrainingConfig, *, data_hash: str, features_hash: str) -> str:
    """Name of the study: the same for the same data, features and settings."""
    raw = config.to_mapping()
    del raw["tuning"]["trials"]
    text = json.dumps([data_hash, features_hash, raw], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tune(
    ground: Ground,
    config: TrainingConfig,
    *,
    run: Run,
    store: Path,
    name: str,
    report: Report,
) -> Tuned:
    """Try ``config.tuning.trials`` settings; the first are those of the configuration itself.

    Parameters
    ----------
    ground : Ground
    config : TrainingConfig
    run : Run
        Gets a nested run a trial.
    store : Path
        SQLite database of studies.
    name : str
        See :func:`study_name`.
    report : callable
        Takes lines of progress, with the time left.
    """
    study = _open(store, name)
    _claim(study, run)
    wanted = config.tuning.trials
    try:
        _go_on(study, ground, config, report)
    except KeyboardInterrupt:
        done = len(_finished(study))
        report(f"stopped; {done} of {wanted} trials are kept: the same command goes on from there")
        raise
    kept = _finished(study)[:wanted]
    for number, trial in enumerate(kept):
        _log(run, number, trial)
    best = min(
        (trial for trial in kept if _whole(trial)), key=lambda trial: float(trial.value or 0)
    )
    return Tuned(
        settings=_settings(config.lightgbm, best.params),
        notes={
            "study": name,
            "trials": len(kept),
            "pruned": sum(not _whole(trial) for trial in kept),
            "best_trial": kept.index(best),
            "best_loss": best.value,
            "best": best.params,
            "space": {key: list(ends) for key, ends in config.tuning.space.items()},
        },
    )


def _go_on(study: optuna.Study, ground: Ground, config: TrainingConfig, report: Report) -> None:
    """Try what is left to be tried."""
    wanted, seconds = config.tuning.trials, []
    for number in range(len(_finished(study)), wanted):
        began = time.monotonic()
        went = _one(study, ground, config, number)
        seconds.append(time.monotonic() - began)
        left = (wanted - number - 1) * sum(seconds) / len(seconds)
        ahead = f"; about {left:.0f} s left" if number + 1 < wanted else ""
        report(f"trial {number + 1} of {wanted}: {went}; {_best_words(study)}{ahead}")


def _open(store: Path, name: str) -> optuna.Study:
    import optuna  # noqa: PLC0415 - seconds to import

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    store.parent.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        storage=f"sqlite:///{store}",
        study_name=name,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=_FREE_TRIALS,
            n_warmup_steps=_PRUNE_AFTER_TREES,
            interval_steps=_PRUNE_EVERY,
        ),
    )


def _claim(study: optuna.Study, run: Run) -> None:
    """Trials that were running when their process was killed are over, and so is its run."""
    from optuna.trial import TrialState  # noqa: PLC0415 - as above

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    before = study.user_attrs.get("run_id")
    if before and before != run.run_id:
        run.close_other(before)
    study.set_user_attr("run_id", run.run_id)


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState  # noqa: PLC0415 - as above

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _whole(trial: optuna.trial.FrozenTrial) -> bool:
    return trial.state.name == "COMPLETE"


def _best_words(study: optuna.Study) -> str:
    return f"best so far trial {study.best_trial.number + 1}, loss {study.best_value:.5f}"


def _one(study: optuna.Study, ground: Ground, config: TrainingConfig, number: int) -> str:
    """Ask for settings, try them, tell how they did; the same in words."""
    import optuna  # noqa: PLC0415 - as above

    # A sampler seeded by the trial, not by the process: what comes next survives a restart.
    study.sampler = optuna.samplers.TPESampler(
        seed=config.seed + number, n_startup_trials=2 * _FREE_TRIALS
    )
    if number < len(config.lightgbm.leaves):
        _enqueue(study, _given(config, number))
    trial = study.ask()
    settings = _settings(config.lightgbm, _suggest(trial, config.tuning))

    tried = 0

    def watch(trees: int, loss: float) -> None:
        nonlocal tried
        tried = trees + 1
        if trees % _PRUNE_EVERY:  # to write a loss down takes longer than to grow a tree
            return
        trial.report(loss, trees)
        if trial.should_prune():
            raise optuna.TrialPruned

    loss: float | None = None
    with suppress(optuna.TrialPruned):
        loss = ground.loss(settings, watch)
    trial.set_user_attr(_TREES, tried)
    study.tell(trial, loss, state=None if loss is not None else optuna.trial.TrialState.PRUNED)
    return f"given up after {tried} trees" if loss is None else f"loss {loss:.5f}"


def _enqueue(study: optuna.Study, settings: dict[str, float]) -> None:
    """Have these settings tried next, unless they were: a trial whose process ended does not count.

    Optuna's ``skip_if_exists`` counts it, and what the trial was to try would never be tried.
    """
    from optuna.trial import TrialState  # noqa: PLC0415 - as above

    waiting = study.get_trials(states=(TrialState.WAITING,))
    if not waiting and all(trial.params != settings for trial in _finished(study)):
        study.enqueue_trial(settings)


def _given(config: TrainingConfig, number: int) -> dict[str, float]:
    """The configuration's own settings, brought inside the space, with one of its sizes."""
    own = {**asdict(config.lightgbm), "leaves": config.lightgbm.leaves[number]}
    return {
        name: min(max(own[name], low), high) for name, (low, high) in config.tuning.space.items()
    }


def _suggest(trial: optuna.Trial, tuning: TuningSettings) -> dict[str, float]:
    chosen: dict[str, float] = {}
    for name, (low, high) in tuning.space.items():
        if name in _WHOLE:
            chosen[name] = trial.suggest_int(name, int(low), int(high))
        else:
            chosen[name] = trial.suggest_float(name, low, high, log=name in _LOGARITHMIC)
    return chosen


def _settings(base: FitSettings, chosen: Mapping[str, Any]) -> FitSettings:
    return replace(base, **{**chosen, "leaves": (int(chosen["leaves"]),)})


def _log(run: Run, number: int, trial: optuna.trial.FrozenTrial) -> None:
    """One nested run."""
    figures = {"log_loss": float(trial.value)} if trial.value is not None else {}
    figures[_TREES] = float(trial.user_attrs.get(_TREES, len(trial.intermediate_values)))
    if trial.duration is not None:
        figures["seconds"] = trial.duration.total_seconds()
    run.log_child(f"trial {number + 1}", trial.params, figures, kept=_whole(trial))
