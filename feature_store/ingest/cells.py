"""Cells of one fact: value lists, prefixes, value sets, numbers and their ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.ingest.faults import Fault
from feature_store.ingest.numbers import middles, numbers
from feature_store.ingest.rows import is_null, texts_at, without
from feature_store.vocabulary import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping as Listed

    from numpy.typing import NDArray

    from feature_store.ingest.faults import Faults
    from feature_store.ingest.mapping import Fact
    from feature_store.ingest.rows import Mask, Rows

_LARGEST = float(np.finfo(np.float32).max)


def wanted_rows(fact: Fact, rows: Rows) -> Mask:
    """Rows that the ``when`` of a fact asks for."""
    wanted = np.ones(len(rows), dtype=bool)
    for name, values in fact.when.items():
        said = pc.is_in(rows.columns[name], value_set=pa.array(values, pa.string()))
        wanted &= np.asarray(said.to_numpy(zero_copy_only=False), dtype=bool)
    return wanted


def cell_texts(fact: Fact, rows: Rows, name: str, wanted: Mask) -> pa.Array:
    """Cells of a column where the fact wants them, null where missing to this fact."""
    text = pc.if_else(pa.array(wanted), rows.columns[name], pa.scalar(None, pa.string()))
    return without(text, fact.missing)


def values_of(
    fact: Fact, listed: Listed[str, str], text: pa.Array, where: tuple[Rows, str], faults: Faults
) -> tuple[pa.Array, Mask]:
    """Values of a code's cells, after value list, prefix and the family's value set.

    Parameters
    ----------
    fact : Fact
    listed : mapping of str to str
        Value list; empty: every value stays.
    text : pyarrow.Array of string
    where : Rows and str
        The rows and the name of the column, for faults.
    faults : Faults

    Returns
    -------
    pyarrow.Array of string
        Null where missing, dropped or bad.
    ndarray of bool, shape (n,)
        Where bad.
    """
    rows, name = where
    encoded = text.dictionary_encode()
    cells: list[str] = encoded.dictionary.to_pylist()
    family = FAMILIES.get(fact.family)
    closed = family.values if family is not None else {}
    values: list[str | None] = []
    bad_cell: list[bool] = []
    for cell in cells:
        value = _listed(fact, listed, cell)
        value = value[: fact.prefix] if value and fact.prefix else value
        outside = value is None and cell not in listed and (fact.other or "bad") == "bad"
        outside = outside or (value is not None and bool(closed) and value not in closed)
        values.append(None if outside else value or None)
        bad_cell.append(outside)
    index = pc.fill_null(encoded.indices, len(cells)).to_numpy(zero_copy_only=False)
    bad = np.array([*bad_cell, False], dtype=bool)[index]
    expected = f"a value of {fact.family}" if closed else "a value of the list in the mapping"
    faults.add_found((rows.file, name, expected), rows.numbers[bad], texts_at(text, bad))
    return pa.array([*values, None], pa.string()).take(pa.array(index)), bad


def _listed(fact: Fact, listed: Listed[str, str], cell: str) -> str | None:
    if not listed:
        return cell
    return listed.get(cell, cell if fact.other == "keep" else None)


def numbers_of(
    fact: Fact, listed: Listed[str, str], text: pa.Array, where: tuple[Rows, str], faults: Faults
) -> tuple[NDArray[np.float64], Mask]:
    """Numbers of a fact's cells in the unit of its family, and where they are bad.

    NaN where missing, dropped or bad.
    """
    rows, name = where
    if listed:
        text, unlisted = _listed_numbers(fact, listed, text, where, faults)
    else:
        unlisted = np.zeros(len(rows), dtype=bool)
    value = (middles(text) if fact.bands else numbers(text)) * fact.scale
    odd = np.isnan(value) & ~is_null(text)
    expected = "a band such as [70-80)" if fact.bands else "a number"
    faults.add_found((rows.file, name, expected), rows.numbers[odd], texts_at(text, odd))
    low, high = _range(fact)
    outside = (value < low) | (value > high)
    span = f"a number from {low:g} to {high:g}" if high < _LARGEST else f"a number from {low:g}"
    faults.add(Fault(rows.file, name, span, "one outside"), rows.numbers[outside])
    bad = unlisted | odd | outside
    return np.where(bad, np.nan, value), bad


def _listed_numbers(
    fact: Fact, listed: Listed[str, str], text: pa.Array, where: tuple[Rows, str], faults: Faults
) -> tuple[pa.Array, Mask]:
    """Texts of numbers after their value list; others stay, unless the mapping says otherwise."""
    source = pa.array(list(listed), pa.string())
    position = pc.index_in(text, value_set=source)
    replaced = pa.array(list(listed.values()), pa.string()).take(position)
    known = ~is_null(position) | is_null(text)
    bad = np.zeros(known.size, dtype=bool)
    if (fact.other or "keep") == "keep":
        return pc.coalesce(replaced, text), bad
    if fact.other == "bad":
        rows, name = where
        bad = ~known
        expected = "a value of the list in the mapping"
        faults.add_found((rows.file, name, expected), rows.numbers[bad], texts_at(text, bad))
    return replaced, bad


def _range(fact: Fact) -> tuple[float, float]:
    """The narrower of the vocabulary's plausible range and the mapping's, within 32 bits."""
    family = FAMILIES.get(fact.family)
    lows = [
        -_LARGEST,
        *([family.low] if family else []),
        *([fact.low] if fact.low is not None else []),
    ]
    highs = [
        _LARGEST,
        *([family.high] if family else []),
        *([fact.high] if fact.high is not None else []),
    ]
    return max(lows), min(highs)
