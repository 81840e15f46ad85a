"""The trees laid out to be walked: what the kernel reads to score.

A tree lies breadth first, so that two siblings are neighbours and one number leads to both; a
leaf leads to itself, so that several trees can be walked in step until none moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.tree_shape import columns_of, is_set, padded_sets, shape_of
from models.tree_text import Forest

SCORE_NODE: Final = np.dtype([("threshold", "f8"), ("column", "u4"), ("left", "u4")])

# In ``column``: the node splits on a category set, whose place is where its threshold would be.
IS_SET: Final = np.uint32(1 << 31)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreLayout:
    """Arrays of the kernel, under their names there."""

    arrays: dict[str, NDArray[Any]]


def lay_out_scores(forest: Forest) -> ScoreLayout:
    """Lay out a forest for scoring.

    A tree of n nodes has n + 1 leaves. If node k of all nodes, breadth first, is in tree i, then
    its children lie at 2k + i + 1 and 2k + i + 2.
    """
    shape = shape_of(forest)
    order = shape.breadth_first
    left = np.empty(order.size, np.int64)
    left[order] = 2 * np.arange(order.size) + shape.tree[order] + 1
    trees = forest.node_start.size - 1
    roots = 2 * forest.node_start[:-1] + np.arange(trees)
    node_at = roots[shape.tree]
    leaf_at = np.repeat(roots, np.diff(forest.leaf_start))
    edges = np.arange(2 * order.size)
    below, at = forest.children.ravel(), left[edges // 2] + edges % 2
    node_at[below[below >= 0]] = at[below >= 0]
    leaf_at[~below[below < 0]] = at[below < 0]

    nodes, values = np.zeros(2 * order.size + trees, SCORE_NODE), np.zeros(2 * order.size + trees)
    nodes["threshold"][leaf_at] = np.inf
    nodes["column"][leaf_at] = 5 * len(forest.feature_names)
    nodes["left"][leaf_at] = leaf_at
    values[leaf_at] = forest.leaf_value
    nodes["threshold"][node_at] = forest.threshold
    nodes["column"][node_at] = columns_of(forest)
    nodes["left"][node_at] = left

    sets = is_set(forest)
    start, words = padded_sets(forest)
    place = np.stack([start, forest.word_count], axis=1)[sets].astype(np.uint32)
    nodes["threshold"][node_at[sets]] = place.view(np.float64)[:, 0]
    nodes["column"][node_at[sets]] |= IS_SET
    return ScoreLayout(
        {
            "score_nodes": nodes,
            "score_values": values,
            "roots": roots.astype(np.uint32),
            "words": words,
            "code_features": np.unique(forest.feature[sets]).astype(np.int32),
        }
    )
