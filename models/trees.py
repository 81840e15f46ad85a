"""Gradient-boosted trees at serving time: scores and exact reasons, without LightGBM.

>>> trees = Trees.from_text(EXAMPLE)
>>> rows = np.array([[0.4], [0.6]])
>>> trees.predict_raw(rows).tolist()
[-1.0, 3.0]
>>> trees.contributions(rows).tolist()  # what the feature adds to the mean, then the mean
[[-1.0, 0.0], [3.0, 0.0]]

References
----------
Lundberg et al. 2020, From local explanations to global understanding with explainable AI for
trees, Nature Machine Intelligence 2 (path-dependent TreeSHAP: the values). Owen 1972, Multilinear
extensions of games, Management Science 18 (the integral they are; ``kernel_reasons.c``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from feature_store.kernel import address
from models.kernel import kernel_available, library
from models.kernel_model import Laid, Varying, done, lay_out_model, plan_grid
from models.score_layout import lay_out_scores
from models.tree_text import Float64, Forest, UnsupportedModel, read_forest

__all__ = ["EXAMPLE", "Trees", "UnsupportedModel", "kernel_available"]

EXAMPLE: Final = """\
tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=0
objective=binary sigmoid:1
feature_names=age_years
feature_infos=[0:1]

Tree=0
num_leaves=2
num_cat=0
split_feature=0
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=-1 3
leaf_count=30 10
internal_count=40
is_linear=0

end of trees
"""
"""A whole model in LightGBM's text format: one split."""


@dataclass(frozen=True, eq=False)
class Trees:
    """A boosted model of one output, such as LightGBM's ``binary``.

    Threads may share it; the kernel lets others run while it works, on one thread.

    Parameters
    ----------
    text : str
        The model as LightGBM wrote it.
    forest : Forest
        The same in arrays.
    """

    text: str
    forest: Forest

    @classmethod
    def from_text(cls, text: str) -> Trees:
        """Read what ``Booster.model_to_string`` returns or ``save_model`` writes.

        Raises
        ------
        UnsupportedModel
            For several outputs, averaged trees, linear leaves, or a damaged text.
        """
        return cls(text, read_forest(text))

    def __reduce__(self) -> tuple[Callable[[str], Trees], tuple[str]]:
        """Travel to another process as text: what is laid out for the kernel stays at home."""
        return Trees.from_text, (self.text,)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return self.forest.feature_names

    @cached_property
    def expected_value(self) -> float:
        """Mean raw score over the training rows, by the counts of nodes and leaves."""
        forest = self.forest
        split = np.diff(forest.node_start) > 0
        rows = np.ones(split.size)
        rows[split] = forest.node_count[forest.node_start[:-1][split]]
        leaves = np.diff(forest.leaf_start)
        share = np.where(np.repeat(split, leaves), forest.leaf_count, 1.0) / np.repeat(rows, leaves)
        return float((share * forest.leaf_value).sum())

    def predict_raw(self, matrix: Float64) -> Float64:
        """Raw score (log-odds) of each row, bit for bit that of ``Booster.predict``.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, n_features), C-contiguous
            NaN where missing; categories as their codes.

        Returns
        -------
        ndarray of float64, shape (n,)

        Raises
        ------
        ValueError
            For another type, shape or memory order.
        """
        n = self._count(matrix, "matrix", len(self.feature_names))
        scores = np.empty(n)
        model, rows = self._models(()), address(matrix)
        done(library().homeward_scores(model.address, rows, n, address(scores)))
        return scores

    def contributions(self, matrix: Float64) -> Float64:
        """Exact contribution of each feature to the raw score of each row.

        Path-dependent TreeSHAP, what ``Booster.predict(pred_contrib=True)`` returns, to rounding.
        What a feature contributes to a path is an integral of a polynomial, which a
        Gauss-Legendre rule with half as many points as the path has features gives exactly.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n, n_features), C-contiguous

        Returns
        -------
        ndarray of float64, shape (n, n_features + 1)
            The last column is ``expected_value``; a row sums to its raw score.

        Raises
        ------
        ValueError
            For another type, shape or memory order.
        """
        n = self._count(matrix, "matrix", len(self.feature_names))
        reasons = np.empty((n, len(self.feature_names) + 1))
        model, rows = self._models(()), address(matrix)
        done(library().homeward_reasons(model.address, None, rows, None, n, address(reasons)))
        return reasons

    def predict_raw_grid(self, rows: Float64, varying: Varying, grid: Float64) -> Float64:
        """Raw score of each row at each point of a grid of values in some of its columns.

        Bit for bit what :meth:`predict_raw` gives for the rows with these values filled in; a
        tree that decides several points alike is walked once for them.

        Parameters
        ----------
        rows : ndarray of float64, shape (n, n_features), C-contiguous
            What stands in the varying columns is not looked at.
        varying : tuple of int
            Which columns.
        grid : ndarray of float64, shape (g, len(varying)), C-contiguous

        Returns
        -------
        ndarray of float64, shape (n, g)

        Raises
        ------
        ValueError
            For another type, shape or memory order, or columns that do not exist.
        """
        n = self._count(rows, "rows", len(self.feature_names))
        plan = self.plan(varying, grid)
        scores = np.empty((n, grid.shape[0]))
        model, start = self._models(varying), address(rows)
        done(
            library().homeward_scores_on_grid(
                model.address, plan.address, start, n, address(scores)
            )
        )
        return scores

    def contributions_grid(
        self, rows: Float64, varying: Varying, grid: Float64, weights: Float64
    ) -> Float64:
        """Contributions of each row, summed over the points of a grid by weights.

        Row i is the sum over points p of ``weights[i, p]`` times the contributions of row i with
        the values of point p. Contributions are linear in what comes down to a node and in what
        comes up from it, hence only nodes at or above a split on a varying column are visited
        more than once, and those once for all points that they decide alike.

        Parameters
        ----------
        rows, varying, grid
            As for :meth:`predict_raw_grid`.
        weights : ndarray of float64, shape (n, g), C-contiguous
            Finite; a point of weight 0 costs nothing.

        Returns
        -------
        ndarray of float64, shape (n, n_features + 1)

        Raises
        ------
        ValueError
            As for :meth:`predict_raw_grid`, and for weights that are not finite.
        """
        n = self._count(rows, "rows", len(self.feature_names))
        plan = self.plan(varying, grid)
        if self._count(weights, "weights", grid.shape[0]) != n:
            msg = f"weights: one line a row ({n}) expected, got {weights.shape[0]}"
            raise ValueError(msg)
        if not np.isfinite(weights).all():
            msg = "weights: finite numbers expected, got NaN or infinity"
            raise ValueError(msg)
        reasons = np.empty((n, len(self.feature_names) + 1))
        model, start = self._models(varying), address(rows)
        done(
            library().homeward_reasons(
                model.address, plan.address, start, address(weights), n, address(reasons)
            )
        )
        return reasons

    def laid_out(self, varying: Varying) -> Laid:
        """The model as the kernel takes it, for grids in the varying columns."""
        return self._models(varying)

    def plan(self, varying: Varying, grid: Float64) -> Laid:
        """What a grid does to each tree, as the kernel takes it; remembered, as grids recur.

        Raises
        ------
        ValueError
            As for :meth:`predict_raw_grid`.
        """
        columns = len(self.feature_names)
        known = all(0 <= column < columns for column in varying)
        if not varying or not known or len(set(varying)) < len(varying):
            msg = f"varying: one or more columns of {columns}, each once, expected, got {varying}"
            raise ValueError(msg)
        if self._count(grid, "grid", len(varying)) == 0:
            msg = "grid: one or more points expected, got none"
            raise ValueError(msg)
        return self._plans(varying, grid.tobytes())

    @staticmethod
    def _count(matrix: object, name: str, columns: int) -> int:
        """How many rows a matrix has that the kernel can read."""
        if not isinstance(matrix, np.ndarray) or matrix.dtype != np.float64:
            got = getattr(matrix, "dtype", type(matrix).__name__)
            msg = f"{name}: an ndarray of float64 expected, got {got}"
            raise ValueError(msg)
        if matrix.ndim != 2 or matrix.shape[1] != columns:  # noqa: PLR2004 - a matrix
            msg = f"{name}: shape (n, {columns}) expected, got {matrix.shape}"
            raise ValueError(msg)
        if not matrix.flags.c_contiguous:
            msg = f"{name}: C-contiguous memory expected; np.ascontiguousarray makes it so"
            raise ValueError(msg)
        return int(matrix.shape[0])

    @cached_property
    def _models(self) -> Callable[[Varying], Laid]:
        """Layouts by varying columns; a model is used with one or two sets of them."""
        scores = lay_out_scores(self.forest)

        @lru_cache(maxsize=4)
        def laid_out(varying: Varying) -> Laid:
            return lay_out_model(self.forest, scores, self.expected_value, varying)

        return laid_out

    @cached_property
    def _plans(self) -> Callable[[Varying, bytes], Laid]:
        """Plans by grid: a grid of days has few."""

        @lru_cache(maxsize=64)
        def planned(varying: Varying, grid: bytes) -> Laid:
            return plan_grid(self._models(varying), varying, grid)

        return planned
