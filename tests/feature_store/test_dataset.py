"""Event datasets on disk: what is written is read, whole or not at all."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from feature_store.clock import DAY, to_microseconds
from feature_store.dataset import fresh_folder, open_dataset, write_dataset
from feature_store.definitions import Feature, FeatureSet, Read
from feature_store.errors import BadInput
from feature_store.events import COLUMNS, NO_SPELL, NO_TIME, Events
from feature_store.manifest import Clock, Manifest
from feature_store.table import SCHEMA, from_table, to_table

START = 20_000 * DAY

MANIFEST = Manifest(
    source="made up",
    synthetic=True,
    clock=Clock.EXACT,
    start="2026-01-01T00:00:00+00:00",
    observed_until="2026-06-01T00:00:00+01:00",
)

EVENTS = Events.build(
    subject_id=[1, 1, 2, 2],
    time=[NO_TIME, START, START, START + 1],
    code=["SEX//1", "SPELL_START", "NEWS2", "LOCAL//x"],
    numeric_value=[np.nan, np.nan, 3.1, np.nan],
    spell_id=[NO_SPELL, 5, 6, 6],
    recorded_at=[NO_TIME, START, START + DAY, START + 1],
).in_order()


@pytest.fixture
def dataset(tmp_path):
    """Return a dataset of two shards, one subject each."""
    tables = (to_table(EVENTS.take(EVENTS.subject_id == subject)) for subject in (1, 2))
    with fresh_folder(tmp_path / "data") as folder:
        write_dataset(folder, tables, MANIFEST, descriptions={"LOCAL//x": ("a local thing", "kg")})
    return open_dataset(tmp_path / "data")


def assert_equal(left, right):
    assert left.codes == right.codes
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(left, column), getattr(right, column))


def test_events_survive_a_table():
    assert_equal(from_table(to_table(EVENTS)), EVENTS)


def test_what_is_missing_is_null_on_disk():
    table = to_table(EVENTS)
    assert table.schema == SCHEMA
    timeless = table.filter(pc.equal(table["code"], "SEX//1")).to_pylist()[0]
    assert [timeless[name] for name in ("time", "numeric_value", "spell_id", "recorded_at")] == [
        None
    ] * 4


def test_events_survive_the_disk(dataset):
    assert_equal(dataset.read(), EVENTS)
    assert [set(part.subject_id.tolist()) for part in dataset.read_shards()] == [{1}, {2}]


def test_an_empty_dataset_is_a_table_too():
    none = Events.build(subject_id=[], time=[], code=[])
    assert_equal(from_table(to_table(none)), none)


def test_other_engines_spellings_of_the_schema_are_read():
    """Large strings, dictionaries, zones and nanoseconds, in chunks and any order of columns."""
    table = to_table(EVENTS)
    as_written = {"code": pa.dictionary(pa.int32(), pa.string()), "time": pa.timestamp("ns", "UTC")}
    for name, kind in as_written.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(kind))
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    read = from_table(chunked.select(table.column_names[::-1]))
    assert_equal(read, EVENTS)


def test_the_manifest_counts_and_hashes_what_was_written(dataset, tmp_path):
    assert dataset.manifest.counts == {"events": 4, "subjects": 2}
    with fresh_folder(tmp_path / "again") as folder:
        tables = (to_table(EVENTS.take(EVENTS.subject_id == subject)) for subject in (1, 2))
        again = write_dataset(folder, tables, MANIFEST)
    assert again.content_hash == dataset.manifest.content_hash
    with fresh_folder(tmp_path / "other") as folder:
        other = write_dataset(folder, iter([to_table(EVENTS)]), MANIFEST)
    assert other.content_hash != again.content_hash


def test_codes_are_described_by_the_vocabulary_or_by_the_mapping(dataset):
    assert dataset.descriptions() == {
        "LOCAL//x": ("a local thing", "kg"),
        "NEWS2": ("NEWS2 score", "points"),
        "SEX//1": ("sex: male", ""),
        "SPELL_START": ("admission", ""),
    }


def test_a_failure_while_writing_leaves_nothing_behind(tmp_path):
    def failing():
        yield to_table(EVENTS)
        raise BadInput("row 2")

    with pytest.raises(BadInput, match="row 2"), fresh_folder(tmp_path / "data") as folder:
        write_dataset(folder, failing(), MANIFEST)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    def interrupted():
        yield to_table(EVENTS)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), fresh_folder(tmp_path / "data") as folder:
        write_dataset(folder, interrupted(), MANIFEST)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(dataset):
    with pytest.raises(BadInput, match="this one exists"), fresh_folder(dataset.path):
        pytest.fail("entered a folder that exists")
    assert_equal(dataset.read(), EVENTS)


def test_only_the_events_that_features_read_are_taken_up(dataset):
    wanted = FeatureSet(
        tuple(
            Feature(name=code, label=code, read=Read.COUNT, codes=(code,))
            for code in ("LOCAL", "NEWS2", "UNHEARD_OF")
        )
    )
    read = dataset.read(wanted)
    kept = EVENTS.take(EVENTS.rows_of("LOCAL//x", "NEWS2"))
    codes = ("LOCAL//x", "NEWS2")
    assert_equal(read, replace(kept, code=np.array([1, 0], np.int32), codes=codes))
    nothing = dataset.read(wanted.take([2]))
    assert (len(nothing), nothing.codes) == (0, ())


@pytest.mark.parametrize("damage", ["truncated", "not parquet", "empty"])
def test_a_damaged_shard_is_named(dataset, damage):
    shard = dataset.shards[1]
    whole = shard.read_bytes()
    shard.write_bytes({"truncated": whole[:-20], "not parquet": b"hello", "empty": b""}[damage])
    with pytest.raises(BadInput, match=r"events/00001\.parquet: Parquet expected"):
        dataset.read()


def test_a_missing_column_is_named(dataset):
    pq.write_table(to_table(EVENTS).drop_columns(["spell_id", "recorded_at"]), dataset.shards[0])
    with pytest.raises(BadInput, match="columns spell_id, recorded_at expected"):
        dataset.read()


@pytest.mark.parametrize("column", ["subject_id", "code"])
def test_an_event_of_nobody_or_of_nothing_is_refused(column):
    """A null here has no meaning, and a default would be somebody else's."""
    table = to_table(EVENTS)
    at = table.column_names.index(column)
    holed = table.set_column(
        at, column, pa.array([None, *table[column].to_pylist()[1:]], table[column].type)
    )
    with pytest.raises(BadInput, match=f"a {column} for every event expected"):
        from_table(holed)


def test_a_folder_that_is_not_a_dataset_is_refused(tmp_path, dataset):
    with pytest.raises(BadInput, match="folder of events expected"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(BadInput, match="manifest expected"):
        open_dataset(tmp_path / "bare")
    for shard in dataset.shards:
        shard.unlink()
    with pytest.raises(BadInput, match="none found"):
        open_dataset(dataset.path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clock": "sundial"}, "manifest expected"),
        ({"colour": "red"}, "manifest expected"),
        ({"observed_until": "soon"}, "manifest expected"),
        ({"observed_until": "2026-06-01T00:00:00"}, "manifest expected"),
        ({"schema_version": "99"}, "schema version 1 expected"),
    ],
)
def test_a_manifest_that_cannot_be_relied_on_is_refused(dataset, change, says):
    path = dataset.path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=says):
        open_dataset(dataset.path)


def test_a_manifest_survives_the_disk(tmp_path):
    rich = replace(MANIFEST, counts={"spells": 3}, settings={"seed": 1}, mapping_hash="ab")
    rich.write(tmp_path / "manifest.json")
    assert Manifest.read(tmp_path / "manifest.json") == rich
    assert rich.until == to_microseconds(datetime(2026, 5, 31, 23, tzinfo=UTC))
