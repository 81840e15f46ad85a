"""The trees laid out for exact reasons: what the kernel reads to explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.reason_places import GROUPS, Listed, Places, bundle_trees, place
from models.tree_paths import Paths, follow_paths
from models.tree_shape import Shape, columns_of, is_set, padded_sets, shape_of
from models.tree_text import Float64, Forest, Int64, UnsupportedModel


def _record(*names: str) -> np.dtype[np.void]:
    return np.dtype([(name, "i4") for name in names])


BUNDLE: Final = _record(
    *("first", "stride", *GROUPS, "first_leaf", "slots", "first_set", "sets", "mixed_sets"),
    *("first_repeat", "repeats", "mixed_repeats", "first_ratio"),
    *("first_tree", "trees", "points", "first_point"),
)
TREE: Final = _record("number", "root", "mixed_from", "mixed_to", "first_varying", "varying")
LINK: Final = np.dtype(
    [(name, "u4") for name in ("edge", "parent", "left", "right", "feature", "ratio")]
)
CATEGORY_SET: Final = np.dtype([("node", "i4"), ("column", "u4"), ("word", "u4"), ("words", "u4")])
REPEAT: Final = np.dtype([("node", "i4"), ("above", "i4"), ("side", "i8"), ("gain", "f8")])

LANES: Final = 8
"""Partial sums a feature: the points of a rule, or as many of them as fill a register."""

MOST_POINTS: Final = 96
"""Up to here NumPy's Gauss-Legendre rules are known to be good to rounding."""


def points_for(features: Int64) -> Int64:
    """Points that integrate a path with so many features exactly, in whole registers.

    n points are exact up to degree 2n - 1; the degree is the number of features less 1.

    >>> points_for(np.array([1, 8, 9, 16, 17])).tolist()
    [4, 4, 8, 8, 16]
    """
    return np.where(features <= LANES, LANES // 2, -(-features // (2 * LANES)) * LANES)


def _points_of_trees(shape: Shape, paths: Paths, trees: int) -> Int64:
    longest = np.ones(trees, np.int64)
    np.maximum.at(longest, shape.tree, paths.features)
    points = points_for(longest)
    if points.max(initial=0) > MOST_POINTS:
        msg = (
            f"this model cannot be used: expected at most {2 * MOST_POINTS} different features on "
            f"a path, got {longest.max()}; fit it with fewer leaves or a max_depth"
        )
        raise UnsupportedModel(msg)
    return points


def _rules(points: Int64) -> tuple[Float64, Int64]:
    """Gauss-Legendre rules on [0, 1], end to end: abscissae, weights; and where each one is."""
    rules, start, end = [], np.zeros(points.size, np.int64), 0
    for size in np.unique(points):
        at, weight = np.polynomial.legendre.leggauss(int(size))
        rules += [(at + 1.0) / 2.0, weight / 2.0]
        start[points == size] = end
        end += 2 * int(size)
    return np.concatenate([*rules, np.zeros(1)]), start


@dataclass(frozen=True, slots=True, eq=False)
class ReasonLayout:
    """Arrays of the kernel and the sizes of its workspace, under their names there."""

    arrays: dict[str, NDArray[Any]]
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Lists:
    """Nodes that the kernel finds in lists of their own."""

    sets: Listed
    repeats: Listed
    varying: Listed


def lay_out_reasons(forest: Forest, varying: tuple[int, ...] = ()) -> ReasonLayout:
    """Lay out a forest for reasons, over a grid of values in the `varying` columns if any.

    Raises
    ------
    UnsupportedModel
        If a path has more different features than the quadrature is exact for.
    """
    shape = shape_of(forest)
    paths = follow_paths(forest, shape)
    nodes = np.diff(forest.node_start)
    points = _points_of_trees(shape, paths, nodes.size)
    on_grid = np.isin(forest.feature, varying)
    places = place(forest, shape, bundle_trees(nodes, points), on_grid)
    n_bundles = places.slots.size
    lists = _Lists(
        sets=Listed.of(is_set(forest), places.owner, n_bundles, places),
        repeats=Listed.of(paths.repeats >= 0, places.owner, n_bundles, places),
        varying=Listed.of(on_grid, shape.tree, nodes.size, places),
    )
    trees = _trees(forest, shape, places, lists)
    bundles, rules = _bundles(places, lists, points)
    arrays: dict[str, NDArray[Any]] = {
        "reason_bundles": bundles,
        "reason_trees": trees,
        "points": rules,
    }
    arrays |= _node_arrays(forest, shape, paths, places, lists, bundles)
    arrays |= _list_arrays(forest, paths, places, lists)
    arrays["ratios"] = _ratios(bundles, rules, arrays["repeats"]["gain"])
    return ReasonLayout(arrays, _sizes(bundles))


def _trees(forest: Forest, shape: Shape, places: Places, lists: _Lists) -> NDArray[np.void]:
    """Trees with a split, bundle by bundle."""
    number = np.argsort(places.bundle, kind="stable")
    number = number[places.bundle[number] >= 0]
    mixed = np.bincount(shape.tree[places.mixed], minlength=places.bundle.size)
    trees = np.zeros(number.size, TREE)
    trees["number"] = number
    trees["root"] = trees["mixed_from"] = places.rank[forest.node_start[:-1][number]]
    trees["mixed_to"] = trees["mixed_from"] + mixed[number]
    trees["first_varying"] = lists.varying.first[number]
    trees["varying"] = lists.varying.count[number]
    return trees


def _bundles(places: Places, lists: _Lists, points: Int64) -> tuple[NDArray[np.void], Float64]:
    bundles = np.zeros(places.slots.size, BUNDLE)
    for name, end in zip(GROUPS, places.group_ends.T, strict=True):
        bundles[name] = end
    # Whole registers, of whatever machine.
    bundles["stride"] = (bundles["nodes"] + 7) // 8 * 8
    bundles["first"] = np.cumsum(bundles["stride"]) - bundles["stride"]
    bundles["first_leaf"], bundles["slots"] = places.first_leaf, places.slots
    for name, listed in (("set", lists.sets), ("repeat", lists.repeats)):
        bundles[f"first_{name}"] = listed.first
        bundles[f"{name}s"], bundles[f"mixed_{name}s"] = listed.count, listed.mixed
    split = places.bundle >= 0
    bundles["trees"] = np.bincount(places.bundle[split], minlength=bundles.size)
    bundles["first_tree"] = np.cumsum(bundles["trees"]) - bundles["trees"]
    bundles["points"][places.bundle[split]] = points[split]
    rules, bundles["first_point"] = _rules(bundles["points"])
    return bundles, rules


def _node_arrays(
    forest: Forest,
    shape: Shape,
    paths: Paths,
    places: Places,
    lists: _Lists,
    bundles: NDArray[np.void],
) -> dict[str, NDArray[Any]]:
    rank = places.rank
    first, stride, points, nodes = (
        bundles[name][places.owner].astype(np.int64)
        for name in ("first", "stride", "points", "nodes")
    )
    size = int(bundles["stride"].sum())
    at = first + rank

    threshold, column = np.zeros(size), np.zeros(size, np.uint32)
    sets = is_set(forest)
    threshold[at] = np.where(sets, 0.0, forest.threshold)
    # The constant stands in until the set has its say.
    column[at] = np.where(sets, 5 * len(forest.feature_names), columns_of(forest))
    gain = np.zeros(2 * size)
    gain[first + at], gain[first + at + stride] = paths.gain.T
    varying = np.full(size, -1, np.int32)
    varying[at] = lists.varying.rank

    links = np.zeros(size, LINK)
    again = lists.repeats.rank
    parent, side = np.divmod(shape.parent_edge, 2)
    edge = np.where(
        again[parent] >= 0, 2 * stride + 2 * again[parent] + side, side * stride + rank[parent]
    )
    links["edge"][at] = np.where(parent >= 0, edge, 0)
    links["parent"][at] = np.where(parent >= 0, rank[parent] * points, 0)
    inner = forest.children >= 0
    below = np.where(
        inner,
        rank[forest.children * inner],
        places.leaf_rank[~forest.children * ~inner] + nodes[:, None],
    )
    links["left"][at], links["right"][at] = (below * points[:, None]).T
    links["feature"][at] = forest.feature * LANES
    links["ratio"][at] = (again + 1) * points
    return {
        "threshold": threshold,
        "column": column,
        "gain": gain,
        "links": links,
        "varying": varying,
        "leaf_weight": paths.leaf_weight[places.leaf_order],
    }


def _list_arrays(
    forest: Forest, paths: Paths, places: Places, lists: _Lists
) -> dict[str, NDArray[Any]]:
    nodes = lists.sets.nodes
    sets = np.zeros(nodes.size, CATEGORY_SET)
    sets["node"], sets["column"] = places.rank[nodes], columns_of(forest)[nodes]
    sets["word"], sets["words"] = padded_sets(forest)[0][nodes], forest.word_count[nodes]
    nodes = lists.repeats.nodes
    repeats = np.zeros(nodes.size, REPEAT)
    above, side = np.divmod(paths.repeats[nodes], 2)
    repeats["node"], repeats["above"] = places.rank[nodes], places.rank[above]
    repeats["side"], repeats["gain"] = side - 1, paths.gain[above, side]
    return {"sets": sets, "repeats": repeats}


def _ratios(bundles: NDArray[np.void], rules: Float64, gain: Float64) -> Float64:
    """What takes the factor so far of a repeated feature out again, at every point of the rule.

    Sets ``first_ratio`` of the bundles.
    """
    found = []
    for bundle in bundles:
        at = rules[bundle["first_point"] :][: bundle["points"]]
        first = bundle["first_repeat"]
        gains = np.concatenate([[0.0], gain[first : first + bundle["repeats"]]])
        found.append((1.0 / (1.0 + gains[:, None] * at)).ravel())
    # A register's worth must not straddle two lines of the cache.
    sizes = np.array([ratios.size for ratios in found], np.int64)
    bundles["first_ratio"] = first = np.cumsum(sizes + -sizes % 8) - (sizes + -sizes % 8)
    aligned = aligned_zeros(int((sizes + -sizes % 8).sum()))
    for start, ratios in zip(first, found, strict=True):
        aligned[start : start + ratios.size] = ratios
    return aligned


def aligned_zeros(size: int) -> Float64:
    """Zeros that begin at the beginning of a line of the cache."""
    room = np.zeros(size + 8)
    return room[-room.ctypes.data // 8 % 8 :][:size]


def _sizes(bundles: NDArray[np.void]) -> dict[str, int]:
    """Numbers of doubles (or of trees, or of nodes) that the largest bundle takes."""

    def most(sizes: NDArray[Any]) -> int:
        return int(sizes.max(initial=0))

    points = bundles["points"].astype(np.int64)
    return {
        "bundles": bundles.size,
        "most_trees": most(bundles["trees"]),
        "most_gains": most(2 * (bundles["stride"] + bundles["repeats"])),
        "most_stride": most(bundles["stride"]),
        "most_nodes": most(bundles["nodes"] * points),
        "most_slots": most((bundles["nodes"] + bundles["slots"]) * points),
        "most_pairs": most(bundles["nodes"] - bundles["inner"]),
        "most_mixed": most(bundles["mixed"] * points),
        "most_points": most(points),
    }
