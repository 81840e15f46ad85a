"""A TOML file to a checked value; whoever wrote it is told what is wrong with it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from feature_store.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

Read = TypeVar("Read")


def read_toml(path: Path, kind: type[Read], *, what: str, see: str) -> tuple[Read, bytes]:
    """Read a file, whole, as a value of a type.

    Parameters
    ----------
    path : Path
    kind : type
        Of msgspec, with unknown fields forbidden.
    what, see : str
        What the file is, and the page about it: for messages.

    Returns
    -------
    object
        Of that type.
    bytes
        Of the file.

    Raises
    ------
    BadInput
        Not to be read, not TOML in UTF-8, unknown or ill-typed keys. Such a file is no patient's:
        messages may name what is in it.
    """
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        msg = f"{path.name}: {what} expected, cannot be read ({type(error).__name__})"
        raise BadInput(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path.name}: TOML in UTF-8 expected: {error}"
        raise BadInput(msg) from error
    try:
        return msgspec.convert(raw, kind, strict=True), content
    except msgspec.ValidationError as error:
        msg = f"{path.name}: {error}; see {see}"
        raise BadInput(msg) from error
