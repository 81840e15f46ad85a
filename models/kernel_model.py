"""A forest as the kernel takes it, and a plan of what a grid does to it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.kernel import GridPlan, Model, fill, library
from models.reason_layout import lay_out_reasons
from models.score_layout import ScoreLayout
from models.tree_text import Forest

Varying = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A structure of the kernel and the arrays that it points to, kept alive together."""

    structure: ctypes.Structure
    arrays: dict[str, NDArray[Any]]
    address: int
    held: tuple[Laid, ...] = ()

    def holding(self, *others: Laid) -> Laid:
        """Keep alive also what this one points to."""
        return replace(self, held=(*self.held, *others))

    @classmethod
    def out(
        cls, structure: ctypes.Structure, arrays: dict[str, NDArray[Any]], **sizes: float
    ) -> Laid:
        """Fill a structure."""
        fill(structure, arrays, **sizes)
        return cls(structure, arrays, ctypes.addressof(structure))


def lay_out_model(
    forest: Forest, scores: ScoreLayout, expected_value: float, varying: Varying
) -> Laid:
    """Lay out a forest for both scores and reasons, over a grid in the `varying` columns if any."""
    reasons = lay_out_reasons(forest, varying)
    return Laid.out(
        Model(),
        scores.arrays | reasons.arrays,
        lanes=library().homeward_lanes(),
        trees=scores.arrays["roots"].size,
        features=len(forest.feature_names),
        codes=scores.arrays["code_features"].size,
        expected=expected_value,
        **reasons.sizes,
    )


def plan_grid(model: Laid, varying: Varying, grid: bytes) -> Laid:
    """Sort the points of a grid into cells, for each tree.

    Parameters
    ----------
    model : Laid
        Laid out for the same `varying` columns.
    varying : tuple of int
    grid : bytes
        Of an array of float64, shape (points, len(varying)).
    """
    values = np.frombuffer(grid).reshape(-1, len(varying))
    points, trees = values.shape[0], model.arrays["roots"].size
    split = model.arrays["reason_trees"]
    on_grid = np.zeros(trees, np.int64)
    on_grid[split["number"]] = 4 * split["varying"]
    # A tree that no varying column splits has one cell, all points in it.
    cells = np.ones(trees, np.int32)
    cells[split["number"]] = 0
    arrays: dict[str, NDArray[Any]] = {
        "varying": np.array(varying, np.int32),
        "values": values,
        "cells": cells,
        "cell_of": np.zeros((trees, points), np.int32),
        "sample": np.zeros((trees, points), np.int32),
        "gains": np.empty((int(on_grid.sum()), points)),
    }
    plan = Laid.out(GridPlan(), arrays, points=points, columns=len(varying))
    done(library().homeward_plan_grid(model.address, plan.address))
    arrays |= _pruned(model, plan)
    # Most points share a cell: what is kept is a tenth of what was planned for.
    kept = np.arange(points) < np.repeat(cells, on_grid)[:, None]
    arrays["gains"] = arrays["gains"][kept]
    arrays["first_gain"] = np.cumsum(on_grid * cells) - on_grid * cells
    walks = arrays["roots"].size
    return Laid.out(GridPlan(), arrays, points=points, columns=len(varying), walks=walks)


def _pruned(model: Laid, plan: Laid) -> dict[str, NDArray[Any]]:
    """Each tree once a cell, without the nodes that the cell decides: what scoring walks."""
    roots, nodes = model.arrays["roots"], model.arrays["score_nodes"]
    cells = plan.arrays["cells"].astype(np.int64)
    room = int((np.diff(roots.astype(np.int64), append=nodes.size) * cells).sum())
    pruned: dict[str, NDArray[Any]] = {
        "score_nodes": np.empty(room, nodes.dtype),
        "score_values": np.empty(room),
        "roots": np.empty(int(cells.sum()), np.uint32),
    }
    fill(plan.structure, pruned)
    used = library().homeward_prune(model.address, plan.address, nodes.size, room)
    done(used < 0)
    return pruned | {name: pruned[name][:used].copy() for name in ("score_nodes", "score_values")}


def done(failed: int) -> None:
    """Raise what a function of the kernel reports: it found no memory to work in."""
    if failed:
        raise MemoryError
