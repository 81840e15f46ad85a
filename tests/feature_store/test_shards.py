"""Features shard by shard: the same rows however the patients are parted."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.clock import DAY, HOUR
from feature_store.compute import compute_features
from feature_store.dataset import fresh_folder, open_dataset, write_dataset
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, STILL_HOLDS, Events, Held
from feature_store.manifest import Clock, Manifest
from feature_store.nhs import NHS
from feature_store.shards import compute_shards
from feature_store.snapshots import Snapshots
from feature_store.table import to_table

START = 20_000 * DAY
SUBJECTS = 12
CODES = ("AGE", "CRP", "NEWS2", "SPELL_END", "SPELL_START", "UNHEARD_OF", "WARD//A", "WARD//B")
MANIFEST = Manifest(
    source="made up",
    synthetic=True,
    clock=Clock.EXACT,
    start="2024-01-01T00:00:00+00:00",
    observed_until="2024-12-01T00:00:00+00:00",
)


def history(rng, size=400):
    time = START + rng.integers(-4000, 200, size) * HOUR
    subject = rng.integers(0, SUBJECTS, size)
    return Events(
        subject_id=subject,
        time=time,
        code=rng.integers(0, len(CODES), size).astype(np.int32),
        numeric_value=np.where(rng.random(size) < 0.2, np.nan, rng.normal(9, 3, size)).astype("f4"),
        spell_id=np.where(rng.random(size) < 0.5, subject, NO_SPELL),
        recorded_at=time + rng.integers(0, 48, size) * HOUR,
        codes=CODES,
    ).in_order()


def questions(rng, each=3):
    subject = np.repeat(np.arange(SUBJECTS), each)
    moment = START + rng.integers(0, 200, subject.size) * HOUR
    return Snapshots(subject, subject.copy(), np.full(subject.size, START), moment)


def parted(events, asked, edges):
    """Events and questions of each range of subjects."""
    for low, high in pairwise([0, *edges, SUBJECTS]):
        yield (
            events.take((events.subject_id >= low) & (events.subject_id < high)),
            asked.take((asked.subject_id >= low) & (asked.subject_id < high)),
        )


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sets(st.integers(1, SUBJECTS - 1)), st.integers(1, 3))
def test_the_partition_of_patients_changes_nothing(tmp_path_factory, seed, edges, threads):
    """In memory and from disk, where only what the features read is taken up; any threads."""
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    together = compute_features(events, asked, NHS)
    parts = list(parted(events, asked, sorted(edges)))
    held = compute_shards(parts, NHS, threads=threads)
    np.testing.assert_array_equal(np.concatenate(list(held)), together)
    filled = [(part, own) for part, own in parts if len(part)]
    folder = tmp_path_factory.mktemp("parted") / "events"
    with fresh_folder(folder) as fresh:
        write_dataset(fresh, (to_table(part) for part, _ in filled), MANIFEST)
    files = zip(open_dataset(folder).shards, (own for _, own in filled), strict=True)
    read = np.concatenate(list(compute_shards(files, NHS, threads=threads)))
    rows = np.isin(asked.subject_id, np.concatenate([own.subject_id for _, own in filled]))
    np.testing.assert_array_equal(read, together[rows])


@pytest.mark.parametrize("seed", range(5))
def test_what_held_for_a_while_alone_is_known_to_questions_of_that_while(tmp_path, seed):
    """From disk too, where the past lies in files of its own."""
    rng = np.random.default_rng(seed)
    events, asked = history(rng), questions(rng)
    mistaken = events.rows_of("CRP", "NEWS2") & (rng.random(len(events)) < 0.5)
    until = np.where(
        mistaken, events.visible_at + rng.integers(1, 4000, len(events)) * HOUR, STILL_HOLDS
    )
    told = replace(events, held=Held(np.full(len(events), NO_TIME), until, events.subject_id))
    folder = tmp_path / "events"
    with fresh_folder(folder) as fresh:
        write_dataset(fresh, iter([to_table(told)]), MANIFEST)
    read = next(compute_shards(zip(open_dataset(folder).shards, [asked], strict=True), NHS))
    np.testing.assert_array_equal(read, compute_features(told, asked, NHS))
    assert not np.array_equal(read, compute_features(told.current(), asked, NHS), equal_nan=True)


def test_no_shard_is_no_matrix():
    assert list(compute_shards([], NHS, threads=2)) == []


def test_a_shard_that_cannot_be_read_is_told_and_the_ones_before_it_are_given(tmp_path):
    rng = np.random.default_rng(1)
    events, asked = history(rng), questions(rng)
    spoilt = tmp_path / "00001.parquet"
    spoilt.write_bytes(b"nothing of the kind")
    given_shards = compute_shards([(events, asked), (spoilt, asked)], NHS, threads=2)
    np.testing.assert_array_equal(next(given_shards), compute_features(events, asked, NHS))
    with pytest.raises(BadInput, match="Parquet expected"):
        next(given_shards)
