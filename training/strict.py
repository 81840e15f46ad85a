"""Settings read from TOML, strictly: a key nobody knows is a mistake, not a comment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from feature_store.errors import BadInput


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file.

    Raises
    ------
    BadInput
        No such file, or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: a readable TOML file expected ({type(error).__name__})"
        raise BadInput(msg) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"{path.name}: TOML expected; {error}"
        raise BadInput(msg) from error


def build(settings: type[Any], raw: Mapping[str, Any], *, where: str) -> Any:
    """Build a dataclass of settings from nested plain data; what is left out keeps its default.

    Fields may be plain values, dates, words of a ``StrEnum``, other dataclasses, or tuples or
    tables of any.

    Raises
    ------
    BadInput
        An unknown key (with the likeliest one meant), a wrong type, or a setting left out that has
        no default.
    """
    hints = get_type_hints(settings)
    known = [entry.name for entry in fields(settings)]
    for key in raw:
        if key not in known:
            raise BadInput(_unknown(key, known, where))
    for entry in fields(settings):
        if entry.name not in raw and entry.default is entry.default_factory is MISSING:
            msg = f"{where}: {entry.name} expected, and missing"
            raise BadInput(msg)
    values = {key: _value(hints[key], value, f"{where}: {key}") for key, value in raw.items()}
    return settings(**values)


def _unknown(key: str, known: list[str], where: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"{where}: unknown key {key!r}; {meant}"


def _value(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            msg = f"{where}: a table of settings expected, got {type(value).__name__}"
            raise BadInput(msg)
        return build(kind, value, where=where)
    if get_origin(kind) in _HOLDERS:
        return _HOLDERS[get_origin(kind)](get_args(kind), value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _word(kind, value, where)
    return _plain(kind, value, where)


def _plain(kind: Any, value: Any, where: str) -> Any:
    # A boolean is an int to Python, and 3 is not a float to isinstance; people mean neither.
    right = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is date and isinstance(value, datetime):
        right = False
    if not right:
        msg = f"{where}: {kind.__name__} expected, got {type(value).__name__}"
        raise BadInput(msg)
    return value


def _several(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    kind = kinds[0]
    if not isinstance(value, list | tuple) or not value:
        msg = f"{where}: a list with at least one {kind.__name__} expected"
        raise BadInput(msg)
    return tuple(_value(kind, item, where) for item in value)


def _table(kinds: tuple[Any, ...], value: Any, where: str) -> dict[str, Any]:
    """Names of the writer's own, each with a value of one kind."""
    if not isinstance(value, Mapping):
        msg = f"{where}: a table expected, got {type(value).__name__}"
        raise BadInput(msg)
    return {key: _value(kinds[1], item, f"{where}: {key}") for key, item in value.items()}


_HOLDERS: Final[Mapping[Any, Callable[[tuple[Any, ...], Any, str], Any]]] = {
    tuple: _several,
    dict: _table,
}


def _word(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    words = [member.value for member in kind]
    if value not in words:
        msg = f"{where}: one of {', '.join(words)} expected"
        raise BadInput(msg)
    return kind(value)
