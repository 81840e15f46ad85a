"""A panel: one outcome by unit (site or ward) and point in time; and who changed when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

NEVER: Final = 1_000_000
"""Point at which a control unit changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One outcome, complete: every unit at every point.

    Parameters
    ----------
    units : tuple of str
    first_day : int
        Local day number at which point 0 begins.
    days : int
        Length of a point.
    values : ndarray of float64, shape (n_units, n_points)
    """

    units: tuple[str, ...]
    first_day: int
    days: int
    values: Float64

    @property
    def points(self) -> int:
        """How many points there are."""
        return int(self.values.shape[1])

    def take(self, rows: NDArray[np.bool_] | Int64) -> Panel:
        """Return these units."""
        names = tuple(np.array(self.units, dtype=object)[rows].tolist())
        return Panel(names, self.first_day, self.days, self.values[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """Who changed when.

    Parameters
    ----------
    start : ndarray of int64, shape (n_units,)
        First point of the change; ``NEVER`` for a control.
    points : int
    transition : int
        Points after the start that belong neither to before nor to after.
    """

    start: Int64
    points: int
    transition: int = 0

    @property
    def exposed(self) -> NDArray[np.bool_]:
        """Whether each unit is past its transition; shape (n_units, n_points)."""
        return np.arange(self.points) >= (self.start + self.transition)[:, None]

    @property
    def changing(self) -> NDArray[np.bool_]:
        """Whether each unit is in its transition; shape (n_units, n_points)."""
        time = np.arange(self.points)
        return (time >= self.start[:, None]) & ~self.exposed

    @property
    def treated(self) -> NDArray[np.bool_]:
        """Units that change within the period; shape (n_units,)."""
        return self.start < self.points

    @property
    def before(self) -> int:
        """Points before anybody changes.

        >>> Rollout(np.array([5, 3, NEVER]), 10).before
        3
        """
        return int(min(self.start.min(initial=NEVER), self.points))


def naive_change(panel: Panel, rollout: Rollout) -> float:
    """After minus before in the units that changed, means of unit means, nothing controlled.

    Never to be shown alone: seasons, trends and whatever else happened are all in it.
    """
    gaps = [
        values[after].mean() - values[:start].mean()
        for values, after, start in zip(panel.values, rollout.exposed, rollout.start, strict=True)
        if after.any() and start > 0
    ]
    return float(np.mean(gaps)) if gaps else float("nan")
