"""Read a mapping file: TOML, one file or a chain of ``extends``, every key checked."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

from feature_store.errors import BadInput
from feature_store.ingest.mapping import Mapping, Section
from feature_store.ingest.mapping_rules import check_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LONGEST_CHAIN: Final = 5


def read_mapping(path: Path) -> tuple[Mapping, str]:
    """Read, complete and check a mapping.

    Returns
    -------
    Mapping
        With the names of tables filled in wherever there is only one.
    str
        SHA-256 over the bytes of the file and of those it extends.

    Raises
    ------
    BadInput
        Not TOML, unknown or ill-typed keys, or a mapping that contradicts itself or the
        vocabulary. Values of a mapping are no patient's: messages may name them.
    """
    raw, digest = _read_chain(path, hashlib.sha256())
    _refuse_unknown(raw, path.name)
    try:
        mapping = msgspec.convert(raw, Mapping, strict=True)
    except msgspec.ValidationError as error:
        msg = f"{path.name}: {error}; see docs/mapping.md"
        raise BadInput(msg) from error
    mapping = _with_tables(mapping)
    check_mapping(mapping, path.name)
    return mapping, digest


def _read_chain(path: Path, digest: Any) -> tuple[dict[str, Any], str]:
    """Sections of the base, changed by those of each file that extends it."""
    chain: list[dict[str, Any]] = []
    following: Path | None = path
    while following is not None:
        raw, content = _read_one(following)
        digest.update(content)
        chain.insert(0, raw)
        if len(chain) > _LONGEST_CHAIN:
            msg = f"{path.name}: extends more than {_LONGEST_CHAIN} files in turn"
            raise BadInput(msg)
        base = raw.get("extends")
        following = following.with_name(base) if isinstance(base, str) and base else None
    merged: dict[str, Any] = {}
    for raw in chain:
        merged = _merge(merged, raw)
    return merged, digest.hexdigest()


def _read_one(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        content = path.read_bytes()
        return tomllib.loads(content.decode("utf-8")), content
    except OSError as error:
        msg = f"{path.name}: a mapping file expected, cannot be read ({type(error).__name__})"
        raise BadInput(msg) from error
    except ValueError as error:
        msg = f"{path.name}: TOML in UTF-8 expected: {error}"
        raise BadInput(msg) from error


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Tables are united, everything else is replaced."""
    merged = dict(base)
    for key, value in change.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a suggestion to end a message with, or nothing.

    >>> did_you_mean("knwon", ["known", "number"])
    '; did you mean "known"?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f'; did you mean "{close[0]}"?' if close else ""


def _refuse_unknown(raw: dict[str, Any], name: str) -> None:
    faults = [
        f'unknown key "{key}" in {where}{did_you_mean(key, known)}'
        for key, where, known in _unknown_keys(raw, Mapping, "the mapping")
    ]
    if faults:
        msg = f"{name}: " + "; ".join(faults)
        raise BadInput(msg)


def _unknown_keys(
    raw: dict[str, Any], section: type[Section], where: str
) -> Iterator[tuple[str, str, list[str]]]:
    fields = {field.name: field for field in msgspec.structs.fields(section)}
    for key, value in raw.items():
        if key not in fields:
            yield key, where, list(fields)
            continue
        inner, named = _section_of(fields[key].type)
        if inner is None or not isinstance(value, dict):
            continue
        parts = value.items() if named else [("", value)]
        for part, content in parts:
            if isinstance(content, dict):
                label = (
                    f"[{key}.{part}]"
                    if named
                    else f"{where} {key}"
                    if where[0] == "["
                    else f"[{key}]"
                )
                yield from _unknown_keys(content, inner, label)


def _section_of(kind: Any) -> tuple[type[Section] | None, bool]:
    """Section inside a field's type, and whether the field holds sections by name."""
    if isinstance(kind, type) and issubclass(kind, Section):
        return kind, False
    for part in get_args(kind):
        inner, named = _section_of(part)
        if inner is not None:
            return inner, named or getattr(kind, "__origin__", None) is dict
    return None, False


def _with_tables(mapping: Mapping) -> Mapping:
    """Name the only table wherever a section leaves it out."""
    if len(mapping.table) != 1:
        return mapping
    only = next(iter(mapping.table))
    facts = {
        name: fact if fact.table else msgspec.structs.replace(fact, table=only)
        for name, fact in mapping.fact.items()
    }
    spells = mapping.spells
    if not spells.table:
        spells = msgspec.structs.replace(spells, table=only)
    return msgspec.structs.replace(mapping, spells=spells, fact=facts)
