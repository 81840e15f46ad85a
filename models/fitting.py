"""Fit a stay model to training snapshots; calibration comes after, on other spells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.outcome import Outcomes
from feature_store.snapshots import Snapshots
from models.boosting import Problem, Sizes, boost, gain_of
from models.calibration import Calibration
from models.encoding import learn_encoding
from models.fit_settings import FitSettings
from models.grid import Grid, Risks, choose_grid, risks_of
from models.stay import StayModel
from models.survival import Float64
from models.trees import Trees

__all__ = ["FitSettings", "fit", "snapshot_weights"]

LEAST_DEATHS: Final = 50
"""Deaths below which the chance of death is left unknown."""

Progress = Callable[[int, int], None]


def fit(
    matrix: Float64,
    snapshots: Snapshots,
    outcomes: Outcomes,
    *,
    feature_set: FeatureSet,
    settings: FitSettings | None = None,
    progress: Progress | None = None,
) -> StayModel:
    """Fit the trees on training snapshots.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, n_features)
        From :func:`feature_store.compute.compute_features`.
    snapshots : Snapshots
    outcomes : Outcomes
        As known at the end of the training period.
    feature_set : FeatureSet
    settings : FitSettings, optional
    progress : callable, optional
        Called with (trees done, trees in all), once the size of the trees is chosen.

    Returns
    -------
    StayModel
        Uncalibrated.

    Raises
    ------
    BadInput
        Too few ended spells, or no horizon with enough spells on both sides.
    """
    chosen = settings or FitSettings()
    first = np.unique(snapshots.spell_id, return_index=True)[1]
    grid = choose_grid(outcomes.take(first))
    risks = thin(risks_of(grid, snapshots.days_so_far, outcomes), chosen)
    _check(grid, risks, snapshots, least=chosen.least_spells)
    weight = snapshot_weights(snapshots)
    encoding, columns = learn_encoding(matrix, feature_set, risks, weight, snapshots.subject_id)
    spells = np.unique(snapshots.spell_id).size
    bound = constrained(feature_set, chosen)
    problem = Problem(columns, weight, feature_set.categorical, spells, bound)
    sizes = Sizes(problem, snapshots, chosen)
    left, ended = sizes.choose(risks, "left"), risks.where(risks.left)
    enough = np.unique(snapshots.spell_id[ended.row[ended.died]]).size >= LEAST_DEATHS
    died = sizes.choose(ended, "died") if enough else None
    tick = _counter(progress, left.trees + (died.trees if died else 0))
    exits = boost(problem, risks, risks.left, size=left, settings=chosen, tick=tick)
    deaths = (
        boost(problem.unconstrained(), ended, ended.died, size=died, settings=chosen, tick=tick)
        if died
        else None
    )
    return StayModel(
        feature_set=feature_set,
        encoding=encoding,
        grid=grid,
        exit_trees=Trees.from_text(exits.model_to_string()),
        death_trees=Trees.from_text(deaths.model_to_string()) if deaths else None,
        calibration=Calibration.none(),
        importance=tuple(map(float, encoding.gather(gain_of(exits, encoding.width))[0])),
    )


def snapshot_weights(snapshots: Snapshots) -> Float64:
    """Weight of each snapshot, by its day of stay alone.

    Each morning asks again about the same spell, so without weights a stay of forty days would
    count forty times. The weight may depend on the day of asking but never on how many days there
    turned out to be: that is the outcome, and hazards learnt with it are wrong for everybody.
    """
    return np.asarray(1.0 / np.sqrt(1.0 + snapshots.days_so_far))


def _check(grid: Grid, risks: Risks, snapshots: Snapshots, *, least: int) -> None:
    exits = np.unique(snapshots.spell_id[risks.row[risks.left]]).size
    if exits < least:
        msg = (
            f"training: at least {least} spells that ended expected, got {exits}; "
            "give a longer period"
        )
        raise BadInput(msg)
    if not grid.horizons:
        msg = (
            "training: spells on both sides of 7 midnights expected, found too few; "
            "nothing can be learnt"
        )
        raise BadInput(msg)


def constrained(feature_set: FeatureSet, settings: FitSettings) -> tuple[int, ...]:
    """Columns of ``settings.never_shorter``.

    Raises
    ------
    BadInput
        One of them is no feature of the set, or holds categories: they have no higher or lower.
    """
    numbers = {
        name: column
        for column, name in enumerate(feature_set.names)
        if column not in feature_set.categorical
    }
    strange = [name for name in settings.never_shorter if name not in numbers]
    if strange:
        msg = (
            "[lightgbm] never_shorter: names of features that hold numbers expected; not among "
            f"them: {', '.join(strange)}"
        )
        raise BadInput(msg)
    return tuple(numbers[name] for name in settings.never_shorter)


def thin(risks: Risks, settings: FitSettings) -> Risks:
    """At most ``most_rows`` person-intervals, by chance: bounds memory, biases nothing."""
    if risks.row.size <= settings.most_rows:
        return risks
    chance = np.random.default_rng(settings.seed).random(risks.row.size)
    return risks.where(chance < settings.most_rows / risks.row.size)


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)

    return tick
