"""Where each node and leaf goes when trees are laid out for exact reasons.

A few trees go side by side in a bundle, so that a processor that waits for one works at another.
A bundle's nodes stand in five groups, so that every loop of the kernel is over neighbours that
are treated alike, parents before children in each:

=============  ====================================================================================
mixed          has, or is above, a split on a varying column: walked once a cell; tree by tree
heads          child of a mixed node, or the root of a tree without: takes what comes from above
inner          below these
pair heads     a head whose children are both leaves
pairs          below a head, with two leaves
=============  ====================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.tree_shape import Shape
from models.tree_text import Forest, Int64

GROUPS: Final = ("mixed", "heads", "inner", "pair_heads", "nodes")
"""Names of the ends of the groups, in order; the last is the end of all."""

_MIXED, _HEADS, _INNER, _PAIR_HEADS, _PAIRS = range(5)

BUNDLE_DOUBLES: Final = 2_048
"""Nodes times points of a bundle, about: what still fits the nearest cache, twice."""


def bundle_trees(nodes: Int64, points: Int64) -> Int64:
    """Number of each tree's bundle, -1 for a tree that is a single leaf.

    Trees of a bundle share a quadrature rule. The order of trees, and so of rounding, depends on
    the model alone.

    >>> bundle_trees(np.array([400, 3, 0, 5, 200]), np.array([4, 8, 4, 8, 4])).tolist()
    [0, 2, -1, 2, 1]
    """
    bundle = np.full(nodes.size, -1)
    number, filled, rule = -1, BUNDLE_DOUBLES, 0
    for tree in np.argsort(points, kind="stable"):
        if nodes[tree] == 0:
            continue
        filled += int(nodes[tree] * points[tree])
        if filled > BUNDLE_DOUBLES or points[tree] != rule:
            number, filled, rule = number + 1, int(nodes[tree] * points[tree]), int(points[tree])
        bundle[tree] = number
    return bundle


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The order of nodes and leaves.

    Leaves of pairs come after the others, left ones before right ones, in the order of the pairs.

    Parameters
    ----------
    bundle : ndarray of int64, shape (n_trees,)
    owner : ndarray of int64, shape (n_nodes,)
        Bundle of each node.
    order : ndarray of int64, shape (n_nodes,)
        Nodes, bundle by bundle.
    rank : ndarray of int64, shape (n_nodes,)
        Place of each node in its bundle.
    mixed : ndarray of bool, shape (n_nodes,)
    group_ends : ndarray of int64, shape (n_bundles, 5)
    leaf_order : ndarray of int64, shape (n_leaves,)
        Leaves of trees without a split first, then bundle by bundle.
    leaf_rank : ndarray of int64, shape (n_leaves,)
        Place of each leaf in its bundle.
    first_leaf, slots : ndarray of int64, shape (n_bundles,)
        Where a bundle's leaves begin in `leaf_order`; how many are of no pair.
    """

    bundle: Int64
    owner: Int64
    order: Int64
    rank: Int64
    mixed: NDArray[np.bool_]
    group_ends: Int64
    leaf_order: Int64
    leaf_rank: Int64
    first_leaf: Int64
    slots: Int64


def place(forest: Forest, shape: Shape, bundle: Int64, on_grid: NDArray[np.bool_]) -> Places:
    """Order the nodes and leaves of a forest; `on_grid` are the nodes on varying columns."""
    mixed = on_grid.copy()
    for level in reversed(shape.levels[1:]):
        mixed[shape.parent_edge[level[mixed[level]]] // 2] = True
    head = (shape.parent_edge < 0) | mixed[shape.parent_edge // 2]
    pair = (forest.children < 0).all(axis=1)
    group = np.where(pair, np.where(head, _PAIR_HEADS, _PAIRS), np.where(head, _HEADS, _INNER))
    group[mixed] = _MIXED

    owner = bundle[shape.tree]
    bundles = int(bundle.max(initial=-1)) + 1
    order = np.concatenate([*shape.levels, np.zeros(0, np.int64)])
    order = order[np.lexsort((np.where(mixed, shape.tree, 0)[order], group[order], owner[order]))]
    ends = np.bincount(5 * owner + group, minlength=5 * bundles).reshape(bundles, 5).cumsum(axis=1)

    of_leaf = bundle[np.repeat(np.arange(bundle.size), np.diff(forest.leaf_start))]
    rank = _rank(order, owner)
    parent, side = np.nonzero(forest.children < 0)
    leaf = ~forest.children[parent, side]
    kind, beside = np.zeros((2, of_leaf.size), np.int64)
    kind[leaf] = np.where(group[parent] >= _PAIR_HEADS, 1 + side, 0)
    beside[leaf] = 2 * rank[parent] + side
    leaf_order = np.lexsort((beside, kind, of_leaf))
    return Places(
        bundle=bundle,
        owner=owner,
        order=order,
        rank=rank,
        mixed=mixed,
        group_ends=ends,
        leaf_order=leaf_order,
        leaf_rank=_rank(leaf_order, of_leaf),
        first_leaf=np.searchsorted(of_leaf[leaf_order], np.arange(bundles)),
        slots=np.bincount(of_leaf[(kind == 0) & (of_leaf >= 0)], minlength=bundles),
    )


def _rank(order: Int64, owner: Int64) -> Int64:
    """Place of each thing among those of its owner, in an order that keeps them together."""
    rank = np.empty_like(order)
    owners = owner[order]
    rank[order] = np.arange(order.size) - np.searchsorted(owners, owners)
    return rank


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Some of the nodes, by owner (a bundle or a tree), in the order of their places.

    Parameters
    ----------
    nodes : ndarray of int64
    first, count, mixed : ndarray of int64, shape (n_owners,)
        Where an owner's nodes begin, how many there are, how many of them are mixed.
    rank : ndarray of int64, shape (n_nodes,)
        Place of each node in its owner's list, or -1.
    """

    nodes: Int64
    first: Int64
    count: Int64
    mixed: Int64
    rank: Int64

    @classmethod
    def of(cls, wanted: NDArray[np.bool_], owner: Int64, owners: int, places: Places) -> Listed:
        """List the `wanted` nodes."""
        nodes = places.order[wanted[places.order]]
        nodes = nodes[np.argsort(owner[nodes], kind="stable")]
        count = np.bincount(owner[nodes], minlength=owners)
        rank = np.full(wanted.size, -1)
        first = np.cumsum(count) - count
        rank[nodes] = np.arange(nodes.size) - first[owner[nodes]]
        mixed = np.bincount(owner[nodes[places.mixed[nodes]]], minlength=owners)
        return cls(nodes, first, count, mixed, rank)
