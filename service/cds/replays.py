"""Tokens that were used, so that none is used twice: by any worker, and also after a restart.

A file a token in ``HOMEWARD_VAR``, made only if it is not there yet, which the operating system
decides among processes; nothing of the token but a hash of who it is from and its number. Workers
on several machines do not see each other's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_SECONDS: Final = 5
_MINUTE: Final = 60


class Replays:
    """What was used.

    Parameters
    ----------
    folder : Path
    now : callable
        Seconds since 1970.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._cleaned = 0

    def is_first(self, issuer: str, number: str, *, until: float) -> bool:
        """Whether a token is used for the first time; from now on it is not. Blocks.

        Parameters
        ----------
        issuer, number : str
            ``iss`` and ``jti``.
        until : float
            When it expires, leeway included; seconds since 1970.

        Raises
        ------
        Problem
            503: it cannot be noted, and so cannot be accepted.
        """
        self._clean()
        name = hashlib.sha256(f"{issuer}\0{number}".encode(errors="surrogatepass")).hexdigest()
        folder = self._folder / str(int(until) // _MINUTE + 1)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except OSError:
            msg = "It cannot be noted that this token was used."
            raise unavailable(msg, retry_after_seconds=RETRY_SECONDS) from None
        return True

    def _clean(self) -> None:
        """Forget what has expired, once a minute at most."""
        minute = int(self._now()) // _MINUTE
        if minute == self._cleaned:
            return
        self._cleaned = minute
        with contextlib.suppress(OSError):  # none yet
            for folder in self._folder.iterdir():
                if folder.name.isdecimal() and int(folder.name) < minute:
                    shutil.rmtree(folder, ignore_errors=True)
