"""LightGBM's text model format, read into flat arrays.

The format is what ``Booster.save_model`` writes: a header of ``key=value`` lines, one block of
such lines a tree, then importances and parameters, which are not read. Reading it here spares a
serving process the import of lightgbm.

References
----------
LightGBM 4.7.0, ``src/boosting/gbdt_model_text.cpp`` (header), ``src/io/tree.cpp`` (trees).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from feature_store.errors import BadInput

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

VERSIONS: Final = ("v3", "v4")

# Bits of ``decision_type``; the two bits above these hold the kind of missing value.
CATEGORICAL: Final = 1
DEFAULT_LEFT: Final = 2
MISSING_SHIFT: Final = 2
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


class UnsupportedModel(BadInput, ValueError):
    """The text is not a model, or a model of a kind that is not supported."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Every tree of a model, end to end in flat arrays.

    The inner nodes of tree ``i`` are ``node_start[i]:node_start[i + 1]`` and its leaves are
    ``leaf_start[i]:leaf_start[i + 1]``, both in LightGBM's order, where the root comes first and
    a child after its parent. A tree may be a single leaf.

    Parameters
    ----------
    feature_names : tuple of str
        In the order of the columns of a matrix to be scored.
    objective : str
        As written, such as ``binary sigmoid:1``; empty for a custom one.
    node_start, leaf_start : ndarray of int64, shape (n_trees + 1,)
    feature : ndarray of int64, shape (n_nodes,)
    threshold : ndarray of float64, shape (n_nodes,)
        A value up to and including it goes left. Not used by categorical splits.
    decision : ndarray of int64, shape (n_nodes,)
        Bits: categorical, missing goes left, kind of missing value.
    children : ndarray of int64, shape (n_nodes, 2)
        Left and right: position of a node in these arrays, or ``~position`` of a leaf.
    node_count : ndarray of float64, shape (n_nodes,)
        Training rows that came through.
    leaf_value, leaf_count : ndarray of float64, shape (n_leaves,)
    word_start, word_count : ndarray of int64, shape (n_nodes,)
        Where in `words` the category set of a node lies; count 0 for a numeric split.
    words : ndarray of uint32
        Sets of categories that go left, 32 categories a word, lowest bit first.
    """

    feature_names: tuple[str, ...]
    objective: str
    node_start: Int64
    leaf_start: Int64
    feature: Int64
    threshold: Float64
    decision: Int64
    children: Int64
    node_count: Float64
    leaf_value: Float64
    leaf_count: Float64
    word_start: Int64
    word_count: Int64
    words: NDArray[np.uint32]


Fields = dict[str, str]


def read_forest(text: str) -> Forest:
    """Read a model from the text that ``Booster.model_to_string`` returns.

    Raises
    ------
    UnsupportedModel
        If the text is not a complete model, or is one with several outputs, averaged trees,
        linear leaves, or nodes that no training row came through.
    """
    model, end, _ = text.replace("\r\n", "\n").partition("\nend of trees")
    if not model.startswith("tree\n") or not end:
        msg = (
            "a LightGBM text model expected, from 'tree' to 'end of trees'; got something else, "
            "or a part of one: save it again with Booster.save_model"
        )
        raise UnsupportedModel(msg)
    header, *blocks = re.split(r"\nTree=\d+\n", model)
    feature_names, objective = _read_header(header)
    forest = _read_trees(feature_names, objective, [_fields(block) for block in blocks])
    _check(forest)
    return forest


def _fields(block: str) -> Fields:
    pairs = (line.partition("=") for line in block.split("\n"))
    return {key: value for key, equals, value in pairs if equals}


def _refuse(expected: str, got: str) -> NoReturn:
    msg = f"this model cannot be used: expected {expected}, got {got}"
    raise UnsupportedModel(msg)


def _read_header(header: str) -> tuple[tuple[str, ...], str]:
    found = _fields(header)
    version, outputs = found.get("version"), found.get("num_tree_per_iteration")
    if version not in VERSIONS:
        _refuse(f"text format {' or '.join(VERSIONS)}", f"{version}")
    if found.get("num_class") != "1" or outputs != "1":
        _refuse("one output, such as objective binary", f"{outputs} outputs")
    if "average_output" in header.split("\n"):
        _refuse("trees that are summed", "a random forest, whose trees are averaged")
    names = tuple(found.get("feature_names", "").split())
    if found.get("max_feature_idx") != f"{len(names) - 1}":
        _refuse("one name a feature", f"{len(names)} names")
    return names, found.get("objective", "")


def _read_trees(feature_names: tuple[str, ...], objective: str, trees: list[Fields]) -> Forest:
    if any(tree.get("is_linear", "0") != "0" for tree in trees):
        _refuse("constant leaves", "linear leaves (linear_tree)")
    leaves = _column(trees, "num_leaves", [1] * len(trees))
    if leaves.size and leaves.min() < 1:
        _refuse("at least one leaf a tree", "a tree without")
    nodes = leaves - 1
    node_start, leaf_start = _starts(nodes), _starts(leaves)
    decision = _column(trees, "decision_type", nodes)
    threshold = _column(trees, "threshold", nodes, float)
    child = np.stack([_column(trees, f"{side}_child", nodes) for side in ("left", "right")], axis=1)
    first_node, first_leaf = (
        np.repeat(starts[:-1], nodes)[:, None] for starts in (node_start, leaf_start)
    )
    word_start, word_count, words = _read_sets(trees, nodes, decision, threshold)
    return Forest(
        feature_names=feature_names,
        objective=objective,
        node_start=node_start,
        leaf_start=leaf_start,
        feature=_column(trees, "split_feature", nodes),
        threshold=threshold,
        decision=decision,
        children=np.where(child >= 0, child + first_node, child - first_leaf),
        node_count=_column(trees, "internal_count", nodes, float),
        leaf_value=_column(trees, "leaf_value", leaves, float),
        leaf_count=_column(trees, "leaf_count", leaves, float),
        word_start=word_start,
        word_count=word_count,
        words=words,
    )


def _starts(sizes: Int64) -> Int64:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _column(
    trees: Sequence[Fields], key: str, sizes: Iterable[int] | Int64, kind: type = int
) -> NDArray[Any]:
    """Read the numbers under `key` of all trees, end to end; each tree must have its share.

    Python reads a decimal to the nearest double, as LightGBM does: hence equal scores.
    """
    found = []
    for tree, size in zip(trees, sizes, strict=True):
        words = tree.get(key, "").split() if size else []
        if len(words) != size:
            _refuse(f"{size} numbers in {key}", f"{len(words)}")
        found += words
    try:
        return np.array([kind(word) for word in found], kind)
    except (ValueError, OverflowError):
        msg = f"this model cannot be used: expected numbers in {key}, got something else"
        raise UnsupportedModel(msg) from None


def _read_sets(
    trees: list[Fields], nodes: Int64, decision: Int64, threshold: Float64
) -> tuple[Int64, Int64, NDArray[np.uint32]]:
    """Category sets; the "threshold" of a categorical split is the set's number in its tree."""
    sets = _column(trees, "num_cat", [1] * len(trees))
    # Only a tree that has sets writes their bounds: one more than sets, the first 0.
    sizes = np.where(sets > 0, sets + 1, 0)
    bounds, bound_start = _column(trees, "cat_boundaries", sizes), _starts(sizes)
    opens = bound_start[:-1][sets > 0]
    n_words = np.zeros(len(trees), np.int64)
    n_words[sets > 0] = bounds[bound_start[1:][sets > 0] - 1]
    steps = np.delete(np.diff(bounds, prepend=0), opens)
    words = _column(trees, "cat_threshold", n_words)
    is_set = decision & CATEGORICAL == CATEGORICAL
    tree, chosen = np.repeat(np.arange(len(trees)), nodes)[is_set], threshold[is_set]
    sound = not bounds[opens].any() and (steps >= 0).all() and (words >> 32 == 0).all()
    if not sound or (chosen < 0).any() or (chosen >= sets[tree]).any():
        _refuse("category sets that splits can find", "damaged ones")
    first = bound_start[tree] + chosen.astype(np.int64)
    word_start, word_count = np.zeros((2, decision.size), np.int64)
    word_start[is_set] = bounds[first] + _starts(n_words)[tree]
    word_count[is_set] = bounds[first + 1] - bounds[first]
    return word_start, word_count, words.astype(np.uint32)


def _check(forest: Forest) -> None:
    """Refuse what would send the kernel astray, or make a reason meaningless."""
    nodes = np.arange(forest.feature.size)
    numbers = np.concatenate([forest.leaf_value, forest.leaf_count])
    within = (forest.feature >= 0) & (forest.feature < len(forest.feature_names))
    # A threshold may be infinite: everything known to the left, missing to the right.
    within &= ~np.isnan(forest.threshold)
    if not within.all() or not np.isfinite(numbers).all() or (forest.leaf_count < 0).any():
        _refuse("features, thresholds, values and counts in their ranges", "others")
    # A node that no row came through has no expected value, hence no Shapley value.
    if not (forest.node_count > 0).all() or not np.isfinite(forest.node_count).all():
        _refuse("training rows in every inner node", "a node without")
    inner = forest.children >= 0
    roots = forest.node_start[:-1][np.diff(forest.node_start) > 0]
    lonely = forest.leaf_start[:-1][np.diff(forest.leaf_start) == 1]
    leaves = np.delete(np.arange(forest.leaf_value.size), lonely)
    expected = np.concatenate([np.flip(~leaves), np.delete(nodes, roots)])
    # Every node and leaf has one parent, of its own tree and before it: then these are trees.
    if not np.array_equal(np.sort(forest.children, axis=None), expected):
        _refuse("one parent for every node and leaf", "none or several")
    own = np.repeat(np.arange(forest.node_start.size - 1), np.diff(forest.node_start))
    of_leaf = np.repeat(np.arange(forest.leaf_start.size - 1), np.diff(forest.leaf_start))
    other = np.where(inner, own[forest.children * inner], of_leaf[~forest.children * ~inner])
    if (other != own[:, None]).any() or (inner & (forest.children <= nodes[:, None])).any():
        _refuse("children after their parents, in the same tree", "others")
