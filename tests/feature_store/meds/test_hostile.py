"""Broken and hostile MEDS datasets: an error of Homeward's own, and nothing left behind."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.dataset import open_dataset
from feature_store.errors import HomewardError
from feature_store.meds import ingest_meds

BOOK = """\
name = "bench"
[spells]
start = ["ADMIT"]
end = ["DISCHARGE"]
died = ["MEDS_DEATH"]
born = ["MEDS_BIRTH"]
"""
NAMED = BOOK.replace("[spells]", '[columns]\nspell = "hadm"\nrecorded = "stored"\n[spells]')

moments = st.none() | st.integers(-(1 << 62), 1 << 62) | st.integers(0, 1 << 51)
codes = st.sampled_from(
    ["ADMIT", "ADMIT//X", "DISCHARGE", "MEDS_DEATH", "MEDS_BIRTH", "NEWS2", "SEX//7", "DIAGNOSIS"]
) | st.text(max_size=6).filter(lambda text: not any(0xD800 <= ord(one) < 0xE000 for one in text))
lines = st.lists(
    st.tuples(
        st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(1, 3),
        moments,
        codes,
        st.none() | st.floats(width=32),
        st.none() | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(1, 3),
        moments,
    ),
    max_size=12,
)
NAMES = ("subject_id", "time", "code", "numeric_value", "hadm", "stored")
KINDS = (
    *(pa.int64(), pa.timestamp("us"), pa.string(), pa.float32(), pa.int64(), pa.timestamp("us")),
)


def survives(folder, book):
    """Ingest: a dataset that can be opened and read, or a HomewardError and nothing at all."""
    path, out, refusal = folder / "book.toml", folder / "out", None
    path.write_text(book, encoding="utf-8")
    try:
        ingest_meds(path, folder / "source", out, pseudonym_key=b"k" * 32)
    except HomewardError as error:
        refusal = f"{error} {error.__cause__}"
    if refusal is not None:
        assert "Featherstonehaugh" not in refusal
        assert sorted(one.name for one in folder.iterdir()) == ["book.toml", "source"]
    else:
        open_dataset(out).read().check()
        stored = b"".join(one.read_bytes() for one in out.rglob("*") if one.is_file())
        assert b"Featherstonehaugh" not in stored


@settings(max_examples=60)
@given(lines, st.sampled_from([BOOK, NAMED]))
def test_any_rows_are_taken_whole_or_refused_whole(rows, book):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source" / "data").mkdir(parents=True)
        columns = list(zip(*rows, strict=True)) or [()] * len(NAMES)
        table = pa.table(
            {
                name: pa.array(list(column), kind)
                for name, column, kind in zip(NAMES, columns, KINDS, strict=True)
            }
        )
        pq.write_table(table, folder / "source" / "data" / "0.parquet")
        survives(folder, book)


ODD_KINDS = st.sampled_from(
    [
        *(pa.int8(), pa.uint64(), pa.float64(), pa.string(), pa.large_string(), pa.binary()),
        *(pa.bool_(), pa.date32(), pa.time64("us"), pa.duration("us"), pa.decimal128(20, 3)),
        *(pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("ns"), pa.timestamp("us", "UTC")),
        *(pa.timestamp("us", "Europe/London"), pa.list_(pa.int64()), pa.null()),
        *(pa.dictionary(pa.int32(), pa.string()), pa.struct([("a", pa.int64())])),
    ]
)
SOUND = {
    "subject_id": pa.array([1, 1, 1], pa.int64()),
    "time": pa.array([0, 1 << 30, 1 << 40], pa.timestamp("us")),
    "code": pa.array(["ADMIT", "NEWS2", "DISCHARGE"]),
    "numeric_value": pa.array([None, 3, None], pa.float32()),
    "hadm": pa.array([7, 7, 7], pa.int64()),
    "stored": pa.array([0, 1 << 30, 1 << 40], pa.timestamp("us")),
    "text_value": pa.array(["Featherstonehaugh"] * 3),
}


@settings(max_examples=30)
@given(st.data())
def test_columns_of_another_type_or_number_are_taken_whole_or_refused_whole(data):
    columns = dict(SOUND)
    for name in data.draw(st.sets(st.sampled_from(sorted(columns)), min_size=1, max_size=2)):
        kind = data.draw(st.none() | ODD_KINDS)
        if kind is None:
            del columns[name]
            continue
        try:
            columns[name] = columns[name].cast(kind, safe=False)
        except pa.lib.ArrowException:
            columns[name] = pa.nulls(3, kind)
    more = data.draw(st.sampled_from(["", "subject_id", "Time", "code ", "a" * 500]))
    names, arrays = list(columns), list(columns.values())
    if more:  # a name twice, or nearly
        names, arrays = [*names, more], [*arrays, pa.array(["x"] * 3)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source" / "data").mkdir(parents=True)
        table = pa.Table.from_arrays(arrays, names=names)
        pq.write_table(table, folder / "source" / "data" / "0.parquet")
        survives(folder, data.draw(st.sampled_from([BOOK, NAMED])))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Bytes of a sound shard."""
    path = tmp_path_factory.mktemp("sound") / "0.parquet"
    rows = {
        "subject_id": pa.array([1, 1], pa.int64()),
        "time": pa.array([0, 1 << 40], pa.timestamp("us")),
        "code": pa.array(["ADMIT", "DISCHARGE"]),
    }
    pq.write_table(pa.table(rows), path)
    return path.read_bytes()


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_or_read(sound, data):
    damaged = bytearray(sound[: data.draw(st.integers(0, len(sound)))])
    if data.draw(st.booleans()):
        damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source" / "data").mkdir(parents=True)
        (folder / "source" / "data" / "0.parquet").write_bytes(bytes(damaged))
        survives(folder, BOOK)


@pytest.mark.parametrize("name", ["subject_id", "code", "time", "numeric_value", "hadm"])
def test_a_column_that_is_there_twice_is_refused(tmp_path, name):
    (tmp_path / "source" / "data").mkdir(parents=True)
    table = pa.Table.from_arrays([*SOUND.values(), SOUND[name]], names=[*SOUND, name])
    pq.write_table(table, tmp_path / "source" / "data" / "0.parquet")
    (tmp_path / "book.toml").write_text(NAMED)
    with pytest.raises(HomewardError, match=f"columns {name} once expected"):
        ingest_meds(tmp_path / "book.toml", tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "source" / "data").mkdir(parents=True)
    columns = {
        "subject_id": pa.array([1], pa.int64()),
        "time": pa.array([0], pa.timestamp("us")),
        "code": pa.array([b"ADMIT\xff"], pa.binary()).view(pa.string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "source" / "data" / "0.parquet")
    (tmp_path / "book.toml").write_text(BOOK)
    with pytest.raises(HomewardError, match="Parquet expected"):
        ingest_meds(tmp_path / "book.toml", tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("told", ["{", "[1]", "[" * 100_000, '{"homeward": {"observed_until": 3}}'])
def test_metadata_that_cannot_be_read_is_refused(tmp_path, sound, told):
    (tmp_path / "source" / "data").mkdir(parents=True)
    (tmp_path / "source" / "metadata").mkdir()
    (tmp_path / "source" / "data" / "0.parquet").write_bytes(sound)
    (tmp_path / "source" / "metadata" / "dataset.json").write_text(told)
    (tmp_path / "book.toml").write_text(BOOK)
    with pytest.raises(HomewardError, match=r"dataset\.json"):
        ingest_meds(tmp_path / "book.toml", tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out").exists()
