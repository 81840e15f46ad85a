"""Which trackers there are: a JSON file, and for each what stands in it.

::

    {"look_seconds": 900,
     "trackers": [
       {"kind": "webhook", "name": "tasks", "url": "https://tracker.trust.example/homeward",
        "secret_file": "tasks.secret", "notices": ["risk.high"], "sites": ["RXX01"]},
       {"kind": "drop", "name": "warehouse", "folder": "/srv/drop", "keep": 14},
       {"kind": "python", "name": "ours", "make": "trust_tracker:make", "settings": {}}]}

Files are looked for beside this one. Secrets stand in files of their own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from feature_store.errors import BadInput
from homeward.relay.drop import KEPT, Drop
from homeward.relay.tracker import Kind, Tracker
from homeward.relay.webhook import Webhook, read_secrets

Json = Mapping[str, Any]
_KIND: Final = "a file of trackers"
_RISKS: Final = (Kind.HIGH, Kind.RISING, Kind.WITHDRAWN)

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]


class _Given(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, tag_field="kind"):
    name: Name


class _Webhook(_Given, tag="webhook", frozen=True, kw_only=True):
    url: str
    secret_file: str
    notices: Annotated[tuple[Kind, ...], Meta(min_length=1)] = _RISKS
    sites: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None


class _Drop(_Given, tag="drop", frozen=True, kw_only=True):
    folder: str
    keep: Annotated[int, Meta(ge=1)] = KEPT


class _Python(_Given, tag="python", frozen=True, kw_only=True):
    make: Annotated[str, Meta(pattern=r"^[\w.]+:\w+$")]
    settings: dict[str, Any] = {}


class _File(Struct, forbid_unknown_fields=True, frozen=True):
    trackers: Annotated[list[_Webhook | _Drop | _Python], Meta(min_length=1)]
    look_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 900


@dataclass(frozen=True, slots=True)
class Trackers:
    """Who is told, and how often the list is looked at.

    Parameters
    ----------
    trackers : tuple of Tracker
    look_seconds : int
    """

    trackers: tuple[Tracker, ...]
    look_seconds: int


def read_trackers(path: Path, ask: Callable[[], Json]) -> Trackers:
    """Read a file of trackers.

    Parameters
    ----------
    path : Path
    ask : callable
        Gives the worklist, for drops.

    Raises
    ------
    BadInput
        It is not one, names one twice, or one of them cannot be made.
    """
    try:
        given = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError) as error:
        where = (
            str(error).rpartition(" - at ")[2] if isinstance(error, msgspec.ValidationError) else ""
        )
        msg = f"{path.name}: {_KIND} expected ({where or type(error).__name__}); docs/trackers.md"
        raise BadInput(msg) from None
    if len({one.name for one in given.trackers}) < len(given.trackers):
        msg = f"{path.name}: every name of a tracker once expected"
        raise BadInput(msg)
    made = tuple(_made(one, path.parent, ask) for one in given.trackers)
    return Trackers(made, given.look_seconds)


def _made(given: _Webhook | _Drop | _Python, beside: Path, ask: Callable[[], Json]) -> Tracker:
    if isinstance(given, _Webhook):
        return Webhook(
            name=given.name,
            url=given.url,
            secrets=read_secrets(beside / given.secret_file),
            kinds=frozenset(given.notices),
            sites=None if given.sites is None else frozenset(given.sites),
        )
    if isinstance(given, _Drop):
        return Drop(given.name, beside / given.folder, ask, given.keep)
    module, _, function = given.make.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        msg = f"{given.name}: a function of an importable module expected ({type(error).__name__})"
        raise BadInput(msg) from None
    made: Tracker = make(given.name, given.settings)
    return made
