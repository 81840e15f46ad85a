"""Where a model comes from: data, code, settings and versions, so that it can be made again."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from feature_store.clock import to_moment
from feature_store.manifest import Manifest
from models.stay import StayModel
from training.config import TrainingConfig
from training.material import Material
from training.size import too_small
from training.split import Part, Split
from training.survey import Survey

_LIBRARIES: Final = ("homeward", "numpy", "pandas", "lightgbm", "scikit-learn", "mlflow")
_TIMEOUT_SECONDS: Final = 5


def provenance_of(
    found: Survey,
    split: Split,
    materials: Mapping[Part, Material],
    *,
    model: StayModel,
    config: TrainingConfig,
) -> dict[str, Any]:
    """Plain JSON data, free of patient values and of the time of day: same inputs, same bytes."""
    manifest = found.dataset.manifest
    return {
        "source": manifest.source,
        "synthetic": manifest.synthetic,
        "clock": manifest.clock.value,
        "data_hash": manifest.content_hash,
        "mapping_hash": manifest.mapping_hash,
        "schema_version": manifest.schema_version,
        "period": _period(found, split),
        "until": {part.value: moment for part, moment in split.until.items()},
        "spells": split.counts,
        "snapshots": {part.value: len(material) for part, material in materials.items()},
        "too_small": too_small(split, materials[Part.TRAIN]),
        "dropped": dict(split.dropped),
        "refused": found.refused,
        "features_hash": model.feature_set.hash,
        "prevalence": {str(days): share for days, share in model.calibration.prevalence.items()},
        "config": config.to_mapping(),
        "config_hash": config.hash,
        "seed": config.seed,
        "code": code_version(),
        "versions": versions(),
    }


def _period(found: Survey, split: Split) -> dict[str, str]:
    if not found.dataset.manifest.clock.calendar:
        return {"all": "without common dates"}
    ends = {
        f"{part.value} until": to_moment(moment).date().isoformat()
        for part, moment in split.until.items()
    }
    return {"from": to_moment(int(found.spells.start.min())).date().isoformat(), **ends}


@dataclass(frozen=True, slots=True)
class Learnt:
    """How far into a dataset a model has learnt.

    Parameters
    ----------
    everything : bool
        It was made of this very dataset, split as its settings say.
    until : int
        UTC microseconds: it has seen spells admitted before.
    """

    everything: bool
    until: int


def learnt_from(provenance: Mapping[str, Any], manifest: Manifest) -> Learnt | None:
    """What a model, or one it was recalibrated from, has seen of a dataset; None for nothing."""
    if manifest.content_hash == provenance["data_hash"]:
        return Learnt(everything=True, until=manifest.until)
    parent = provenance.get("parent")
    before = learnt_from(parent, manifest) if parent else None
    if manifest.source == provenance["source"] and manifest.clock.calendar:
        here = int(provenance["until"][Part.CALIBRATION.value])
        if before is None or (here > before.until and not before.everything):
            return Learnt(everything=False, until=here)
    return before


def versions() -> dict[str, str]:
    """Python and the libraries that decide the numbers."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def code_version() -> str:
    """Commit of the code, ``+`` if changed since; the release where there is no repository."""
    git, root = shutil.which("git"), Path(__file__).parent.parent
    if git and (root / ".git").exists():
        asked = [git, "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"]
        try:
            answer = subprocess.run(  # noqa: S603 - fixed arguments
                asked, capture_output=True, check=True, text=True, timeout=_TIMEOUT_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            return _version("homeward")
        return answer.stdout.strip()
    return _version("homeward")
