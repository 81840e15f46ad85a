"""A file that is read again when it changes; one that breaks keeps what was last good."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from feature_store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_AGAIN_SECONDS: Final = 1.0

Content = TypeVar("Content")


class WatchedFile(Generic[Content]):
    """What a file holds, as of a second ago at most.

    Parameters
    ----------
    path : Path
    read : callable
        From the bytes of the file to what they mean; raises ``BadInput``.
    kind : str
        What is expected of the file, for its errors.
    clock : callable
        Monotonic seconds.

    Raises
    ------
    BadInput
        The file cannot be read, or is not of this kind.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[bytes], Content],
        *,
        kind: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._read = read
        self._kind = kind
        self._clock = clock
        self._looked = clock()
        self._stamp, self._content = self._open()
        self.trouble = ""

    def content(self) -> Content:
        """Return what the file holds, or held when it was last good; ``trouble`` tells which."""
        now = self._clock()
        if now - self._looked >= LOOK_AGAIN_SECONDS:
            self._looked = now
            self._look_again()
        return self._content

    def _look_again(self) -> None:
        try:
            if self._stamped() != self._stamp:
                self._stamp, self._content = self._open()
            self.trouble = ""
        except BadInput as error:
            self.trouble = f"{error}; the last good content goes on"

    def _open(self) -> tuple[tuple[int, int, int], Content]:
        stamp = self._stamped()  # before the content: a change in between is seen the next time
        try:
            return stamp, self._read(self._path.read_bytes())
        except OSError as error:
            raise self._unreadable(error) from error
        except BadInput as error:
            msg = f"{self._path.name}: {error}"
            raise BadInput(msg) from error

    def _stamped(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _unreadable(self, error: OSError) -> BadInput:
        msg = f"{self._path.name}: {self._kind} expected ({type(error).__name__})"
        return BadInput(msg)
