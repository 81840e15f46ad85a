"""Copies of registered bundles on this machine: whole and checked, or not at all.

A version never changes, so a copy that is there and whole is not fetched again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from feature_store.errors import BadInput
from models.bundle import load_bundle

BUNDLE: Final = Path("artifacts", "bundle")
"""Folder of the bundle among the files of a version."""

_NOTE: Final = "registered.json"
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A bundle on this machine, and what the registry calls it.

    Parameters
    ----------
    path : str
        Folder of the bundle.
    name, version : str
        Version is a run's identifier for ``runs:/``, and ``local`` for a plain folder.
    alias : str, optional
        The alias it was asked for by.
    run_id : str, optional
    uri : str
        As asked.
    tags : dict of str to str
        Of the version: what data and code it is of, who overrode a gate and why.
    """

    path: str
    name: str
    version: str
    alias: str | None = None
    run_id: str | None = None
    uri: str = ""
    tags: dict[str, str] = field(default_factory=dict)


def keep(told: Registered, cache: Path, download: Callable[[Path], None]) -> Registered:
    """Bundle in the cache, fetched if need be; the note beside it is always fresh.

    Parameters
    ----------
    told : Registered
        What the registry says of it.
    cache : Path
    download : callable
        Makes the folder ``bundle`` in the folder it is given.

    Raises
    ------
    BadInput
        What was downloaded is not sound.
    """
    for part in (told.name, told.version):
        if not _PLAIN.fullmatch(part):
            msg = (
                "model: a plain name and version expected (letters, digits, dot, dash, underscore)"
            )
            raise BadInput(msg)
    home = cache / told.name / told.version
    kept = replace(told, path=str((home / "bundle").absolute()))
    if not _whole(home / "bundle"):
        download(home)
    _write_note(home / _NOTE, kept)
    return kept


def _whole(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    try:
        load_bundle(folder)
    except BadInput:
        shutil.rmtree(folder)  # altered in the cache: fetch it again
        return False
    return True


def place(home: Path, bring: Callable[[Path], Path]) -> None:
    """Fetch into a folder aside, check, then move into place: a reader never sees half of it.

    Parameters
    ----------
    home : Path
        Folder in which ``bundle`` shall be.
    bring : callable
        Fetches into the folder it is given, and returns where the bundle is in it.

    Raises
    ------
    BadInput
        What was fetched is not a sound bundle.
    """
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=home) as aside:
        inner = Path(aside, "files")
        inner.mkdir()
        bundle = bring(inner)
        load_bundle(bundle)
        try:
            bundle.replace(home / "bundle")
        except OSError:
            # Another process was first; its copy is the same version.
            load_bundle(home / "bundle")


def _write_note(path: Path, told: Registered) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(asdict(told), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)
