"""Where Homeward keeps things on this machine, from its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from service.identifiers import pseudonym_secret
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and files of one installation.

    Parameters
    ----------
    settings : Settings
    """

    settings: Settings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings."""
        return cls(Settings.from_environment(environment))

    @property
    def artifacts(self) -> Path:
        """Files of runs, beside a local MLflow store."""
        return self.settings.var / "mlruns"

    @property
    def bundles(self) -> Path:
        """Fetched copies of models."""
        return self.settings.var / "models"

    def pseudonym_key(self) -> bytes:
        """Secret that keys the numbers of held-out rows, made where there is none.

        Raises
        ------
        BadInput
            The file cannot be read or made.
        """
        return pseudonym_secret(self.settings)
