"""A model on disk: text and JSON with checksums, no pickle.

========================  ======================================================================
``exits.txt``             trees of leaving, LightGBM text
``deaths.txt``            trees of dying, LightGBM text; absent if deaths were too few
``model.json``            grid, encoding, calibration, importance, scope
``features.json``         the feature set, in column order
``card.json``             the model card
``evaluation.json``       how it was judged
``manifest.json``         name, provenance, feature-set hash, SHA-256 of every file and of itself
========================  ======================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from models.calibration import Calibration
from models.encoding import Encoding
from models.grid import Grid
from models.scope import ScopeRules
from models.stay import StayModel
from models.trees import Trees

FORMAT: Final = "1"

_FILES: Final = (
    "exits.txt",
    "deaths.txt",
    "model.json",
    "features.json",
    "card.json",
    "evaluation.json",
)
_OPTIONAL: Final = frozenset({"deaths.txt"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """Everything that is needed to score, to explain and to account for a score.

    Parameters
    ----------
    model : StayModel
    scope : ScopeRules
    name : str
        Registered name.
    card, evaluation, provenance : mapping
        Plain JSON data, free of patient values.
    checksum : str, optional
        Of the manifest, and so of every file; None for a bundle that was not read from disk.
    """

    model: StayModel
    scope: ScopeRules = field(default_factory=ScopeRules)
    name: str = "long-stay"
    card: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    checksum: str | None = None


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle into an empty or new folder; the manifest comes last and makes it one.

    Raises
    ------
    ValueError
        Card, evaluation or provenance hold what JSON has no words for (NaN); nothing is written.
    """
    model = bundle.model
    texts = {
        "exits.txt": model.exit_trees.text,
        "model.json": _dump(
            {
                "grid": asdict(model.grid),
                "encoding": model.encoding.to_json(),
                "calibration": model.calibration.to_json(),
                "importance": list(model.importance),
                "scope": asdict(bundle.scope),
            }
        ),
        "features.json": _dump(model.feature_set.to_json()),
        "card.json": _dump(bundle.card),
        "evaluation.json": _dump(bundle.evaluation),
    }
    if model.death_trees is not None:
        texts["deaths.txt"] = model.death_trees.text
    manifest = {
        "format": FORMAT,
        "name": bundle.name,
        "provenance": bundle.provenance,
        "feature_set_hash": model.feature_set.hash,
        "sha256": {name: _sha256(text) for name, text in sorted(texts.items())},
    }
    texts["manifest.json"] = _dump({**manifest, "checksum": _sha256(_dump(manifest))})
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode("utf-8"))


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle, having checked every byte.

    Raises
    ------
    BadInput
        A file is missing or altered, the format is another, or the feature set is not the one the
        trees were fitted on.
    """
    manifest = load_manifest(folder)
    texts = {
        name: _read(folder, name, manifest["sha256"])
        for name in _FILES
        if name in manifest["sha256"]
    }
    raw = json.loads(texts["model.json"])
    feature_set = FeatureSet.from_json(json.loads(texts["features.json"]))
    if feature_set.hash != manifest["feature_set_hash"]:
        msg = (
            f"{folder.name}: this version of Homeward defines the features differently; train again"
        )
        raise BadInput(msg)
    grid = Grid(tuple(raw["grid"]["boundaries"]), tuple(raw["grid"]["horizons"]))
    model = StayModel(
        feature_set=feature_set,
        encoding=Encoding.from_json(raw["encoding"]),
        grid=grid,
        exit_trees=Trees.from_text(texts["exits.txt"]),
        death_trees=Trees.from_text(texts["deaths.txt"]) if "deaths.txt" in texts else None,
        calibration=Calibration.from_json(raw["calibration"]),
        importance=tuple(raw["importance"]),
    )
    return Bundle(
        model=model,
        scope=ScopeRules.from_json(raw["scope"]),
        name=manifest["name"],
        card=json.loads(texts["card.json"]),
        evaluation=json.loads(texts["evaluation.json"]),
        provenance=manifest["provenance"],
        checksum=manifest["checksum"],
    )


def load_manifest(folder: Path) -> dict[str, Any]:
    """Read what a bundle says it is made of, checked against its own checksum.

    Raises
    ------
    BadInput
        Not the manifest of a bundle of this format, or altered.
    """
    try:
        text = (folder / "manifest.json").read_bytes().decode("utf-8")
        manifest: dict[str, Any] = json.loads(text)
        content = {key: manifest[key] for key in manifest if key != "checksum"}
        whole = text == _dump(manifest) and manifest["checksum"] == _sha256(_dump(content))
        layout, listed = manifest["format"], set(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{folder.name}: a model bundle expected (manifest.json: {type(error).__name__})"
        raise BadInput(msg) from error
    if layout != FORMAT or listed | _OPTIONAL != set(_FILES):
        msg = f"{folder.name}: bundle format {FORMAT} expected, got another; train again"
        raise BadInput(msg)
    if not whole:
        msg = f"{folder.name}/manifest.json: altered since it was saved; fetch the model again"
        raise BadInput(msg)
    return manifest


def _read(folder: Path, name: str, checksums: Mapping[str, str]) -> str:
    try:
        text = (folder / name).read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
        msg = f"{folder.name}/{name}: cannot be read ({kind}); fetch the model again"
        raise BadInput(msg) from error
    if _sha256(text) != checksums[name]:
        msg = f"{folder.name}/{name}: altered since it was saved; fetch the model again"
        raise BadInput(msg)
    return text


def _dump(data: object) -> str:
    # NaN is not JSON: a figure that does not exist is left out or null by whoever made it.
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
