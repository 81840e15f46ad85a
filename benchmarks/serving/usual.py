"""The same trees the usual way: LightGBM's ``predict`` and ``pred_contrib``, an interval a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import lightgbm
import numpy as np

from models.bundle import Bundle

HORIZONS: Final = (7, 14, 21)
TOP: Final = 5


class Usual:
    """Forecasts with reasons from rows of features, as a team would build them on LightGBM.

    Parameters
    ----------
    bundle : Bundle
        Whose trees, encoding and grid of days; its calibration is left out, in this way's favour.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._model = bundle.model
        trees = (self._model.exit_trees, self._model.death_trees)
        self._boosters = [lightgbm.Booster(model_str=one.text) for one in trees if one is not None]
        self._names = [
            *(feature.name for feature in self._model.feature_set.features),
            "day",
            "width",
        ]

    def __call__(self, rows: Sequence[Sequence[float | None]]) -> list[dict[str, Any]]:
        """Score rows, days so far in the last column; None is missing."""
        matrix = np.array(rows, np.float64)
        return [self._one(row) for row in matrix]

    def _one(self, row: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
        columns = self._model.encoding.apply(row[None, :-1])
        ahead = self._model.grid.ahead(int(row[-1]))
        spell = np.hstack([np.repeat(columns, len(ahead), axis=0), ahead])
        hazards = [booster.predict(spell, num_threads=1) for booster in self._boosters]
        stays = np.cumprod(1.0 - np.minimum(np.sum(hazards, axis=0), 1.0))
        effects = self._boosters[0].predict(spell, num_threads=1, pred_contrib=True).mean(axis=0)
        top = np.argsort(-np.abs(effects[:-1]))[:TOP].tolist()
        ends = ahead.sum(axis=1)
        return {
            "probability": {
                str(days): float(stays[max(0, int(np.searchsorted(ends, days)) - 1)])
                for days in HORIZONS
            },
            "reasons": [
                {
                    "feature": self._names[min(place, len(self._names) - 1)],
                    "value": float(spell[0, place]),
                    "effect": float(effects[place]),
                }
                for place in top
            ],
            "base_value": float(effects[-1]),
        }
