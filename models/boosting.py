"""Grow trees on person-intervals: the one place in Homeward that calls LightGBM's training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import lightgbm
import numpy as np
from numpy.typing import NDArray

from feature_store.snapshots import Snapshots
from models.fit_settings import ROWS_A_SPELL, FitSettings
from models.grid import Risks
from models.survival import Float64

LATER_SHARE: Final = 0.25
"""Of the training patients, the latest, on whom the size of the trees is chosen."""

MOST_ROWS_FOR_CHOICE: Final = 400_000
"""Person-intervals enough to choose a size; more only takes longer. Of trees that have more to grow
on, only the largest are tried: there sizes differ in the fourth digit of the loss, and small trees
take longest, as there are many."""

LEAST_EVENTS_FOR_CHOICE: Final = 50
FEW_TREES: Final = 60
"""Where there are too few ends to choose by: small, and few."""


Watch = Callable[[int, float], None]
"""Told a number of trees and the loss they leave."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What every set of trees of one model has in common.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_snapshots, width)
    weight : ndarray of float64, shape (n_snapshots,)
    categorical : tuple of int
        Columns that hold categories.
    spells : int
        How many spells the snapshots are of.
    never_raise : tuple of int
        Columns of which a higher value may never raise the margin.
    """

    columns: Float64
    weight: Float64
    categorical: tuple[int, ...]
    spells: int
    never_raise: tuple[int, ...] = ()

    def data(self, risks: Risks, target: NDArray[np.bool_], **more: Any) -> lightgbm.Dataset:
        """Person-intervals as LightGBM takes them, weights scaled to ``ROWS_A_SPELL`` a spell."""
        design = np.empty((risks.row.size, self.columns.shape[1] + 2), np.float32)
        design[:, :-2] = self.columns[risks.row]
        design[:, -2], design[:, -1] = risks.start, risks.width
        weight = self.weight[risks.row]
        scale = min(1.0, ROWS_A_SPELL * self.spells / max(float(weight.sum()), 1e-9))
        return lightgbm.Dataset(
            design,
            label=target.astype(np.float32),
            weight=weight * scale,
            categorical_feature=list(self.categorical),
            **more,
        )

    def parameters(self, risks: Risks, settings: FitSettings, leaves: int) -> dict[str, Any]:
        """LightGBM's parameters for these person-intervals."""
        size = risks.row.size
        parameters = settings.parameters(leaves=leaves, rows=size, spells=self.spells)
        if self.never_raise:
            signs = np.zeros(self.columns.shape[1] + 2, int)
            signs[list(self.never_raise)] = -1
            parameters["monotone_constraints"] = signs.tolist()
        return parameters

    def unconstrained(self) -> Problem:
        """The same, every direction free."""
        return replace(self, never_raise=())


@dataclass(frozen=True, slots=True)
class Size:
    """Size of a set of trees."""

    leaves: int
    trees: int


def boost(
    problem: Problem,
    risks: Risks,
    target: NDArray[np.bool_],
    *,
    size: Size,
    settings: FitSettings,
    tick: Callable[[], None],
) -> lightgbm.Booster:
    """Trees for one target; ``tick`` is called after each."""
    parameters = problem.parameters(risks, settings, size.leaves)
    data = problem.data(risks, target, params=parameters)

    def count(_state: lightgbm.callback.CallbackEnv) -> None:
        tick()

    return lightgbm.train(parameters, data, size.trees, callbacks=[count])


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """Chooses the size of trees that predicts the latest training patients best.

    A small site wants small trees and few of them, and next year is not last year: so the size is
    chosen out of time and by patient, by the log-loss of the person-intervals, and the trees are
    then grown on everybody.
    """

    problem: Problem
    snapshots: Snapshots
    settings: FitSettings

    def choose(self, risks: Risks, target: Literal["left", "died"]) -> Size:
        """Leaves and number of trees for one target."""
        fit, judge = self._parted(risks)
        leaves = self.settings.leaves
        if risks.row.size > MOST_ROWS_FOR_CHOICE:
            leaves = (max(leaves),)
        events = min(int(getattr(side, target).sum()) for side in (fit, judge))
        if events < LEAST_EVENTS_FOR_CHOICE:
            return Size(min(self.settings.leaves), min(self.settings.trees, FEW_TREES))
        sizes = self if target == "left" else replace(self, problem=self.problem.unconstrained())
        tried = (sizes._try(fit, judge, target, size) for size in leaves)  # noqa: SLF001 - its own
        return min(tried, key=lambda one: one[0])[1]

    def loss(self, risks: Risks, watch: Watch) -> float:
        """Log-loss of leaving, of the latest training patients, by trees grown on the earlier.

        Parameters
        ----------
        risks : Risks
        watch : callable
            Told the loss after each tree; what it raises ends the growing.
        """
        fit, judge = self._parted(risks)
        return min(
            self._try(fit, judge, "left", leaves, watch)[0] for leaves in self.settings.leaves
        )

    def _parted(self, risks: Risks) -> tuple[Risks, Risks]:
        """Person-intervals to grow on and, of later patients, to judge by."""
        later = _latest_patients(self.snapshots)[risks.row]
        share = min(1.0, MOST_ROWS_FOR_CHOICE / max(risks.row.size, 1))
        chance = np.random.default_rng(self.settings.seed).random(len(self.snapshots))
        asked = (chance < share)[risks.row]
        return risks.where(~later & asked), risks.where(later & asked)

    def _try(
        self,
        fit: Risks,
        judge: Risks,
        target: Literal["left", "died"],
        leaves: int,
        watch: Watch | None = None,
    ) -> tuple[float, Size]:
        parameters = self.problem.parameters(fit, self.settings, leaves)

        def told(state: lightgbm.callback.CallbackEnv) -> None:
            if watch is not None:
                watch(state.iteration, float((state.evaluation_result_list or [])[0][2]))

        training = self.problem.data(fit, getattr(fit, target), params=parameters)
        judging = self.problem.data(
            judge, getattr(judge, target), reference=training, params=parameters
        )
        booster = lightgbm.train(
            parameters,
            training,
            self.settings.trees,
            valid_sets=[judging],
            callbacks=[told, lightgbm.early_stopping(self.settings.patience, verbose=False)],
        )
        loss = float(next(iter(booster.best_score["valid_0"].values())))
        return loss, Size(leaves, max(booster.best_iteration, 1))


def _latest_patients(snapshots: Snapshots) -> NDArray[np.bool_]:
    """Snapshots of the patients whose last admission is among the latest."""
    _, patient = np.unique(snapshots.subject_id, return_inverse=True)
    last = np.full(int(patient.max(initial=-1)) + 1, np.iinfo(np.int64).min, np.int64)
    np.maximum.at(last, patient.ravel(), snapshots.spell_start)
    cut = np.quantile(last, 1.0 - LATER_SHARE) if last.size else 0.0
    return np.asarray(last[patient.ravel()] > cut)


def gain_of(booster: lightgbm.Booster, width: int) -> Float64:
    """Total gain of each of the first ``width`` columns, shape (1, width)."""
    return np.asarray(booster.feature_importance("gain"), dtype=np.float64)[None, :width]
