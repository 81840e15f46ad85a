"""A model for ``mlflow models serve``; MLflow runs this file when it loads the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd

from benchmarks.serving.rows import answering
from models.bundle import load_bundle


class WithReasons(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]
    """Forecasts with reasons from a table of features."""

    def load_context(self, context: Any) -> None:
        """Read the bundle."""
        self.answer = answering(load_bundle(Path(context.artifacts["bundle"])))

    def predict(self, context: Any, model_input: pd.DataFrame) -> list[dict[str, Any]]:  # noqa: ARG002
        """Score rows."""
        return self.answer(model_input.to_numpy(dtype="float64"))


mlflow.models.set_model(WithReasons())
