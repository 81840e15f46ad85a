"""A BentoML service of the same model: ``bentoml serve benchmarks.serving.bento:LongStay``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.serving.rows import answering
from models.bundle import load_bundle


@bentoml.service(workers=1)
class LongStay:
    """Forecasts with reasons from rows of features."""

    def __init__(self) -> None:
        self._answer = answering(load_bundle(Path(os.environ["PEER_BUNDLE"])))

    @bentoml.api
    def score(self, rows: list[list[float | None]]) -> list[dict[str, Any]]:
        """Score rows."""
        return self._answer(rows)
