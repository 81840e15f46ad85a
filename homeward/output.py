"""What commands show: one result on stdout, progress on stderr and only to a person."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout instead of text."
)


def show(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Show the result of a command, once.

    Parameters
    ----------
    document : dict
        The whole result as plain data; NaN is not JSON, give None.
    text : str
        The same for a reader.
    as_json : bool
        Which of the two.
    """
    click.echo(json.dumps(document, indent=2, allow_nan=False) if as_json else text)


def reporter() -> Callable[[str], None]:
    """Return what takes lines of progress: stderr if a person watches it, else nothing."""
    if not sys.stderr.isatty():
        return lambda _line: None
    return lambda line: click.echo(line, err=True)
