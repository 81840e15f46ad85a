"""Kinds of settings: their names, and how the text of one becomes a value, or ``ValueError``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from feature_store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PREFIX: Final = "HOMEWARD_"
TEST_PREFIX: Final = "HOMEWARD_TEST_"  # settings of the test suite, which starts real processes


def positive(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def yes_or_no(text: str) -> bool:
    """Read yes or no."""
    return {"yes": True, "no": False}[text]


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def clock_kind(text: str) -> str:
    """Read what the time is."""
    if text not in {"wall", "data"}:
        raise ValueError
    return text


def level(text: str) -> str:
    """Read how severe a log line must be."""
    if text not in {"debug", "info", "warning", "error"}:
        raise ValueError
    return text


def some_text(text: str) -> str:
    """Read any text but none."""
    if not text:
        raise ValueError
    return text


def path(text: str) -> Path:
    """Read a file or a folder."""
    return Path(some_text(text))


def file_or_https(text: str) -> str:
    """Read a file or an address that nobody on the way can forge."""
    address = urlsplit(some_text(text))
    plain = address.scheme == "http"
    if plain and address.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError  # whoever sits on the way could give keys of his own
    if address.scheme in {"http", "https"} and (not address.hostname or address.password):
        raise ValueError
    return text


def link(text: str) -> str:
    """Read an address that a page may link to."""
    address = urlsplit(text)
    if address.scheme not in {"http", "https"} or not address.hostname or address.password:
        raise ValueError  # a link with a password shows it; one of another kind may run
    return text.rstrip("/")


def about(meaning: str, expected: str, read: Callable[[str], Any] = some_text) -> dict[str, Any]:
    """Metadata of a setting: what it means, what is expected, how its text is read."""
    return {"meaning": meaning, "expected": expected, "read": read}


def variable(name: str) -> str:
    """Environment variable of a setting.

    >>> variable("model_uri")
    'HOMEWARD_MODEL_URI'
    """
    return PREFIX + name.upper()


def refuse_unknown(environment: Mapping[str, str], known: Sequence[str]) -> None:
    """Stop for any ``HOMEWARD_*`` name that means nothing: a misspelt setting is a silent default.

    >>> refuse_unknown({"HOMEWARD_MODLE_URI": "x"}, ["HOMEWARD_MODEL_URI"])
    Traceback (most recent call last):
    feature_store.errors.BadInput: unknown setting HOMEWARD_MODLE_URI
    (did you mean HOMEWARD_MODEL_URI?)

    Raises
    ------
    BadInput
        Names all unknown settings, each with the nearest known one.
    """
    unknown = sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and name not in known and not name.startswith(TEST_PREFIX)
    )
    if not unknown:
        return
    hints = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        hints.append(f"{name} (did you mean {near[0]}?)" if near else f"{name} (README lists them)")
    msg = f"unknown setting {', '.join(hints)}"
    raise BadInput(msg)
