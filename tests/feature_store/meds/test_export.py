"""MEDS out: valid by the standard's own schemas, and the same events when read back."""

import json
import tempfile
from pathlib import Path

import meds
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.automatic import derive_features
from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.dataset import fresh_folder, open_dataset, write_dataset
from feature_store.events import COLUMNS, NO_SPELL, NO_TIME, Events
from feature_store.manifest import Clock, Manifest
from feature_store.meds import export_meds, ingest_meds
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from feature_store.table import to_table
from homeward.shell import run

BOOK = Path(__file__).parents[3] / "codebooks" / "homeward.toml"
NOON = 1_760_000_000_000_000

facts = st.tuples(
    st.sampled_from(["NEWS2", "WARD//A", "WARD//B", "LAB//K", "DISCHARGE_READY", "odd code"]),
    st.integers(0, 12 * 24),
    st.integers(0, 48),
    st.none() | st.floats(0, 20, width=32),
    st.booleans(),
)
stays = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 9), st.booleans(), st.lists(facts, max_size=8)),
    min_size=1,
    max_size=6,
)


def events_of(drawn):
    """Events of drawn stays: each its own month; facts with and without the spell."""
    rows = [(9, NO_TIME, "SEX//2", None, NO_SPELL, NO_TIME)]
    for number, (subject, days, died, told) in enumerate(drawn):
        start = NOON + number * 30 * DAY
        end = start + days * DAY + HOUR
        rows.append((subject, start, "SPELL_START", None, number, start + HOUR))
        if days:
            rows.append((subject, end, "SPELL_END", float(days), number, end + 2 * HOUR))
            rows += [(subject, end, "DISCHARGE_METHOD//4", None, number, end)] if died else []
            rows.append((subject, end, "DIAGNOSIS//I50", None, number, end + 30 * DAY))
        for code, at, late, value, inside in told:
            time = start + at * HOUR
            number_told = value if value is not None else (1.0 if code == "NEWS2" else None)
            spell = number if inside else NO_SPELL
            rows.append((subject, time, code, number_told, spell, time + late * HOUR))
    columns = list(zip(*rows, strict=True))
    return Events.build(
        subject_id=columns[0],
        time=columns[1],
        code=columns[2],
        numeric_value=[np.nan if value is None else value for value in columns[3]],
        spell_id=columns[4],
        recorded_at=columns[5],
    ).in_order()


def dataset_of(events, out):
    """Write events as a dataset."""
    manifest = Manifest(
        source="bench",
        synthetic=True,
        clock=Clock.EXACT,
        start="2025-01-01T00:00:00+00:00",
        observed_until="2026-12-31T00:00:00+00:00",
        counts={"spells": len(find_spells(events))},
    )
    with fresh_folder(out) as folder:
        write_dataset(folder, iter([to_table(events)]), manifest)
    return open_dataset(out)


def rows_of(events):
    """Events as a sorted list of rows; NaN equals NaN."""
    columns = [getattr(events, name) for name in COLUMNS if name not in {"code", "numeric_value"}]
    value = events.numeric_value.view(np.int32).tolist()
    codes = [events.codes[code] for code in events.code.tolist()]
    return sorted(zip(codes, value, *(column.tolist() for column in columns), strict=True))


@settings(max_examples=25)
@given(stays)
def test_export_then_ingest_gives_the_same_events_and_features(drawn):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = dataset_of(events_of(drawn), folder / "first")
        export_meds(first, folder / "meds")
        ingest_meds(BOOK, folder / "meds", folder / "again")
        again = open_dataset(folder / "again")
        before, after = first.read(), again.read()
        assert rows_of(before) == rows_of(after)
        assert again.manifest.until == first.manifest.until
        assert again.manifest.synthetic
        asked = daily_snapshots(find_spells(before), until=first.manifest.until)
        features = derive_features(before, asked)
        np.testing.assert_array_equal(
            compute_features(before, asked, features), compute_features(after, asked, features)
        )


@pytest.fixture
def exported(tmp_path):
    """A dataset of one long and one open stay as MEDS, with labels."""
    drawn = [(1, 9, False, [("NEWS2", 5, 0, 3.0, True)]), (2, 0, False, [])]
    dataset_of(events_of(drawn), tmp_path / "data")
    asked = ["export", str(tmp_path / "data"), "--format", "meds", "--labels", "7"]
    assert run([*asked, "--out", str(tmp_path / "meds"), "--json"]) == 0
    return tmp_path / "meds"


def test_every_file_satisfies_the_standard(exported):
    for shard in exported.glob("data/*.parquet"):
        table = pq.read_table(shard)
        meds.DataSchema.validate(table)
        assert table["time"].null_count == 1
    codes = pq.read_table(exported / "metadata" / "codes.parquet")
    meds.CodeMetadataSchema.validate(codes)
    assert set(table["code"].to_pylist()) <= set(codes["code"].to_pylist())
    meds.LabelSchema.validate(pq.read_table(exported / "labels" / "long_stay_7.parquet"))
    told = json.loads((exported / "metadata" / "dataset.json").read_text())
    meds.DatasetMetadataSchema.validate(told)


def test_labels_are_asked_while_the_answer_is_open(exported):
    labels = pq.read_table(exported / "labels" / "long_stay_7.parquet").to_pylist()
    of_the_long_stay = [row["boolean_value"] for row in labels if row["subject_id"] == 1]
    assert of_the_long_stay == [True] * 7  # four hours in, then six mornings


def test_nothing_is_overwritten(exported, capsys):
    data = exported.parent / "data"
    assert run(["export", str(data), "--out", str(exported)]) == 2
    assert "a new folder expected" in capsys.readouterr().err
