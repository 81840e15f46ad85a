"""How the nodes of a forest hang together, and what of a row they look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.tree_text import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_SHIFT,
    MISSING_ZERO,
    Forest,
    Int64,
)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How the nodes of a forest hang together, in the order of the forest.

    Parameters
    ----------
    tree : ndarray of int64, shape (n_nodes,)
        Which tree a node is in.
    parent_edge : ndarray of int64, shape (n_nodes,)
        ``2 * parent + side``, side 0 left and 1 right; -1 for a root.
    levels : tuple of ndarray of int64
        Nodes by depth; each level in the order of its parents' level.
    """

    tree: Int64
    parent_edge: Int64
    levels: tuple[Int64, ...]

    @property
    def breadth_first(self) -> Int64:
        """Nodes tree by tree, each tree breadth first."""
        order = np.concatenate([*self.levels, np.zeros(0, np.int64)])
        return order[np.argsort(self.tree[order], kind="stable")]


def shape_of(forest: Forest) -> Shape:
    """Parents and levels of every node."""
    nodes = np.diff(forest.node_start)
    edges = np.flatnonzero(forest.children.ravel() >= 0)
    parent_edge = np.full(forest.feature.size, -1)
    parent_edge[forest.children.ravel()[edges]] = edges
    levels = []
    level = forest.node_start[:-1][nodes > 0]
    while level.size:
        levels.append(level)
        below = forest.children[level].ravel()
        level = below[below >= 0]
    return Shape(np.repeat(np.arange(nodes.size), nodes), parent_edge, tuple(levels))


def is_set(forest: Forest) -> NDArray[np.bool_]:
    """Which nodes split on a set of categories."""
    chosen: NDArray[np.bool_] = forest.decision & CATEGORICAL == CATEGORICAL
    return chosen


def columns_of(forest: Forest) -> NDArray[np.uint32]:
    """Where in a row's views each node looks; the views are described in ``kernel.c``.

    They are: missing as 0; missing left; missing right; zero and missing left; zero and missing
    right; the constant 0; categories as integers.
    """
    missing = forest.decision >> MISSING_SHIFT & 3
    goes_right = (forest.decision & DEFAULT_LEFT == 0).astype(np.int64)
    kinds = [missing == MISSING_NAN, missing == MISSING_ZERO]
    view = np.select(kinds, [1 + goes_right, 3 + goes_right], 0)
    features = len(forest.feature_names)
    column = np.where(is_set(forest), 5 * features + 1, view * features) + forest.feature
    return column.astype(np.uint32)


def padded_sets(forest: Forest) -> tuple[Int64, NDArray[np.uint32]]:
    """Category sets of the nodes, each with a word of zeros after it for codes beyond it.

    Returns
    -------
    start : ndarray of int64, shape (n_nodes,)
    words : ndarray of uint32
    """
    count = np.where(is_set(forest), forest.word_count + 1, 0)
    start = np.cumsum(count) - count
    node = np.repeat(np.arange(count.size), count)
    within = np.arange(node.size) - start[node]
    kept = np.append(forest.words, np.uint32(0))
    source = np.where(within < forest.word_count[node], forest.word_start[node] + within, -1)
    return start, np.append(kept[source], np.uint32(0))
