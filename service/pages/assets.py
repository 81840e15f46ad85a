"""Files that pages load: from this package alone, named by their content, kept by browsers."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

FILES: Final = MappingProxyType(
    {
        "nhsuk.css": ("vendor/nhsuk-frontend/nhsuk-frontend.min.css", "text/css"),
        "pages.css": ("static/pages.css", "text/css"),
        "worklist.js": ("static/worklist.js", "text/javascript"),
        "icon.svg": ("static/icon.svg", "image/svg+xml"),
    }
)
"""Name to place in this package and media type."""

KEPT_SECONDS: Final = 31_536_000


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Parameters
    ----------
    content, packed : bytes
        As it is, and compressed.
    media_type : str
    address : str
        Path under ``/assets/`` with a mark of the content: another content, another address.
    """

    content: bytes
    packed: bytes
    media_type: str
    address: str


@cache
def asset(name: str) -> Asset | None:
    """Read a file once; None for a name that is not in the table.

    >>> asset("pages.css").media_type, asset("../settings.py")
    ('text/css', None)
    """
    if name not in FILES:
        return None
    place, media_type = FILES[name]
    content = files("service.pages").joinpath(place).read_bytes()
    mark = hashlib.sha256(content).hexdigest()[:12]
    return Asset(content, gzip.compress(content, 9, mtime=0), media_type, f"{name}?v={mark}")


def address(name: str) -> str:
    """Where a page finds a file.

    Raises
    ------
    KeyError
        A name that is not in the table.
    """
    found = asset(name)
    if found is None:
        raise KeyError(name)
    return f"/assets/{found.address}"
