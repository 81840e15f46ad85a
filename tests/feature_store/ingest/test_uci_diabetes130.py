"""The mapping of UCI Diabetes-130 on the real file, where it is at hand.

The data are not part of the repository (conftest.py says where they are looked for). Without them
these tests are left out, and the run says so.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from feature_store.dataset import open_dataset
from feature_store.ingest import ingest
from feature_store.manifest import Clock
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from feature_store.vocabulary import family_of

MAPPINGS = Path(__file__).parents[3] / "mappings"

pytestmark = pytest.mark.needs_shared_data

DOOR = {
    "ADMISSION_SOURCE_ID",
    "ADMISSION_TYPE",
    "AGE",
    "AGE_BAND",
    "MEDICAL_SPECIALTY",
    "NUMBER_EMERGENCY",
    "NUMBER_INPATIENT",
    "NUMBER_OUTPATIENT",
    "PAYER",
    "PRESENTING_DIAGNOSIS",
    "PRESENTING_DIAGNOSIS_GROUP",
    "RACE",
    "SEX",
    "SPELL_START",
}
DIAGNOSES = {
    "DIAGNOSIS_2",
    "DIAGNOSIS_2_GROUP",
    "DIAGNOSIS_3",
    "DIAGNOSIS_3_GROUP",
    "NUMBER_DIAGNOSES",
}


@pytest.fixture(scope="module")
def source(shared_data):
    """Return the file as published, packed."""
    return shared_data / "uci_diabetes130" / "diabetic_data.csv.gz"


@pytest.fixture(scope="module")
def dataset(source, tmp_path_factory):
    """Return the whole extract as an event dataset."""
    out = tmp_path_factory.mktemp("uci") / "events"
    ingest(MAPPINGS / "uci_diabetes130.toml", [source], out)
    return open_dataset(out)


def families_at_the_door(events):
    """Return the families that hold an event of the spell, visible at its admission."""
    spells = find_spells(events)
    start = spells.start[np.searchsorted(spells.spell_id, events.spell_id)]
    return {
        family_of(events.codes[code]) for code in np.unique(events.code[events.visible_at <= start])
    }


def test_every_encounter_patient_and_death_is_there(dataset):
    counts = dataset.manifest.counts
    assert (counts["spells"], counts["subjects"], counts["deaths"]) == (101_766, 71_518, 1_652)
    assert (counts["open_spells"], counts["rejected_rows"], counts["repeated_events"]) == (0, 0, 0)
    assert dataset.manifest.clock is Clock.ORDER


def test_lengths_of_stay_are_those_of_the_source(dataset):
    days = find_spells(dataset.read()).length_of_stay_days
    assert (days.min(), days.max()) == (1, 14)
    assert round(100 * (days >= 7).mean(), 1) == 20.8
    assert round(100 * (days >= 14).mean(), 1) == 1.0


def test_only_what_is_known_at_the_door_is_visible_there(dataset):
    assert families_at_the_door(dataset.read()) == DOOR


def test_nothing_is_made_up(dataset):
    families = {family_of(code) for code in dataset.descriptions()}
    assert not families & {"ADMISSION_METHOD", "SITE", "ETHNICITY", "PATIENT_CLASSIFICATION"}
    events = dataset.read()
    counted = Counter(family_of(events.codes[code]) for code in events.code.tolist())
    assert counted["RACE"] == 101_766 - 2_273
    assert counted["PAYER"] == 101_766 - 40_256
    assert counted["SEX"] == 101_766 - 3


def test_the_order_of_the_source_is_the_order_of_the_calendar(dataset):
    spells = find_spells(dataset.read())
    assert (np.diff(spells.start) >= 0).all()  # spells are in order of encounter_id
    snapshots = daily_snapshots(spells, until=dataset.manifest.until, mornings=False)
    assert len(snapshots) == 101_766


def test_the_mapping_for_comparison_moves_the_diagnoses_to_the_door_and_nothing_else(
    dataset, source, tmp_path
):
    ingest(MAPPINGS / "uci_diabetes130_diagnoses.toml", [source], tmp_path / "events")
    other = open_dataset(tmp_path / "events")
    assert families_at_the_door(other.read()) == DOOR | DIAGNOSES
    assert other.manifest.counts == dataset.manifest.counts
    assert "comparison only" in other.manifest.source


def test_the_firewall_against_leaks_finds_nothing(dataset):
    from training.config import TrainingConfig
    from training.preparation import prepare

    assert prepare(dataset, TrainingConfig(), lambda _line: None).suspects == ()
