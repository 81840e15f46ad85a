"""Which source file is which table of the mapping, and of what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from feature_store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from feature_store.ingest.mapping import Mapping, Table


class Kind(StrEnum):
    """How a file is written, told by its first bytes and not by its name."""

    TEXT = "delimited text"
    GZIP = "gzip"
    PARQUET = "Parquet"


_OTHERS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"BZh": "a bzip2 file",
    b"(\xb5/\xfd": "a Zstandard file",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a table.

    Parameters
    ----------
    path : Path
    name : str
        Of the table.
    table : Table
    kind : Kind
    """

    path: Path
    name: str
    table: Table
    kind: Kind

    @property
    def file(self) -> str:
        """File name without folder, for messages."""
        return self.path.name


def match_sources(mapping: Mapping, paths: Sequence[Path]) -> dict[str, list[Source]]:
    """Files of each table, in order of name.

    Raises
    ------
    BadInput
        A source that is no readable file, fits no table or several, or is given twice; a table
        without a source that is not optional.
    """
    found: dict[str, list[Source]] = {name: [] for name in mapping.table}
    if len({path.name for path in paths}) < len(paths):
        msg = "sources: files of different names expected, found two of one name"
        raise BadInput(msg)
    for path in sorted(paths, key=lambda path: path.name):
        name = _table_of(mapping, path)
        found[name].append(Source(path, name, mapping.table[name], _kind_of(path)))
    absent = [
        f'{name} ("{mapping.table[name].file or "any file"}")'
        for name, sources in found.items()
        if not sources and not mapping.table[name].optional
    ]
    if absent:
        msg = f"sources: a file expected for table {', '.join(absent)}"
        raise BadInput(msg)
    return found


def _table_of(mapping: Mapping, path: Path) -> str:
    fitting = [
        name
        for name, table in mapping.table.items()
        if fnmatchcase(path.name.lower(), (table.file or "*").lower())
    ]
    if len(fitting) != 1:
        patterns = ", ".join(f'"{table.file}"' for table in mapping.table.values() if table.file)
        which = "several" if fitting else "none"
        msg = f"{path.name}: a file of one table expected, the name fits {which} of {patterns}"
        raise BadInput(msg)
    return fitting[0]


def _kind_of(path: Path) -> Kind:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        msg = f"{path.name}: a source file expected, cannot be read ({type(error).__name__})"
        raise BadInput(msg) from error
    if not start:
        msg = f"{path.name}: a header and rows expected, found an empty file"
        raise BadInput(msg)
    for magic, other in _OTHERS.items():
        if start.startswith(magic):
            msg = f"{path.name}: CSV in UTF-8, CSV.GZ or Parquet expected, found {other}"
            raise BadInput(msg)
    if start == b"PAR1":
        return Kind.PARQUET
    if path.suffix.lower() == ".parquet":
        msg = f"{path.name}: Parquet expected, found another kind of file"
        raise BadInput(msg)
    if not start.startswith(b"\x1f\x8b") and path.suffix.lower() == ".gz":
        msg = f"{path.name}: gzip expected, found another kind of file"
        raise BadInput(msg)
    return Kind.GZIP if start.startswith(b"\x1f\x8b") else Kind.TEXT
