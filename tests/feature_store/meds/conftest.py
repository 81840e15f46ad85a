"""A bench for codebooks: a few rows in, events out."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.dataset import open_dataset
from feature_store.meds import ingest_meds

BOOK = """\
name = "bench"
keep = ["subject"]
[spells]
start = ["ADMIT"]
end = ["DISCHARGE"]
died = ["DISCHARGE//DIED", "MEDS_DEATH"]
born = ["MEDS_BIRTH"]
"""
KEY = b"k" * 32


def moment(text):
    """Naive moment of `2026-01-31T10:00`, or None."""
    return None if text is None else datetime.fromisoformat(text)


def write_shard(folder, rows, *, name="0", **extra):
    """One data file of (subject, time, code, value) rows; extra columns by name."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    table = {
        "subject_id": pa.array(columns[0], pa.int64()),
        "time": pa.array([moment(text) for text in columns[1]], pa.timestamp("us")),
        "code": pa.array(columns[2], pa.string()),
        "numeric_value": pa.array(columns[3], pa.float32()),
    }
    for column, values in extra.items():
        stamps = any(isinstance(value, str) for value in values)
        table[column] = (
            pa.array([moment(text) for text in values], pa.timestamp("us"))
            if stamps
            else pa.array(values, pa.int64())
        )
    path = Path(folder) / "data" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


@dataclass
class Bench:
    """Ingests small datasets."""

    folder: Path
    runs: int = 0

    def ingest(self, *shards, book="", base=BOOK, **extra):
        """Event dataset of these shards by the bench's codebook and more of it."""
        self.runs += 1
        source = self.folder / f"source{self.runs}"
        for number, rows in enumerate(shards):
            write_shard(source, rows, name=str(number), **extra)
        path = self.folder / f"book{self.runs}.toml"
        path.write_text(base + book, encoding="utf-8")
        out = self.folder / f"out{self.runs}"
        ingest_meds(path, source, out, pseudonym_key=KEY)
        return open_dataset(out)

    def facts(self, *shards, **options):
        """(code, time, recorded, value, in a spell) of every event, in order."""
        return facts(self.ingest(*shards, **options).read())


def facts(events):
    """Events as readable tuples."""
    return [
        (
            events.codes[code],
            told(time),
            told(recorded),
            None if math.isnan(value) else value,
            spell != -1,
        )
        for code, time, recorded, value, spell in zip(
            events.code.tolist(),
            events.time.tolist(),
            events.recorded_at.tolist(),
            events.numeric_value.tolist(),
            events.spell_id.tolist(),
            strict=True,
        )
    ]


def told(microseconds):
    """Moment as the bench writes it; None for none."""
    if microseconds == -(1 << 63):
        return None
    return datetime.fromtimestamp(microseconds / 1e6, UTC).replace(tzinfo=None).isoformat()[:16]


@pytest.fixture
def bench(tmp_path):
    """A folder to ingest in."""
    return Bench(tmp_path)
