"""From the product of hazards to an honest chance, learnt on spells the trees never saw.

The raw product is biased (its errors multiply), so each *segment* of the stay, from now or from one
horizon to the next, gets its own logistic recalibration of the chance to pass it:

    logit q' = a + b logit q + c[elapsed]

P(stay >= 14) is P(stay >= 7) times the calibrated chance to get from 7 to 14, and (a, b) of that
second step are chosen by the log-loss of P(stay >= 14) itself. So every horizon is calibrated and
the chances can never rise from one to the next. Inside a segment the cumulative hazard is
stretched, which keeps every other day and the discharge range coherent too.

References
----------
Cox 1958, "Two further applications of a model for binary regression", Biometrika 45 (the logistic
recalibration); Platt 1999.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.grid import Int64
from models.survival import Float64, Prediction

ELAPSED: Final = (0, 1, 2, 4, 7, 10, 14, 17, 21)
"""Lower edges of the groups of days so far; each has its own shift."""

_TINY: Final = 1e-9


def logit(chance: Float64) -> Float64:
    """Log-odds, kept finite."""
    kept = np.clip(chance, _TINY, 1.0 - _TINY)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def expit(log_odds: Float64) -> Float64:
    """Inverse of :func:`logit`."""
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))


@dataclass(frozen=True, slots=True)
class Step:
    """Recalibration of one segment.

    Parameters
    ----------
    intercept, slope : float
    shifts : tuple of float
        Added by group of days so far (``ELAPSED``); empty for a segment that starts at a horizon.
    snapshots, events : int
        What it was learnt on.
    """

    intercept: float = 0.0
    slope: float = 1.0
    shifts: tuple[float, ...] = ()
    snapshots: int = 0
    events: int = 0

    def apply(self, chance: Float64, days_so_far: Int64) -> Float64:
        """Calibrated chance to pass the segment."""
        shift = np.array(self.shifts)[elapsed_group(days_so_far)] if self.shifts else 0.0
        return expit(self.intercept + self.slope * logit(chance) + shift)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Steps by segment.

    Parameters
    ----------
    first : dict of int to Step
        By horizon: the segment from now to the next horizon.
    onward : dict of int to Step
        By horizon: the segment from the horizon before it.
    death : Step, optional
        Of the chance of death in hospital.
    prevalence : dict of int to float
        Share of the calibration snapshots that reached each horizon; without those that none of
        them could have been seen to reach.
    """

    first: dict[int, Step]
    onward: dict[int, Step]
    death: Step | None
    prevalence: dict[int, float]

    @classmethod
    def none(cls) -> Self:
        """Leave every chance as it is."""
        return cls({}, {}, None, {})

    def apply(self, raw: Prediction) -> Prediction:
        """Calibrated prediction; coherent because only hazards inside segments are stretched."""
        staying = np.ones_like(raw.staying)
        edges = np.array(raw.grid.boundaries)
        starts = (0, *raw.grid.horizons)
        ends = (*raw.grid.horizons, None)
        for begin, end in zip(starts, ends, strict=True):
            _stretch(self, raw, staying, edges, begin=begin, end=end)
        died = raw.died if self.death is None else self.death.apply(raw.died, raw.days_so_far)
        return Prediction(raw.grid, raw.days_so_far, staying, died)

    def to_json(self) -> dict[str, Any]:
        """Plain data; horizons as text, as JSON has no other keys."""
        return {
            "first": {str(days): asdict(step) for days, step in self.first.items()},
            "onward": {str(days): asdict(step) for days, step in self.onward.items()},
            "death": asdict(self.death) if self.death else None,
            "prevalence": {str(days): share for days, share in self.prevalence.items()},
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_json`."""

        def step(row: dict[str, Any]) -> Step:
            return Step(**{**row, "shifts": tuple(row["shifts"])})

        return cls(
            first={int(days): step(row) for days, row in raw["first"].items()},
            onward={int(days): step(row) for days, row in raw["onward"].items()},
            death=step(raw["death"]) if raw["death"] else None,
            prevalence={int(days): float(share) for days, share in raw["prevalence"].items()},
        )


def elapsed_group(days_so_far: Int64) -> NDArray[np.intp]:
    """Group of each spell by days so far."""
    return np.searchsorted(ELAPSED, days_so_far, side="right") - 1


def _stretch(
    calibration: Calibration,
    raw: Prediction,
    staying: Float64,
    edges: Int64,
    *,
    begin: int,
    end: int | None,
) -> None:
    """Fill the boundaries of one segment, in place: cumulative hazard times one factor a row."""
    column = int(np.searchsorted(edges, begin))
    inside = np.flatnonzero((edges > begin) & ((edges <= end) if end is not None else True))
    if not inside.size:
        return
    factor = np.ones(raw.staying.shape[0])
    if end is not None:
        chance = raw.staying[:, inside[-1]] / np.maximum(raw.staying[:, column], _TINY)
        for rows, steps in (
            (raw.days_so_far >= begin, calibration.first),
            (raw.days_so_far < begin, calibration.onward),
        ):
            step = steps.get(end)
            if step is not None and rows.any():
                wanted = step.apply(chance[rows], raw.days_so_far[rows])
                factor[rows] = np.log(np.maximum(wanted, _TINY)) / np.minimum(
                    np.log(np.clip(chance[rows], _TINY, 1)), -_TINY
                )
    base = np.maximum(raw.staying[:, [column]], _TINY)
    staying[:, inside] = staying[:, [column]] * (raw.staying[:, inside] / base) ** factor[:, None]
