r"""Bytes of a file on their way to a parser: always UTF-8, whatever they were.

The parser wants UTF-8 and nothing else; a source may be in another encoding, or hold bytes that are
in none. Such bytes are written out (``\xf6``) behind a mark that no text contains, so that the rows
that hold them can be found, told and kept apart like any other bad row.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

FOREIGN: Final = "\ufdd0"
"""Before each byte that is not text: a code point that Unicode keeps out of texts for good."""

_ESCAPED = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of bytes 0x80 to 0xff
_CHUNK: Final = 1 << 20


class TextStream:
    """A readable stream of UTF-8.

    Parameters
    ----------
    file : BinaryIO
        Closed with the stream.
    encoding : str

    Attributes
    ----------
    quotes : int
        How many quote marks have passed.
    has_foreign : bool
        Whether a byte that is not text has passed.
    """

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
        self._waiting = b""
        self.quotes = 0
        self.has_foreign = False
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""
        ended = False
        while not ended and (size < 0 or len(self._waiting) < size):
            raw = self._file.read(max(size, _CHUNK))
            ended = not raw
            self._waiting += self._as_utf8(self._decoder.decode(raw, final=ended))
        cut = len(self._waiting) if size < 0 else size
        content, self._waiting = self._waiting[:cut], self._waiting[cut:]
        self.quotes += content.count(b'"')
        return content

    def _as_utf8(self, text: str) -> bytes:
        try:
            return text.encode("utf-8")
        except UnicodeEncodeError:
            self.has_foreign = True
            return _ESCAPED.sub(_written_out, text).encode("utf-8")

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._file.close()


def _written_out(escaped: re.Match[str]) -> str:
    return f"{FOREIGN}\\x{ord(escaped[0]) - 0xDC00:02x}"
