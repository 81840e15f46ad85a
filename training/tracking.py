"""The only writer of MLflow: runs, registered versions, aliases.

A run is whole or marked as failed; a version is registered last, and taken back if anything goes
wrong after it. Nothing here reads a dataset, and nothing it is given holds a patient's value.
"""

from __future__ import annotations

import errno
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from feature_store.errors import BadInput
from feature_store.manifest import Manifest
from models.registry import ARTIFACT, MODEL_NAME, connect, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT: Final = "homeward"
CHAMPION: Final = "champion"
PREVIOUS: Final = "previous"

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
    """

    run_id: str
    client: MlflowClient
    version: str | None = None
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

    def undo(self, status: str) -> None:
        """Leave no version and no model behind, and say how the run ended."""
        if self.version is not None:
            with suppress(Exception):
                self.client.delete_model_version(MODEL_NAME, self.version)
        if self._model_id is not None:
            with suppress(Exception):
                self.client.delete_logged_model(self._model_id)
        with suppress(Exception):  # the server may be what failed
            self.client.set_terminated(self.run_id, status)


@dataclass(frozen=True, slots=True)
class Tracker:
    """Where runs are written.

    Parameters
    ----------
    client : MlflowClient
    artifacts : Path
        Folder of artefacts beside a local store; a server has its own.
    """

    client: MlflowClient
    artifacts: Path

    @classmethod
    def open(cls, artifacts: Path) -> Self:
        """Connect.

        Raises
        ------
        BadInput
            MLflow cannot be reached.
        """
        return cls(connect(), artifacts)

    @contextmanager
    def run(self, name: str, *, kind: str, manifest: Manifest) -> Iterator[Run]:
        """Write one run: FINISHED if the block ends well; if not, FAILED or KILLED, nothing left.

        Parameters
        ----------
        name : str
        kind : str
            ``training`` or ``evaluation``.
        manifest : Manifest
            Of the data it works on.
        """
        note = f"{kind} on {manifest.source}"
        tags = {
            "homeward.kind": kind,
            "homeward.synthetic": str(manifest.synthetic).lower(),
            "homeward.data_hash": manifest.content_hash,
            "mlflow.note.content": f"SYNTHETIC DATA, not for patients: {note}"
            if manifest.synthetic
            else note,
        }
        created = self.client.create_run(self._experiment(), run_name=name, tags=tags)
        run = Run(created.info.run_id, self.client)
        try:
            yield run
            self.client.set_terminated(run.run_id, "FINISHED")
        except KeyboardInterrupt:
            run.undo("KILLED")
            raise
        except BaseException as error:
            run.undo("FAILED")
            if lost := _lost(error):
                raise BadInput(lost) from error
            raise

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        local = tracking_uri().startswith("sqlite:")
        place = self.artifacts.absolute().as_uri() if local else None
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=place))

    def move_champion(self, version: str, *, tags: Mapping[str, str]) -> str | None:
        """Give the alias champion to a version; the one that had it becomes previous.

        Returns
        -------
        str or None
            The version that was champion.
        """
        before = self.version_of(CHAMPION)
        for key, value in tags.items():
            self.client.set_model_version_tag(MODEL_NAME, version, key, value)
        if before is not None and before != version:
            self.client.set_registered_model_alias(MODEL_NAME, PREVIOUS, before)
        self.client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)
        return before

    def roll_back(self) -> tuple[str, str]:
        """Champion and previous change places.

        Returns
        -------
        tuple of str
            The version that is champion now, and the one that was.

        Raises
        ------
        BadInput
            There is no previous champion.
        """
        now, before = self.version_of(CHAMPION), self.version_of(PREVIOUS)
        if now is None or before is None:
            msg = "rollback: a previous champion expected, there is none"
            raise BadInput(msg)
        self.client.set_registered_model_alias(MODEL_NAME, CHAMPION, before)
        self.client.set_registered_model_alias(MODEL_NAME, PREVIOUS, now)
        return before, now

    def version_of(self, alias: str) -> str | None:
        """Version that has an alias; None if none has."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds to import

        try:
            return str(self.client.get_model_version_by_alias(MODEL_NAME, alias).version)
        except MlflowException:
            return None

    def latest(self) -> str:
        """Return the newest version.

        Raises
        ------
        BadInput
            Nothing is registered.
        """
        found = self.client.search_model_versions(f"name='{MODEL_NAME}'")
        if not found:
            msg = (
                f"{MODEL_NAME}: a registered version expected, found none; homeward train makes one"
            )
            raise BadInput(msg)
        return str(max(int(version.version) for version in found))


def _lost(error: BaseException) -> str:
    """What to say where the store or the disk gave way; empty for anything else."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds to import

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "no space left on the disk; nothing is registered, make room and run again"
    if isinstance(error, MlflowException):
        return (
            f"MLflow stopped answering ({type(error).__name__}); nothing is registered, check "
            "HOMEWARD_MLFLOW_TRACKING_URI and run again"
        )
    return ""


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
