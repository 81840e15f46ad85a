"""The MLflow face of a bundle: ``mlflow.pyfunc.load_model("models:/long-stay@champion")``.

MLflow keeps a copy of this file with each version ("models from code") and runs it when the version
is loaded, in a process that has Homeward installed; the bundle lies beside it. No pickle.

A row is one snapshot: the features by name, as ``compute_features`` gives them, and
``days_so_far``. All are doubles, NaN where missing, so that the same model serves one row in Python
and a nation in Spark (``mlflow.pyfunc.spark_udf``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feature_store.errors import BadInput
from feature_store.vocabulary import LEAVING_WITHIN, LONG_STAY_DAYS
from models.bundle import Bundle, load_bundle
from models.survival import Prediction

BUNDLE: Final = "bundle"
"""Name of the artefact that holds the bundle."""

DAYS_SO_FAR: Final = "days_so_far"
QUANTILES: Final = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


class LongStayPyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]
    """Probabilities and a discharge-day range from a table of features."""

    def load_context(self, context: Any) -> None:
        """Read the bundle, having checked every byte."""
        self.bundle = load_bundle(Path(context.artifacts[BUNDLE]))

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Score rows.

        Parameters
        ----------
        context, params : object
            Not used; MLflow's signature.
        model_input : pandas.DataFrame
            One column a feature and ``days_so_far``; others are ignored, the order is free.

        Returns
        -------
        pandas.DataFrame
            ``p_7``, ``p_14``, ``p_21`` (NaN where the model cannot know), ``p10``, ``p50`` and
            ``p90`` of the discharge day (NaN beyond what the model sees), ``p_death``, and the
            chance that the spell is over within 24, 48 and 72 hours and 5 days of a morning:
            ``p_leaving_24h``, ``_48h``, ``_72h``, ``_5d``.

        Raises
        ------
        BadInput
            A column is missing: a missing *value* is NaN, a missing column is an error.
        """
        return predict_frame(self.bundle, model_input)


def predict_frame(bundle: Bundle, frame: pd.DataFrame) -> pd.DataFrame:
    """Score a table of features; see :meth:`LongStayPyfunc.predict`."""
    wanted = columns_of(bundle)
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        msg = (
            f"features: columns {', '.join(absent[:5])} expected and missing ({len(absent)} in all)"
        )
        raise BadInput(msg)
    days = frame[DAYS_SO_FAR].to_numpy(dtype=np.float64)
    if not (np.isfinite(days) & (days >= 0)).all():
        msg = f"features: {DAYS_SO_FAR} of 0 or more expected in every row"
        raise BadInput(msg)
    matrix = frame[list(bundle.model.feature_set.names)].to_numpy(dtype=np.float64)
    prediction = bundle.model.predict(matrix, days.astype(np.int64))
    return pd.DataFrame(_columns(prediction), index=frame.index)


def _columns(prediction: Prediction) -> dict[str, Any]:
    horizons = {f"p_{days}": _chance(prediction, days) for days in LONG_STAY_DAYS}
    quantiles = {name: prediction.quantile(share) for name, share in QUANTILES.items()}
    leaving = {
        f"p_leaving_{name}": prediction.leaving_within(nights)
        for name, nights in LEAVING_WITHIN.items()
    }
    return {**horizons, **quantiles, "p_death": prediction.died, **leaving}


def _chance(prediction: Prediction, days: int) -> NDArray[np.float64]:
    """P(length of stay >= days); NaN for a horizon the training data could not show."""
    if days in prediction.grid.horizons:
        return prediction.at_least(days)
    return np.where(prediction.days_so_far >= days, 1.0, np.nan)


def columns_of(bundle: Bundle) -> tuple[str, ...]:
    """Columns that a row must have: the features, then ``days_so_far`` if it is not one of them."""
    names = bundle.model.feature_set.names
    return names if DAYS_SO_FAR in names else (*names, DAYS_SO_FAR)


mlflow.models.set_model(LongStayPyfunc())
