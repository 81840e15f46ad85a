"""How well settings of the trees would do, without fitting a whole model.

Judged out of time and by patient inside the training part: what calibrates and what is held out
has no say in the choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feature_store.definitions import FeatureSet
from feature_store.outcome import Outcomes
from feature_store.snapshots import Snapshots
from models.boosting import Problem, Sizes, Watch
from models.encoding import learn_encoding
from models.fit_settings import FitSettings
from models.fitting import constrained, snapshot_weights, thin
from models.grid import Risks, choose_grid, risks_of
from models.survival import Float64


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What every trial of one training part has in common.

    Parameters
    ----------
    problem : Problem
    risks : Risks
    snapshots : Snapshots
    """

    problem: Problem
    risks: Risks
    snapshots: Snapshots

    @classmethod
    def of(
        cls,
        matrix: Float64,
        snapshots: Snapshots,
        outcomes: Outcomes,
        *,
        feature_set: FeatureSet,
        settings: FitSettings,
    ) -> Ground:
        """Prepare the training snapshots as :func:`models.fitting.fit` does."""
        first = np.unique(snapshots.spell_id, return_index=True)[1]
        grid = choose_grid(outcomes.take(first))
        risks = thin(risks_of(grid, snapshots.days_so_far, outcomes), settings)
        weight = snapshot_weights(snapshots)
        _, columns = learn_encoding(matrix, feature_set, risks, weight, snapshots.subject_id)
        bound = constrained(feature_set, settings)
        problem = Problem(columns, weight, feature_set.categorical, first.size, bound)
        return cls(problem, risks, snapshots)

    def loss(self, settings: FitSettings, watch: Watch) -> float:
        """Log-loss of leaving, of the latest training patients (less is better)."""
        return Sizes(self.problem, self.snapshots, settings).loss(self.risks, watch)
