"""Run ``homeward`` as a user would: its own process, its own folder, nothing of the caller's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def command(*arguments: str) -> list[str]:
    """Return the words that start a command of Homeward with this Python."""
    return [sys.executable, "-m", "homeward", *arguments]


def environment() -> dict[str, str]:
    """Return the caller's environment without settings of Homeward, importable from anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMEWARD_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1])}


def run(*arguments: str, folder: Path) -> None:
    """Run a command to its end; what it prints is kept apart from the tables."""
    subprocess.run(  # noqa: S603 - our own command
        command(*arguments), cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL
    )
