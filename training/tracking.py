"""The only writer of MLflow: runs, registered versions, aliases.

A run is whole or marked as failed; a version is registered last, and taken back if anything goes
wrong after it. Nothing here reads a dataset, and nothing it is given holds a patient's value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from feature_store.errors import NO_SPACE, BadInput, is_full
from feature_store.manifest import Manifest
from models.card_page import card_page
from models.registry import MODEL_NAME, connect, tracking_uri
from training.run import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

_WIRES: Final = ("requests.", "urllib3.", "sqlalchemy.")
"""Libraries below MLflow whose errors say that its store gave way."""

EXPERIMENT: Final = "homeward"
CHAMPION: Final = "champion"
PREVIOUS: Final = "previous"
CHALLENGER: Final = "challenger"


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

    @property
    def studies(self) -> Path:
        """Database of tuning studies, beside the artefacts."""
        return self.artifacts.parent / "studies.db"

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
        try:
            created = self.client.create_run(self._experiment(), run_name=name, tags=tags)
        except Exception as error:
            if lost := _lost(error):
                raise BadInput(lost) from error
            raise
        run = Run(created.info.run_id, self.client)
        try:
            yield run
            run.log_figures(run.cost.figures())
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

    def name_challenger(self, version: str) -> None:
        """Give the alias challenger to a version."""
        self.client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version)

    def note_gates(self, version: str, document: Mapping[str, Any]) -> None:
        """Keep the table of gates, and how it ended, with the run that trained a version."""
        self.client.set_model_version_tag(
            MODEL_NAME, version, "homeward.gates", str(document["outcome"])
        )
        run_id = self.client.get_model_version(MODEL_NAME, version).run_id
        if run_id:
            self.client.log_dict(run_id, dict(document), "gates.json")

    def note_card(self, version: str, card: Mapping[str, Any]) -> None:
        """Replace the card kept with the run that trained a version."""
        run_id = self.client.get_model_version(MODEL_NAME, version).run_id
        if run_id:
            self.client.log_dict(run_id, dict(card), "card.json")
            self.client.log_text(run_id, card_page(card), "card.html")

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

    if is_full(error):
        return f"{NO_SPACE}; nothing is registered, make room and run again"
    if type(error).__module__.startswith("optuna."):
        return (
            f"the database of trials stopped answering ({type(error).__name__}); nothing is "
            "registered, the trials that ended are kept: run again"
        )
    # Files go to a server by another library than the rest.
    if isinstance(error, MlflowException) or type(error).__module__.startswith(_WIRES):
        return (
            f"MLflow stopped answering ({type(error).__name__}); nothing is registered, check "
            "HOMEWARD_MLFLOW_TRACKING_URI and run again"
        )
    return ""
