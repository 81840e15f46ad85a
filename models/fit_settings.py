"""How the trees are grown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

ROWS_A_SPELL: Final = 5.0
"""Weight of a spell's rows together, on average, whatever the number of mornings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """Settings of the trees.

    Sizes count *spells*, not rows: a spell of twenty mornings has two hundred rows that say much
    the same, and a leaf of those is a leaf of one patient. The defaults were chosen on
    patient-disjoint folds of real admissions (docs/benchmarks.md): strong smoothing of
    categories, half of the features a tree, many shallow steps.

    Parameters
    ----------
    leaves : tuple of int
        Sizes of tree to try; the one that predicts later patients of the training period best is
        kept.
    trees : int
        At most so many; how many is decided by the same later patients.
    patience : int
        Trees without improvement after which a size is given up.
    learning_rate : float
    least_spells_in_leaf, least_spells_in_category : int
    feature_share : float
        Share of the features each tree may use.
    l2, category_smoothing, category_l2 : float
        In units of weight; the weights of a spell's rows sum to ``ROWS_A_SPELL`` on average.
    never_shorter : tuple of str
        Features of which a higher value may never raise the hazard of leaving, all else equal
        (docs/training.md says at what cost). Numbers only.
    least_spells : int
        Spells that ended, below which no trees are grown.
    most_rows : int
        Person-intervals above which they are thinned by chance, which bounds memory and time.
        Mornings of one spell say much the same, so little is lost (docs/benchmarks.md).
    rows_a_tree : int
        Person-intervals that each tree is grown on, others for the next, where ``most_rows`` lets
        in more.
    seed, threads : int
    """

    leaves: tuple[int, ...] = (8, 15, 31)
    trees: int = 600
    patience: int = 40
    learning_rate: float = 0.05
    least_spells_in_leaf: int = 20
    least_spells_in_category: int = 10
    feature_share: float = 0.5
    l2: float = 30.0
    category_smoothing: float = 100.0
    category_l2: float = 100.0
    never_shorter: tuple[str, ...] = ()
    least_spells: int = 100
    most_rows: int = 1_000_000
    rows_a_tree: int = 1_000_000
    seed: int = 20260114
    threads: int = 2

    def parameters(self, *, leaves: int, rows: int, spells: int) -> dict[str, Any]:
        """In LightGBM's words; deterministic, so that the same data give the same bytes.

        Parameters
        ----------
        leaves : int
        rows, spells : int
            Person-intervals, and spells that they are of.
        """
        share = min(1.0, self.rows_a_tree / max(rows, 1))
        rows_a_spell = share * rows / max(spells, 1)
        bagged = {"bagging_fraction": share, "bagging_freq": 1} if share < 1.0 else {}
        return {
            **bagged,
            "objective": "binary",
            "num_leaves": leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": max(1, round(self.least_spells_in_leaf * rows_a_spell)),
            "min_data_per_group": max(1, round(self.least_spells_in_category * rows_a_spell)),
            "feature_fraction": self.feature_share,
            "lambda_l2": self.l2,
            "cat_smooth": self.category_smoothing,
            "cat_l2": self.category_l2,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_col_wise": True,  # the same trees as by rows, in two thirds of the time
            "verbosity": -1,
        }
