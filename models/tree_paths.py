"""What the training rows say of each path from a root to a leaf, whatever row is explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.tree_shape import Shape
from models.tree_text import Float64, Forest, Int64

EMPTY_LEAF: Final = 1e-60
"""Rows counted for a leaf that no training row reached, so that none of its gains is infinite.

At most one leaf of a path is empty (inner nodes are not), so its terms are wrong by this share."""


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Shares and weights of the paths of a forest.

    Parameters
    ----------
    repeats : ndarray of int64, shape (n_nodes,)
        Edge (``2 * node + side``) by which the path left the nearest node above that splits on
        the same feature; -1 if none does.
    gain : ndarray of float64, shape (n_nodes, 2)
        1 / z - 1 of either edge, z being the share of rows that follow every split on this
        feature so far: the product of child count over parent count.
    leaf_weight : ndarray of float64, shape (n_leaves,)
        Value of the leaf times the product of all such shares on its path.
    features : ndarray of int64, shape (n_nodes,)
        Different features on the path down to and with this node.
    """

    repeats: Int64
    gain: Float64
    leaf_weight: Float64
    features: Int64


def follow_paths(forest: Forest, shape: Shape) -> Paths:
    """Follow every path from its root, all trees at once."""
    above = _same_feature_above(forest.feature, shape.parent_edge)
    inner = forest.children >= 0
    rows = np.where(
        inner,
        forest.node_count[forest.children * inner],
        np.maximum(forest.leaf_count, EMPTY_LEAF)[~forest.children * ~inner],
    )
    ratio = rows / forest.node_count[:, None]
    zero, share, features = ratio.copy(), np.ones(above.size), np.ones(above.size, np.int64)
    for depth, level in enumerate(shape.levels):
        again = above[level] >= 0
        zero[level] *= np.where(again, zero.ravel()[above[level]], 1.0)[:, None]
        if depth:
            edge = shape.parent_edge[level]
            share[level] = share[edge // 2] * ratio.ravel()[edge]
            features[level] = features[edge // 2] + ~again
    leaf_weight = forest.leaf_value.copy()
    leaf_weight[~forest.children[~inner]] *= (share[:, None] * ratio)[~inner]
    return Paths(above, 1.0 / zero - 1.0, leaf_weight, features)


def _same_feature_above(feature: Int64, parent_edge: Int64) -> Int64:
    above = parent_edge.copy()
    climbing = np.flatnonzero(above >= 0)
    while climbing.size:
        climbing = climbing[feature[above[climbing] // 2] != feature[climbing]]
        above[climbing] = parent_edge[above[climbing] // 2]
        climbing = climbing[above[climbing] >= 0]
    return above
