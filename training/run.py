"""One MLflow run being written.

Nothing here reads a dataset, and nothing it is given holds a patient's value.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.registry import ARTIFACT, MODEL_NAME
from training.cost import Cost

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH: Final = 100
_PARAM_LENGTH: Final = 500


@dataclass(slots=True)
class Run:
    """One MLflow run being written.

    Parameters
    ----------
    run_id : str
    client : MlflowClient
    version : str, optional
        Registered in this run.
    cost : Cost
        Logged when the run ends, however it ends.
    """

    run_id: str
    client: MlflowClient
    version: str | None = None
    cost: Cost = field(default_factory=Cost)
    _model_id: str | None = field(default=None, repr=False)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log settings, nested ones under dotted names."""
        from mlflow.entities import Param  # noqa: PLC0415 - seconds to import

        flat = [Param(key, str(value)[:_PARAM_LENGTH]) for key, value in _flat(params)]
        for first in range(0, len(flat), _BATCH):
            self.client.log_batch(self.run_id, params=flat[first : first + _BATCH])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag  # noqa: PLC0415 - seconds to import

        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_figures(self, figures: Mapping[str, float]) -> None:
        """Log metrics; a figure that is not known must have been left out."""
        from mlflow.entities import Metric  # noqa: PLC0415 - seconds to import

        now = time.time_ns() // 1_000_000
        metrics = [Metric(name, value, now, 0) for name, value in figures.items()]
        for first in range(0, len(metrics), _BATCH):
            self.client.log_batch(self.run_id, metrics=metrics[first : first + _BATCH])

    def log_files(self, folder: Path) -> None:
        """Log everything in a folder, under the same names."""
        self.client.log_artifacts(self.run_id, str(folder))

    def log_model(
        self, bundle: Path, *, columns: Sequence[str], outputs: Sequence[str], pins: Sequence[str]
    ) -> None:
        """Log a bundle with its pyfunc face; not yet registered.

        Parameters
        ----------
        bundle : Path
        columns, outputs : sequence of str
            Of the signature; all doubles, so that Spark can call it.
        pins : sequence of str
            Requirements, given so that none are guessed (guessing starts processes and takes
            minutes).
        """
        import mlflow.pyfunc  # noqa: PLC0415 - seconds to import
        from mlflow.models import ModelSignature  # noqa: PLC0415
        from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415

        signature = ModelSignature(
            Schema([ColSpec(DataType.double, name) for name in columns]),
            Schema([ColSpec(DataType.double, name) for name in outputs]),
        )
        face = Path(__file__).parent.parent / "models" / "pyfunc.py"
        with mlflow.start_run(run_id=self.run_id), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it wants type hints and an example row
            logged = mlflow.pyfunc.log_model(
                name=ARTIFACT,
                python_model=str(face),
                artifacts={"bundle": str(bundle)},
                signature=signature,
                pip_requirements=list(pins),
            )
        self._model_id = logged.model_id

    def register(self, tags: Mapping[str, str], description: str) -> str:
        """Register what was logged as the next version: the last thing a run does."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds to import

        with suppress(MlflowException):  # it exists
            self.client.create_registered_model(MODEL_NAME)
        made = self.client.create_model_version(
            MODEL_NAME,
            source=f"models:/{self._model_id}",
            run_id=self.run_id,
            tags=dict(tags),
            description=description,
            model_id=self._model_id,
        )
        self.version = str(made.version)
        return self.version

    def log_child(
        self, name: str, params: Mapping[str, Any], figures: Mapping[str, float], *, kept: bool
    ) -> None:
        """Log a finished run nested in this one; ``kept`` False if it was given up."""
        tags = {"mlflow.parentRunId": self.run_id, "homeward.kind": "trial"}
        parent = self.client.get_run(self.run_id).info.experiment_id
        made = self.client.create_run(parent, run_name=name, tags=tags)
        child = Run(made.info.run_id, self.client)
        child.log_params(params)
        child.log_figures(figures)
        self.client.set_terminated(child.run_id, "FINISHED" if kept else "KILLED")

    def close_other(self, run_id: str) -> None:
        """Say of a run whose process was killed that it was, if it still says it is running."""
        with suppress(Exception):  # it may have been deleted
            if self.client.get_run(run_id).info.status == "RUNNING":
                self.client.set_terminated(run_id, "KILLED")

    def undo(self, status: str) -> None:
        """Leave no version and no model behind, and say how the run ended."""
        if self.version is not None:
            with suppress(Exception):
                self.client.delete_model_version(MODEL_NAME, self.version)
        if self._model_id is not None:
            with suppress(Exception):
                self.client.delete_logged_model(self._model_id)
        with suppress(Exception):  # the server may be what failed
            self.log_figures(self.cost.figures())
        with suppress(Exception):
            self.client.set_terminated(self.run_id, status)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
