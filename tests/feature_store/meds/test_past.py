"""A past goes through MEDS and back: every past moment is answered as before, to the last bit."""

import json
from dataclasses import replace
from pathlib import Path

import meds
import numpy as np
import pyarrow.parquet as pq
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.dataset import fresh_folder, open_dataset, write_dataset
from feature_store.events import NO_SPELL, NO_TIME, STILL_HOLDS, Events, Held, concatenate
from feature_store.manifest import Clock, Manifest
from feature_store.meds import export_meds, ingest_meds
from feature_store.nhs import NHS
from feature_store.snapshots import Snapshots
from feature_store.table import to_table
from homeward.shell import run

BOOK = Path(__file__).parents[3] / "codebooks" / "homeward.toml"
START = 20_000 * DAY
SUBJECTS = 8
CODES = ("AGE", "CRP", "DIAGNOSIS//I50", "NEWS2", "PROCEDURE//X", "UNHEARD_OF", "WARD//A")
MANIFEST = Manifest(
    source="made up",
    synthetic=True,
    clock=Clock.EXACT,
    start="2024-01-01T00:00:00+00:00",
    observed_until="2025-12-01T00:00:00+00:00",
)


def random_history(rng, size=250):
    """A spell a subject, admitted twice and discharged once too often, and facts of all kinds.

    Some facts were withdrawn; some became the subject's by a merge, having been another number's
    before; some are copies that another person's question needs. What is coded late was known
    before the discharge that turned out to be the last.
    """
    subject = rng.integers(0, SUBJECTS, size)
    time = START + rng.integers(0, 400, size) * HOUR
    facts = Events(
        subject_id=subject,
        time=time,
        code=rng.integers(0, len(CODES), size).astype(np.int32),
        numeric_value=rng.integers(1, 20, size).astype(np.float32),
        spell_id=np.where(rng.random(size) < 0.7, subject, NO_SPELL),
        recorded_at=time + rng.integers(0, 90, size) * HOUR,
        codes=CODES,
    )
    seen = facts.visible_at
    merged = rng.random(size) < 0.2
    until = np.where(rng.random(size) < 0.4, seen + rng.integers(1, 200, size) * HOUR, STILL_HOLDS)
    since = np.where(merged, seen + rng.integers(1, 100, size) * HOUR, NO_TIME)
    until = np.where(until > since, until, STILL_HOLDS)
    facts = replace(facts, held=Held(since, until, subject))
    before = facts.take(merged)
    assert before.held is not None
    before = replace(
        before, held=Held(np.full(len(before), NO_TIME), before.held.since, 100 + before.subject_id)
    )
    copies = facts.take(rng.random(size) < 0.1).borrowed_by(1, until=START + 300 * HOUR)
    return concatenate([facts, before, copies, marks(rng)]).in_order()


def marks(rng):
    """Starts and ends of the spells, the first of each withdrawn."""
    everybody = np.arange(SUBJECTS)
    codes = ("SPELL_END", "SPELL_START")
    parts = []
    for code, at in (("SPELL_START", 0), ("SPELL_END", 300)):
        for nth in range(2):
            time = START + (at + 24 * nth + rng.integers(0, 24, SUBJECTS)) * HOUR
            until = time + 30 * HOUR if nth == 0 else np.full(SUBJECTS, STILL_HOLDS)
            parts.append(
                Events(
                    subject_id=everybody,
                    time=time,
                    code=np.full(SUBJECTS, codes.index(code), np.int32),
                    numeric_value=np.full(SUBJECTS, np.nan, np.float32),
                    spell_id=everybody,
                    recorded_at=time,
                    codes=codes,
                    held=Held(np.full(SUBJECTS, NO_TIME), until, everybody),
                )
            )
    return concatenate(parts)


def write(events, out):
    """Write events as a dataset of two shards."""
    half = events.subject_id < SUBJECTS // 2
    with fresh_folder(out) as folder:
        parts = (to_table(events.take(mine)) for mine in (half, ~half))
        write_dataset(folder, parts, MANIFEST)
    return open_dataset(out)


def whole(dataset):
    """All events of a dataset, with their past."""
    return concatenate(list(dataset.read_shards(past=True)))


def asked_of(rng, size=200):
    subject = rng.integers(0, SUBJECTS, size)
    moment = START + rng.integers(0, 700 * 60, size) * (HOUR // 60)
    return Snapshots(subject, subject.copy(), np.full(size, START), moment)


@pytest.mark.parametrize("seed", range(8))
def test_a_dataset_with_a_past_comes_back_with_the_features_of_every_past_moment(tmp_path, seed):
    rng = np.random.default_rng(seed)
    first = write(random_history(rng), tmp_path / "first")
    told = export_meds(first, tmp_path / "meds")
    assert told.past_events == first.manifest.counts["past_events"] > 0
    ingest_meds(BOOK, tmp_path / "meds", tmp_path / "again")
    again = open_dataset(tmp_path / "again")
    before, after, asked = whole(first), whole(again), asked_of(rng)
    matrix = compute_features(before, asked, NHS)
    np.testing.assert_array_equal(compute_features(after, asked, NHS), matrix)
    for moment in asked.prediction_time[:20].tolist():
        known = [to_table(one.known_at(moment).in_order()) for one in (before, after)]
        assert known[0].equals(known[1])
    assert again.manifest.counts["past_events"] == told.past_events
    # The property would hold of a past that changes nothing.
    assert not np.array_equal(compute_features(before.current(), asked, NHS), matrix, True)


@pytest.fixture
def exported(tmp_path):
    first = write(random_history(np.random.default_rng(1)), tmp_path / "first")
    export_meds(first, tmp_path / "meds", horizons=(7,))
    return tmp_path / "meds"


def test_data_has_only_what_holds_in_the_end_and_satisfies_the_standard(exported):
    rows = 0
    for path in exported.glob("data/*.parquet"):
        table = pq.read_table(path)
        meds.DataSchema.validate(table)
        rows += table.num_rows
    first = open_dataset(exported.parent / "first")
    assert rows == len(first.read()) < len(whole(first))
    meds.LabelSchema.validate(pq.read_table(exported / "labels" / "long_stay_7.parquet"))
    told = json.loads((exported / "metadata" / "dataset.json").read_text())
    meds.DatasetMetadataSchema.validate(told)
    assert told["other_extension_columns"] == ["recorded_at", "held_since"]


def test_pseudonyms_are_given_to_the_past_too(exported, tmp_path):
    book = tmp_path / "book.toml"
    book.write_text(BOOK.read_text().replace('keep = ["subject", "spell"]', ""))
    ingest_meds(book, exported, tmp_path / "again", pseudonym_key=b"k" * 32)
    before, after = whole(open_dataset(tmp_path / "first")), whole(open_dataset(tmp_path / "again"))
    for moment in range(START, START + 700 * HOUR, 35 * HOUR):
        known = [one.known_at(moment) for one in (before, after)]
        sizes = [sorted(np.unique(one.subject_id, return_counts=True)[1]) for one in known]
        assert sizes[0] == sizes[1]
        assert not np.isin(known[1].subject_id, known[0].subject_id).any()
    assert before.held is not None
    assert after.held is not None
    assert (after.held.subject_id < 0).sum() == (before.held.subject_id < 0).sum() > 0


def test_a_past_of_other_data_is_refused_and_without_it_the_end_is_there(exported, capsys):
    again = exported.parent / "again"
    asked = ["ingest", "--format", "meds", "--codebook", str(BOOK), "--out", str(again)]
    table = pq.read_table(exported / "data" / "00000.parquet")
    pq.write_table(table.slice(1), exported / "data" / "00000.parquet")
    assert run([*asked, str(exported)]) == 2
    assert "past/: the files of past/ and data/ as homeward export wrote them" in (
        capsys.readouterr().err
    )
    assert not again.exists()
    for path in exported.glob("past/*"):
        path.unlink()
    assert run([*asked, str(exported)]) == 0
    assert "past_events" not in open_dataset(again).manifest.counts


def test_other_codebooks_do_not_read_the_past(exported):
    book = exported.parent / "book.toml"
    told = BOOK.read_text().replace("exported = true", 'implausible = "leave out"')
    book.write_text(told)
    ingest_meds(book, exported, exported.parent / "again")
    assert "past_events" not in open_dataset(exported.parent / "again").manifest.counts


def test_a_codebook_of_exports_speaks_as_they_do(exported, tmp_path, capsys):
    book = tmp_path / "book.toml"
    book.write_text(BOOK.read_text() + '[[code]]\nfrom = "CRP"\nto = []\n')
    asked = ["ingest", "--format", "meds", "--codebook", str(book), "--out", str(tmp_path / "x")]
    assert run([*asked, str(exported)]) == 2
    assert "exported: columns and codes of homeward export expected" in capsys.readouterr().err
