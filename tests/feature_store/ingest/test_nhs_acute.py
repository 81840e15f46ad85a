"""The template for an NHS acute trust works as it stands, on a small made-up extract.

Keys are made up: patient identifiers in the 999 range, which is never issued.
"""

from pathlib import Path

import numpy as np
import pytest

from feature_store.clock import to_microseconds, to_moment
from feature_store.dataset import open_dataset
from feature_store.events import NO_SPELL
from feature_store.ingest import ingest
from feature_store.manifest import Clock
from feature_store.spells import find_spells

TEMPLATE = Path(__file__).parents[3] / "mappings" / "nhs_acute.toml"
KEY = b"a secret of the tests, long enough"

SPELLS = """\
LOCAL PATIENT IDENTIFIER,HOSPITAL PROVIDER SPELL NUMBER,START DATE (HOSPITAL PROVIDER SPELL),\
START TIME (HOSPITAL PROVIDER SPELL),DISCHARGE DATE (HOSPITAL PROVIDER SPELL),\
DISCHARGE TIME (HOSPITAL PROVIDER SPELL),ADMISSION METHOD CODE (HOSPITAL PROVIDER SPELL),\
SOURCE OF ADMISSION CODE (HOSPITAL PROVIDER SPELL),PATIENT CLASSIFICATION CODE,\
SITE CODE (OF TREATMENT),CARE PROFESSIONAL MAIN SPECIALTY CODE,AGE ON ADMISSION,\
PERSON GENDER CODE CURRENT,ETHNIC CATEGORY,IMD DECILE,CARER SUPPORT INDICATOR,\
DISCHARGE METHOD CODE (HOSPITAL PROVIDER SPELL),\
DISCHARGE DESTINATION CODE (HOSPITAL PROVIDER SPELL),\
DISCHARGE READY DATE (HOSPITAL PROVIDER SPELL)
999 000 0001,S1,2026-01-12,21:40:00,2026-01-20,11:05:00,21,19,1,RXX01,300,84,2,A,3,01,1,19,\
2026-01-18
9990000001,S2,2026-03-28,23:30:00,2026-03-29,14:00:00,21,19,1,RXX01,300,84,2,A,3,02,4,79,
9990000002,S3,2026-03-30,09:00:00,,,11,19,1,RXX02,430,999,0,Z,,,8,,
"""
WARD_STAYS = """\
HOSPITAL PROVIDER SPELL NUMBER,WARD CODE,START DATE (WARD STAY),START TIME (WARD STAY)
S1,AMU,2026-01-12,22:30:00
S1,W7,2026-01-13,15:00:00
"""
EMERGENCY = """\
HOSPITAL PROVIDER SPELL NUMBER,EMERGENCY CARE ARRIVAL DATE,EMERGENCY CARE ARRIVAL TIME,\
EMERGENCY CARE ARRIVAL MODE,EMERGENCY CARE CHIEF COMPLAINT,DECIDED TO ADMIT DATE,\
DECIDED TO ADMIT TIME
S1,2026-01-12,18:05:00,Ambulance,falls,2026-01-12,21:40:00
X9,2026-01-12,18:05:00,Other,cough,,
"""
ASSESSMENTS = """\
HOSPITAL PROVIDER SPELL NUMBER,CODED ASSESSMENT TOOL TYPE,PERSON SCORE,\
ASSESSMENT TOOL VALIDATION TIMESTAMP,RECORDED TIMESTAMP
S1,NEWS2,6,2026-01-12T22:10:00,2026-01-12T22:40:00
S1,CFS,6,2026-01-13T10:00:00,2026-01-13T10:00:00
S1,OTHER TOOL,3,2026-01-13T10:00:00,2026-01-13T10:00:00
"""
LABORATORY = """\
LOCAL PATIENT IDENTIFIER,TEST,RESULT,SAMPLE TIMESTAMP,REPORTED TIMESTAMP
9990000001,CRP,<5,2026-01-12T22:00:00,2026-01-12T23:30:00
9990000001,CRP,48,2025-11-02T09:00:00,2025-11-02T12:00:00
9990000001,Albumin,31,2026-01-13T06:00:00,2026-01-13T09:00:00
"""
REFERRALS = """\
HOSPITAL PROVIDER SPELL NUMBER,SERVICE,REFERRAL TIMESTAMP
S1,Physiotherapy,2026-01-13T11:00:00
S1,Chaplaincy,2026-01-13T11:00:00
"""
DIAGNOSES = """\
HOSPITAL PROVIDER SPELL NUMBER,DIAGNOSIS (ICD)
S1,I50.0
S3,J18.9
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Return the extract as an event dataset."""
    folder = tmp_path_factory.mktemp("nhs")
    tables = {
        "spells": SPELLS,
        "ward_stays": WARD_STAYS,
        "emergency": EMERGENCY,
        "assessments": ASSESSMENTS,
        "laboratory": LABORATORY,
        "referrals": REFERRALS,
        "diagnoses": DIAGNOSES,
    }
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    ingest(TEMPLATE, sorted(folder.glob("*.csv")), folder / "events", pseudonym_key=KEY)
    return open_dataset(folder / "events")


def times_of(dataset, code):
    """Return (time, recorded at) of each event of a code, in UTC to the minute."""
    events = dataset.read()
    mine = events.take(events.rows_of(code))
    return [
        tuple(f"{to_moment(moment):%Y-%m-%d %H:%M}" for moment in pair)
        for pair in zip(mine.time.tolist(), mine.recorded_at.tolist(), strict=True)
    ]


def test_the_manifest_counts_spells_patients_deaths_and_who_is_still_there(dataset):
    counts = dataset.manifest.counts
    assert dataset.manifest.clock is Clock.EXACT
    assert {name: counts[name] for name in ("spells", "subjects", "deaths", "open_spells")} == {
        "spells": 3,
        "subjects": 2,
        "deaths": 1,
        "open_spells": 1,
    }
    assert counts["rejected_rows"] == 0
    # The attendance that led nowhere, a tool and a service that the mapping does not know, and a
    # diagnosis of a spell that is still open.
    assert counts["unused_rows"] == 4


def test_length_of_stay_is_counted_in_london_midnights(dataset):
    spells = find_spells(dataset.read())
    assert sorted(spells.length_of_stay_days.tolist()) == [-1, 1, 8]


def test_no_identifier_of_the_source_is_in_the_dataset(dataset):
    written = b"".join(path.read_bytes() for path in dataset.path.rglob("*") if path.is_file())
    assert b"9990000001" not in written
    assert not {9990000001, 9990000002} & set(dataset.read().subject_id.tolist())


def test_local_times_become_utc_and_scores_known_when_recorded(dataset):
    assert times_of(dataset, "NEWS2") == [("2026-01-12 22:10", "2026-01-12 22:40")]
    assert times_of(dataset, "WARD//W7") == [("2026-01-13 15:00", "2026-01-13 15:00")]
    # British Summer Time began that night
    assert ("2026-03-29 13:00", "2026-03-29 13:00") in times_of(dataset, "SPELL_END")


def test_a_result_below_the_limit_is_the_limit_and_known_when_reported(dataset):
    events = dataset.read()
    crp = events.take(events.rows_of("CRP"))
    assert crp.numeric_value.tolist() == [48.0, 5.0]
    assert crp.spell_id[0] == NO_SPELL  # before any spell: the patient's history
    assert crp.spell_id[1] != NO_SPELL


def test_diagnoses_are_known_two_weeks_after_discharge_and_not_at_all_while_in_hospital(dataset):
    assert times_of(dataset, "DIAGNOSIS//I50.0") == [("2026-01-20 11:05", "2026-02-03 11:05")]
    assert times_of(dataset, "DIAGNOSIS_GROUP//I50") == [("2026-01-20 11:05", "2026-02-03 11:05")]
    assert times_of(dataset, "DIAGNOSIS//J18.9") == []


def test_nothing_of_the_end_of_a_spell_is_visible_before_it(dataset):
    events = dataset.read()
    spells = find_spells(events)
    for code in events.codes:
        if code.startswith(("DISCHARGE_METHOD", "DISCHARGE_DESTINATION", "DIAGNOSIS")):
            mine = events.take(events.rows_of(code))
            end = spells.end[np.searchsorted(spells.spell_id, mine.spell_id)]
            assert (mine.visible_at > end).all(), code


def test_a_discharge_ready_date_is_known_at_the_end_of_its_day(dataset):
    assert times_of(dataset, "DISCHARGE_READY") == [("2026-01-18 12:00", "2026-01-18 23:59")]


def test_the_specialty_of_the_admission_is_known_at_the_admission(dataset):
    events = dataset.read()
    spells = find_spells(events)
    mine = events.take(events.rows_of("SPECIALTY//300"))
    start = spells.start[np.searchsorted(spells.spell_id, mine.spell_id)]
    assert (mine.time == start).all()
    assert (mine.recorded_at == start).all()


def test_not_known_stays_missing(dataset):
    events = dataset.read()
    still_here = events.spell_id[events.rows_of("ADMISSION_METHOD//11")]
    codes = {events.codes[code] for code in events.code[np.isin(events.spell_id, still_here)]}
    assert "AGE" not in codes
    assert not {code for code in codes if code.startswith(("SEX", "CARER", "DEPRIVATION"))}


def test_the_end_of_the_data_is_the_last_admission_or_discharge_unless_told(dataset):
    assert dataset.manifest.observed_until == "2026-03-30T08:00:00+00:00"
    assert dataset.manifest.until == to_microseconds(to_moment(dataset.manifest.until))
