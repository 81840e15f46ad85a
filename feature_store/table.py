"""Events as an Arrow table: the MEDS columns, the spell and the moment of recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from feature_store.definitions import FeatureSet
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, STILL_HOLDS, Events, Held, Int64
from feature_store.plan import plan_of

SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
        ("text_value", pa.string()),
        ("spell_id", pa.int64()),
        ("recorded_at", pa.timestamp("us")),
    ]
)
"""The MEDS columns, the spell and the moment of recording; UTC inside."""

HELD: Final = pa.schema(
    [
        ("held_since", pa.timestamp("us")),
        ("held_until", pa.timestamp("us")),
        ("held_as", pa.int64()),
    ]
)
"""Further columns of ``past``, as :class:`feature_store.events.Held` has them. ``events`` has the
first alone, and only where a merge made events this patient's."""

Rows = slice | NDArray[np.intp]


def to_table(events: Events) -> pa.Table:
    """Events as an Arrow table of ``SCHEMA``; missing times, values and spells become null.

    With a past also the columns of ``HELD``: :func:`parted` puts it aside.
    """
    times = {
        name: pa.array(column.view("datetime64[us]"), mask=column == NO_TIME)
        for name, column in (("time", events.time), ("recorded_at", events.recorded_at))
    }
    columns = {
        "subject_id": pa.array(events.subject_id),
        **times,
        "code": pa.DictionaryArray.from_arrays(
            pa.array(events.code), pa.array(list(events.codes), pa.string())
        ).cast(pa.string()),
        "numeric_value": pa.array(events.numeric_value, mask=np.isnan(events.numeric_value)),
        "text_value": pa.nulls(len(events), pa.string()),
        "spell_id": pa.array(events.spell_id, mask=events.spell_id == NO_SPELL),
    }
    table = pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
    for name, column in () if events.held is None else _held_columns(events.held):
        table = table.append_column(name, column)
    return table


def _held_columns(held: Held) -> Iterator[tuple[str, pa.Array]]:
    yield "held_since", pa.array(held.since.view("datetime64[us]"), mask=held.since == NO_TIME)
    yield "held_until", pa.array(held.until.view("datetime64[us]"), mask=held.until == STILL_HOLDS)
    yield "held_as", pa.array(held.subject_id)


def parted(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """What holds in the end, and what held before."""
    since, until, held_as = HELD.names
    if held_as not in table.column_names:
        return table.cast(SCHEMA), table.slice(0, 0)
    table = table.cast(pa.schema([*SCHEMA, *HELD]))
    holds = pc.is_null(table[until])
    now = table.filter(holds).drop_columns([until, held_as])
    merged = now[since].null_count < now.num_rows
    return now if merged else now.drop_columns([since]), table.filter(pc.invert(holds))


def from_table(table: pa.Table, feature_set: FeatureSet | None = None) -> Events:
    """Events from an Arrow table with the columns of ``SCHEMA``; text values stay on disk.

    Parameters
    ----------
    table : pyarrow.Table
    feature_set : FeatureSet, optional
        Only the events that its features read; None for all.

    Raises
    ------
    BadInput
        A column of the schema is missing, or an event has no subject or no code.
    """
    _check_columns(table)
    encoded = table["code"].unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    spelt = encoded.dictionary.to_pylist()
    codes = tuple(sorted(set(spelt) if feature_set is None else _read_by(feature_set, spelt)))
    place = {name: number for number, name in enumerate(codes)}
    code = np.array([place.get(name, -1) for name in spelt] or [-1], np.int32)[
        encoded.indices.to_numpy()
    ]
    rows = slice(None) if len(codes) == len(spelt) else np.flatnonzero(code >= 0)
    time = _integers(table["time"], NO_TIME, rows)
    recorded = _integers(table["recorded_at"], NO_TIME, rows)
    return Events(
        subject_id=_integers(table["subject_id"], 0, rows),
        time=time,
        code=code[rows],
        numeric_value=_filled(table["numeric_value"].cast(pa.float32()), float("nan"), rows),
        spell_id=_integers(table["spell_id"], NO_SPELL, rows),
        recorded_at=np.where(recorded == NO_TIME, time, recorded),
        codes=codes,
        held=_held(table, rows) if HELD.names[0] in table.column_names else None,
    )


def _held(table: pa.Table, rows: Rows) -> Held:
    since, until, held_as = HELD.names
    if held_as not in table.column_names:
        table = table.append_column(until, pa.nulls(len(table), pa.timestamp("us")))
        table = table.append_column(held_as, table["subject_id"])
    return Held(
        since=_integers(table[since], NO_TIME, rows),
        until=_integers(table[until], STILL_HOLDS, rows),
        subject_id=_integers(table[held_as], 0, rows),
    )


def _read_by(feature_set: FeatureSet, codes: Sequence[str]) -> set[str]:
    plan = plan_of(feature_set)
    return {code for code in codes if plan.reads(code)}


def _check_columns(table: pa.Table) -> None:
    there = table.column_names
    absent = [name for name in SCHEMA.names if name not in there and name != "text_value"]
    if absent:
        msg = f"events: columns {', '.join(absent)} expected and missing"
        raise BadInput(msg)
    for name in ("subject_id", "code"):
        if table[name].null_count:
            msg = f"events: a {name} for every event expected, got {table[name].null_count} nulls"
            raise BadInput(msg)


def _integers(column: pa.ChunkedArray, missing: int, rows: Rows) -> Int64:
    """Whole numbers; of times, microseconds since 1970."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us"))
    return _filled(column.cast(pa.int64()), missing, rows)


def _filled(column: pa.ChunkedArray, missing: float, rows: Rows) -> NDArray[Any]:
    """Values at these rows; a column without nulls is not copied first."""
    column = pc.fill_null(column, missing) if column.null_count else column
    return cast("NDArray[Any]", column.to_numpy())[rows]
