"""The same effect by a model instead of by lot: units, points, and errors that remember.

Shown beside randomisation inference and never instead of it without saying so: with few units it
leans on normal errors of equal size in every unit.
"""

from __future__ import annotations

import numpy as np

from training.impact.panel import Float64, Panel, Rollout
from training.impact.series import Fitted, fit_ar1


def modelled(panel: Panel, rollout: Rollout) -> Fitted:
    """Regression with an effect of each unit and point, AR(1) in each unit, t with few degrees.

    The effect is the first coefficient. Point effects are taken out by contrasts between units,
    which leaves as many independent series less one; the t distribution has as many degrees of
    freedom as units less two, at least one.
    """
    contrasts = contrasts_of(len(panel.units))
    columns = [rollout.exposed.astype(np.float64)]
    if rollout.changing.any():
        columns.append(rollout.changing.astype(np.float64))
    design = np.stack([contrasts @ column for column in columns], axis=-1)
    degrees = max(1, len(panel.units) - 2)
    return fit_ar1(contrasts @ panel.values, design, levels=True, degrees=degrees)


def contrasts_of(units: int) -> Float64:
    """Orthonormal contrasts between units, shape (n_units - 1, n_units).

    >>> told = contrasts_of(3)
    >>> np.allclose(told @ told.T, np.eye(2)), np.allclose(told.sum(axis=1), 0.0)
    (True, True)
    """
    rows = np.arange(1, units)[:, None]
    columns = np.arange(units)[None, :]
    raw = np.where(columns < rows, 1.0, np.where(columns == rows, -rows.astype(np.float64), 0.0))
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True))
