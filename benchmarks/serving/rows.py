"""What a server of models is asked and answers: features in, the forecast with reasons out.

Less than Homeward's own request: no events to be read, no account to be kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from models.bundle import Bundle
from models.scoring import forecast

USUAL: Final = "PEER_USUAL"
"""Environment variable: set, the same trees are asked the usual way (``usual.py``)."""

Answering = Callable[[Sequence[Sequence[float | None]]], list[dict[str, Any]]]


def answering(bundle: Bundle) -> Answering:
    """How this server answers rows."""
    if os.environ.get(USUAL):
        from benchmarks.serving.usual import Usual  # noqa: PLC0415 - LightGBM, which ours does without

        return Usual(bundle)
    return partial(answer, bundle)


def answer(bundle: Bundle, rows: Sequence[Sequence[float | None]]) -> list[dict[str, Any]]:
    """Score rows of features, days so far in the last column; None is missing.

    >>> answer.__name__
    'answer'
    """
    matrix = np.array(rows, np.float64)
    said = forecast(bundle.model, matrix[:, :-1], matrix[:, -1].astype(np.int64))
    return [
        {
            "probability": {str(days): chance for days, chance in one.probability.items()},
            "band": one.band.value,
            "discharge_day": [
                one.discharge_day.p10,
                one.discharge_day.p50,
                one.discharge_day.p90,
            ],
            "probability_of_death_in_hospital": one.probability_of_death_in_hospital,
            "reasons": [msgspec.to_builtins(reason) for reason in one.reasons],
            "missing": list(one.missing),
            "completeness": one.completeness,
        }
        for one in said
    ]
