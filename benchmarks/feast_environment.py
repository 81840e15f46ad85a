"""An environment for Feast alone: it needs pandas below 3, so it cannot share ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PINNED: Final = Path(__file__).parent / "engines" / "feast.txt"
"""Made by ``echo 'feast[duckdb]' | uv pip compile --universal --python-version 3.11
--generate-hashes --no-header --no-annotate -``."""


class FeastMissing(Exception):
    """There is no Feast to compare with, and why."""


def feast_python(folder: Path) -> str:
    """Python of an environment with Feast, made where it is not there yet.

    Parameters
    ----------
    folder : Path
        Of the environment.

    Raises
    ------
    FeastMissing
        uv is not here, or could not install it.
    """
    python, done = folder / "bin" / "python", folder / PINNED.name
    if done.is_file() and done.read_bytes() == PINNED.read_bytes():
        return str(python)
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise FeastMissing("uv is not installed")
    print("Installing Feast into an environment of its own ...", file=sys.stderr)
    _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    install = ("pip", "install", "--quiet", "--require-hashes", "--python", str(python))
    _run(uv, *install, "-r", str(PINNED))
    shutil.copyfile(PINNED, done)
    return str(python)


def _run(*words: str) -> None:
    ended = subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603 - uv
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise FeastMissing(f"uv could not install it: {last[0]}")
