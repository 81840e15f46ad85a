"""The contract of the simulator: shape, determinism, order, identifiers, nothing half-written."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from feature_store.clock import DAY, local_hour, midnights_between
from feature_store.dataset import open_dataset
from feature_store.errors import BadInput
from feature_store.events import NO_SPELL, NO_TIME, Events
from feature_store.simulation import TrustSettings, simulate, simulate_events
from feature_store.simulation.chunk import CHUNK_SPELLS
from feature_store.snapshots import daily_snapshots
from feature_store.spells import Spells, find_spells
from feature_store.vocabulary import FAMILIES, SPELL_END, family_of, value_of

SMALL = TrustSettings(spells=400, sites=2, seed=11)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "trust"
    simulate(SMALL, out)
    return out


def test_equal_settings_give_equal_files_and_another_seed_others(
    written: Path, tmp_path: Path
) -> None:
    simulate(SMALL, tmp_path / "again")
    simulate(replace(SMALL, seed=12), tmp_path / "other")
    assert files_of(tmp_path / "again") == files_of(written)
    other = files_of(tmp_path / "other")
    assert all(
        other[name] != content for name, content in files_of(written).items() if "codes" not in name
    )


def test_the_folder_is_an_event_dataset_with_the_truth_beside_it(written: Path) -> None:
    assert set(files_of(written)) == {
        "codes.parquet", "events/00000.parquet", "manifest.json", "truth.parquet",
    }  # fmt: skip
    dataset = open_dataset(written)
    events, truth = simulate_events(SMALL)
    assert dataset.manifest.synthetic
    assert dataset.manifest.source == "synthetic trust (seed 11)"
    assert dataset.manifest.until == SMALL.until
    assert dataset.manifest.settings == SMALL.as_dict()
    read = dataset.read()
    assert len(read) == len(events) == dataset.manifest.counts["events"]
    for column in ("subject_id", "time", "recorded_at", "spell_id"):
        np.testing.assert_array_equal(getattr(read, column), getattr(events, column))
    np.testing.assert_array_equal(
        np.array(read.codes)[read.code], np.array(events.codes)[events.code]
    )
    table = pq.read_table(written / "truth.parquet")
    assert table.column_names == [
        "spell_id", "prediction_time", "days_so_far", "p_7", "p_14", "p_21", "p_death",
    ]  # fmt: skip
    np.testing.assert_array_equal(table["p_7"].to_numpy(), truth.p_7)


def test_the_manifest_counts_what_is_there(written: Path) -> None:
    counts = open_dataset(written).manifest.counts
    spells = find_spells(open_dataset(written).read())
    assert counts["spells"] == len(spells) == SMALL.spells
    assert counts["deaths"] == spells.died.sum() > 0
    assert counts["open_spells"] == (~spells.ended).sum() > 0
    assert counts["rejected_rows"] == 0
    assert counts["snapshots"] == pq.read_metadata(written / "truth.parquet").num_rows


def test_the_truth_has_a_row_for_each_daily_snapshot_in_order() -> None:
    events, truth = simulate_events(SMALL)
    snapshots = daily_snapshots(find_spells(events), until=SMALL.until)
    np.testing.assert_array_equal(truth.spell_id, snapshots.spell_id)
    np.testing.assert_array_equal(truth.prediction_time, snapshots.prediction_time)
    np.testing.assert_array_equal(truth.days_so_far, snapshots.days_so_far)


def test_several_chunks_are_several_shards_of_whole_subjects(tmp_path: Path) -> None:
    settings = replace(SMALL, spells=CHUNK_SPELLS + 300)
    seen: list[tuple[int, int]] = []
    simulate(settings, tmp_path / "two", progress=lambda done, of: seen.append((done, of)))
    shards = list(open_dataset(tmp_path / "two").read_shards())
    assert seen == [(CHUNK_SPELLS, settings.spells), (settings.spells, settings.spells)]
    assert len(shards) == 2
    assert shards[0].subject_id.max() < shards[1].subject_id.min()
    truth = pq.read_table(tmp_path / "two" / "truth.parquet")["spell_id"].to_numpy()
    assert (np.diff(truth) >= 0).all()


def test_a_failure_leaves_nothing_and_nothing_is_overwritten(tmp_path: Path) -> None:
    def stop(_done: int, _of: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        simulate(SMALL, tmp_path / "trust", progress=stop)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "trust").mkdir()
    with pytest.raises(BadInput, match="this one exists"):
        simulate(SMALL, tmp_path / "trust")


@pytest.mark.parametrize(
    "wrong",
    [
        {"spells": 0},
        {"sites": 0},
        {"sites": 51},
        {"seed": -1},
        {"days": 0},
        {"start": date(1066, 1, 1)},
    ],
)
def test_settings_outside_their_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        replace(SMALL, **wrong)


@pytest.mark.parametrize(
    "settings",
    [
        TrustSettings(spells=1, sites=1, days=1),
        TrustSettings(spells=60, sites=50, seed=3, days=2),
        TrustSettings(spells=150, seed=4, start=date(2026, 3, 20), days=21),  # clocks go forward
        TrustSettings(spells=150, seed=5, start=date(2025, 10, 15), days=21),  # and back
    ],
)
def test_every_size_and_season_gives_sound_spells(settings: TrustSettings) -> None:
    events, truth = simulate_events(settings)
    spells = find_spells(events)
    assert len(spells) == settings.spells
    assert events.is_in_order()
    assert (spells.start < settings.until).all()
    assert_length_of_stay_is_in_midnights(events, spells)
    assert truth.spell_id.size == len(daily_snapshots(spells, until=settings.until))


def assert_length_of_stay_is_in_midnights(events: Events, spells: Spells) -> None:
    ends = events.take(events.rows_of(SPELL_END))
    row = np.searchsorted(spells.spell_id, ends.spell_id)
    np.testing.assert_array_equal(
        ends.numeric_value, midnights_between(spells.start[row], ends.time)
    )


@pytest.fixture(scope="module")
def events() -> Events:
    return simulate_events(TrustSettings(spells=6000, seed=2))[0]


def test_every_code_and_number_is_of_the_vocabulary(events: Events) -> None:
    for position, code in enumerate(events.codes):
        family = FAMILIES[family_of(code)]
        assert not family.values or value_of(code) in family.values, code
        values = events.numeric_value[events.code == position]
        if family.shape == "number":
            assert ((values >= family.low) & (values <= family.high)).all(), code
        else:
            assert np.isnan(values).all(), code


def test_nothing_is_recorded_before_it_happens_or_after_the_data_end(events: Events) -> None:
    until = TrustSettings(spells=6000, seed=2).until
    assert (events.recorded_at >= events.time).all()
    assert events.visible_at.max() <= until
    timeless = events.time == NO_TIME
    assert {family_of(events.codes[code]) for code in np.unique(events.code[timeless])} == {
        "SEX",
        "ETHNICITY",
    }
    assert (events.spell_id[timeless] == NO_SPELL).all()


@pytest.mark.parametrize(
    ("family", "low", "high"),
    [
        ("NEWS2", 0.0, 0.3),  # minutes
        ("CRP", 0.4, 3.0),  # an hour or so
        ("CFS", 0.3, 3.0),  # hours
        ("DIAGNOSIS", 80.0, 250.0),  # days after discharge
        ("SPELL_END", 0.05, 1.0),
    ],
)
def test_each_kind_of_fact_is_recorded_late_in_its_own_way(
    events: Events, family: str, low: float, high: float
) -> None:
    rows = np.isin(
        events.code, [i for i, code in enumerate(events.codes) if family_of(code) == family]
    )
    hours = np.median((events.recorded_at - events.time)[rows]) / (DAY / 24)
    assert low <= hours <= high


def test_coding_is_only_known_after_discharge(events: Events) -> None:
    spells = find_spells(events)
    coded = events.take(np.char.startswith(np.array(events.codes), "DIAGNOSIS")[events.code])
    row = np.searchsorted(spells.spell_id, coded.spell_id)
    assert (coded.recorded_at > spells.end[row]).all()


def test_only_the_dying_leave_at_night(events: Events) -> None:
    spells = find_spells(events)
    ended = spells.take(spells.ended & (spells.length_of_stay_days > 0))
    night = local_hour(ended.end) < 6
    assert ended.died[night].all()
    assert 0.1 < night[ended.died].mean() < 0.4


def test_identifiers_say_nothing(events: Events) -> None:
    spells = find_spells(events)
    assert (spells.spell_id >= 0).all()
    assert spells.spell_id.max() < 10**9 > spells.subject_id.max()  # an NHS number has ten digits
    order = np.arange(len(spells)) - len(spells) / 2  # spells are ordered by identifier
    stay = np.where(spells.ended, spells.length_of_stay_days, 30).astype(np.float64)
    first = spells.subject_id - spells.subject_id.mean()
    for identifier in (order, first):
        for said in (spells.start.astype(np.float64), stay, spells.died.astype(np.float64)):
            assert abs(np.corrcoef(identifier, said)[0, 1]) < 0.05


def test_patients_return_with_their_history(events: Events) -> None:
    spells = find_spells(events)
    order = np.lexsort((spells.start, spells.subject_id))
    subject, start, end = spells.subject_id[order], spells.start[order], spells.end[order]
    same = subject[1:] == subject[:-1]
    assert 0.12 < same.mean() < 0.30
    assert (start[1:][same] > end[:-1][same]).all()
    assert not spells.died[order][:-1][same].any()
