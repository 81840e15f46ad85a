"""MEDS in: spells, availability, units, and refusals that say why."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.errors import BadInput, BadRows
from feature_store.spells import find_spells
from homeward.shell import run

STAY = [
    (1, "1940-06-01T00:00", "MEDS_BIRTH", None),
    (1, "2026-01-10T10:00", "ADMIT//EMERGENCY", None),
    (1, "2026-01-14T12:00", "DISCHARGE//HOME", None),
]


def of(found, code):
    """Facts of one code, without it."""
    return [fact[1:] for fact in found if fact[0] == code]


def test_a_spell_runs_from_its_opening_to_its_closing(bench):
    found = bench.facts(STAY)
    assert of(found, "SPELL_START") == [("2026-01-10T10:00", "2026-01-10T10:00", None, True)]
    assert of(found, "SPELL_END") == [("2026-01-14T12:00", "2026-01-14T12:00", 4.0, True)]


def test_age_is_in_whole_years_at_each_admission(bench):
    later = [(1, "2026-06-01T09:00", "ADMIT", None), (1, "2026-06-02T09:00", "DISCHARGE", None)]
    assert [fact[2] for fact in of(bench.facts(STAY + later), "AGE")] == [85.0, 86.0]


def test_a_death_by_date_is_one_in_hospital_only_if_the_spell_ended_that_day(bench):
    within = bench.ingest([*STAY, (1, "2026-01-14T00:00", "MEDS_DEATH", None)])
    later = bench.ingest([*STAY, (1, "2026-01-15T00:00", "MEDS_DEATH", None)])
    earlier = bench.ingest([*STAY[:2], (1, "2026-01-14T12:00", "DISCHARGE//DIED", None)])
    died = [find_spells(one.read()).died.tolist() for one in (within, later, earlier)]
    assert died == [[True], [False], [True]]


def test_what_is_coded_late_is_known_after_discharge_whatever_its_time(bench):
    book = '[[code]]\nfrom = "DX"\nto = ["DIAGNOSIS//*"]\ndelay_days = 30\n'
    rows = [
        *STAY,
        (1, "2026-01-10T00:00", "DX//I50", None),  # a bare date, hours before the admission
        (1, "2026-01-12T08:00", "DX//J18", None),
        (1, "2026-01-11T08:00", "DIAGNOSIS//N17", None),  # kept: the vocabulary knows it is late
    ]
    found = bench.facts(rows, book=book)
    assert of(found, "DIAGNOSIS//I50") == [("2026-01-10T00:00", "2026-02-13T12:00", None, True)]
    assert of(found, "DIAGNOSIS//J18") == [("2026-01-12T08:00", "2026-02-13T12:00", None, True)]
    assert of(found, "DIAGNOSIS//N17") == [("2026-01-11T08:00", "2026-01-14T12:00", None, True)]


def test_a_late_fact_of_an_open_spell_is_not_known_yet(bench):
    dataset = bench.ingest([*STAY[:2], (1, "2026-01-11T00:00", "DIAGNOSIS//I50", None)])
    assert dataset.manifest.counts["not_yet_known"] == 1
    assert dataset.manifest.counts["open_spells"] == 1


def test_units_are_converted_and_the_longest_rule_holds(bench):
    book = """
[[code]]
from = "LAB//ALB"
to = ["ALBUMIN"]
[[code]]
from = "LAB//ALB//g/dL"
to = ["ALBUMIN"]
factor = 10
[[code]]
from = "NOISE"
to = []
"""
    rows = [
        *STAY,
        (1, "2026-01-11T08:00", "LAB//ALB//g/dL", 3.5),
        (1, "2026-01-12T08:00", "LAB//ALB//g/L", 31.0),
        (1, "2026-01-12T09:00", "LAB//ALBX", 1.0),
        (1, "2026-01-12T09:00", "NOISE//1", None),
    ]
    dataset = bench.ingest(rows, book=book)
    assert dataset.manifest.counts["unused_rows"] == 1
    found = bench.facts(rows, book=book)
    assert [fact[2] for fact in of(found, "ALBUMIN")] == [35.0, 31.0]
    assert len(of(found, "LAB//ALBX")) == 1


def test_recorded_moments_and_named_spells_are_taken_from_their_columns(bench):
    book = '[columns]\nspell = "hadm"\nrecorded = "stored"\n'
    rows = [*STAY, (1, "2026-01-11T08:00", "LAB//1", 4.0), (1, "2026-01-11T09:00", "LAB//2", 4.0)]
    stored = [None, "2026-01-10T10:20", None, "2026-01-11T11:00", None]
    found = bench.facts(rows, book=book, hadm=[None, 7, 7, 7, None], stored=stored)
    assert of(found, "SPELL_START") == [("2026-01-10T10:00", "2026-01-10T10:20", None, True)]
    assert of(found, "LAB//1") == [("2026-01-11T08:00", "2026-01-11T11:00", 4.0, True)]
    assert of(found, "LAB//2") == [("2026-01-11T09:00", "2026-01-11T09:00", 4.0, False)]


def test_a_delay_moves_when_a_fact_is_known_not_when_it_happened(bench):
    book = '[[code]]\nfrom = "LAB"\nto = ["LAB//*"]\ndelay_days = 0.5\n'
    found = bench.facts([*STAY, (1, "2026-01-11T08:00", "LAB//1", 4.0)], book=book)
    assert of(found, "LAB//1") == [("2026-01-11T08:00", "2026-01-11T20:00", 4.0, True)]


def test_a_static_fact_has_no_time_and_no_spell(bench):
    book = '[[code]]\nfrom = "GENDER//F"\nto = ["SEX//2"]\n'
    rows = [(1, None, "GENDER//F", None), *STAY]
    assert of(bench.facts(rows, book=book), "SEX//2") == [(None, None, None, False)]


def test_an_outcome_without_a_time_would_be_known_at_once_and_is_left_out(bench):
    rows = [(1, None, "DISCHARGE_DESTINATION//85", None), *STAY]
    assert not of(bench.facts(rows), "DISCHARGE_DESTINATION//85")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([*STAY[:2], (1, "2026-01-12T10:00", "ADMIT", None)], "had not ended when the next began"),
        ([*STAY, (1, "2026-01-20T10:00", "DISCHARGE", None)], "never opened"),
        ([*STAY, (1, "2026-01-11T10:00", "NEWS2", 99.0)], "values that their family cannot have"),
        ([*STAY, (1, None, "ADMIT", None)], "without a time"),
    ],
)
def test_rows_that_cannot_be_used_stop_the_run_and_leave_nothing(bench, rows, says):
    with pytest.raises(BadRows, match=says):
        bench.ingest(rows)
    assert not (bench.folder / "out1").exists()


def test_a_subject_in_two_shards_is_refused(bench):
    with pytest.raises(BadInput, match="some came before"):
        bench.ingest(STAY, STAY)


def test_times_far_from_any_life_are_refused(bench):
    with pytest.raises(BadInput, match="times of a life"):
        bench.ingest([*STAY, (1, "2999-01-01T00:00", "LAB//1", None)])


def test_subjects_become_pseudonyms_unless_the_codebook_keeps_them(bench):
    hidden = bench.ingest(STAY, base='name="b"\n[spells]\nstart=["ADMIT"]\nend=["DISCHARGE"]\n')
    assert set(hidden.read().subject_id.tolist()) != {1}
    assert set(bench.ingest(STAY).read().subject_id.tolist()) == {1}


@pytest.mark.parametrize(
    ("book", "says"),
    [
        ('[[code]]\nfrom = "X"\nto = ["SEX//F"]\n', "not a value of its family"),
        ('[[code]]\nfrom = "X"\nto = ["SPELL_END"]\n', "comes from"),
        ('[[code]]\nfrom = "X"\nto = []\nfrmo = 1\n', "unknown field"),
        ('[[code]]\nfrom = "X"\nto = []\nfactor = nan\n', "finite"),
        ('[[code]]\nfrom = "X"\nto = []\n[[code]]\nfrom = "X"\nto = []\n', "one rule"),
    ],
)
def test_a_codebook_that_cannot_hold_is_refused(bench, book, says):
    with pytest.raises(BadInput, match=says):
        bench.ingest(STAY, book=book)


@pytest.mark.parametrize("column", ["time", "code", "subject_id"])
@pytest.mark.parametrize("found", [pa.list_(pa.string()), None])
def test_a_column_missing_or_of_another_type_is_refused(tmp_path, capsys, column, found):
    table = {
        "subject_id": pa.array([1], pa.int64()),
        "time": pa.array([0], pa.timestamp("us")),
        "code": pa.array(["ADMIT"]),
    }
    del table[column]
    if found is not None:
        table[column] = pa.array([["a"]], found)
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(table), tmp_path / "data" / "0.parquet")
    out = tmp_path / "out"
    asked = ["ingest", "--format", "meds", "--codebook", "codebooks/homeward.toml"]
    assert run([*asked, "--out", str(out), str(tmp_path)]) == 2
    assert "expected" in capsys.readouterr().err
    assert not out.exists()


def test_a_command_without_a_codebook_or_with_a_mapping_is_refused(tmp_path, capsys):
    asked = ["ingest", "--format", "meds", "--out", str(tmp_path / "out"), str(tmp_path)]
    assert run(asked) == 2
    assert "--codebook" in capsys.readouterr().err
    assert run([*asked, "--mapping", "m.toml"]) == 2
    assert "--mapping: not an option of --format meds" in capsys.readouterr().err


def test_the_manifest_says_where_it_came_from(bench):
    manifest = bench.ingest(STAY).manifest
    assert (manifest.source, manifest.clock, manifest.synthetic) == ("bench", "exact", False)
    assert json.dumps(manifest.settings)
