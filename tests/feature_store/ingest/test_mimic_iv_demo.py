"""The codebook of the MIMIC-IV demo on the real data, where they are at hand.

The data are not part of the repository (conftest.py says where they are looked for).
"""

import re
from pathlib import Path

import numpy as np
import pytest

from feature_store.clock import DAY
from feature_store.compute import compute_features
from feature_store.dataset import open_dataset
from feature_store.manifest import Clock
from feature_store.nhs import NHS
from feature_store.snapshots import daily_snapshots
from feature_store.spells import find_spells
from feature_store.vocabulary import FAMILIES, Availability, family_of
from homeward.places import Places
from homeward.shell import run
from models.bundle import load_bundle
from models.card_page import card_page
from models.registry import fetch
from training.tracking import Tracker

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "meds.md"

pytestmark = pytest.mark.needs_shared_data


@pytest.fixture(scope="module")
def ran(shared_data, tmp_path_factory):
    """The commands of the page in turn: where they wrote, and the exit code of each."""
    folder = tmp_path_factory.mktemp("mimic")
    commands = re.search(r"```sh\n(homeward ingest.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    places = {
        "../shared/data/": f"{shared_data}/",
        **{f"{name}/": f"{ROOT / name}/" for name in ("codebooks", "configs")},
    }
    codes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in commands.replace("\\\n", "").splitlines():
            words = line.partition("#")[0].split()[1:]
            for old, new in places.items():
                words = [word.replace(old, new) for word in words]
            codes.append(run(words))
    return folder, codes


@pytest.fixture(scope="module")
def dataset(ran):
    """The demo as events."""
    return open_dataset(ran[0] / "var" / "mimic")


def test_the_commands_run_and_nobody_promotes_a_model_of_so_few(ran):
    _, codes = ran
    assert codes == [0, 0, 3, 0]


def test_without_the_setting_so_few_are_refused(ran, capsys, monkeypatch):
    monkeypatch.chdir(ran[0])
    assert run(["train", "var/mimic"]) == 2
    assert "at least 300 spells in scope expected, got 271" in capsys.readouterr().err


def test_run_version_and_card_say_that_it_is_too_small(ran, monkeypatch):
    monkeypatch.chdir(ran[0])
    places = Places.from_environment()
    tracker = Tracker.open(places.artifacts)
    bundle = load_bundle(fetch(f"models:/long-stay/{tracker.latest()}", places.bundles))
    caveats = next(one for one in bundle.card["sections"] if one["heading"] == "Caveats")
    assert caveats["items"][0]["text"].startswith("TOO SMALL A SAMPLE")
    assert "calibration spells 23 (least 100)" in bundle.card["too_small"]
    assert "TOO SMALL A SAMPLE" in card_page(bundle.card)
    version = tracker.client.get_model_version("long-stay", tracker.latest())
    assert version.tags["homeward.too_small"] == bundle.card["too_small"]
    assert version.description.startswith("TOO SMALL A SAMPLE, not for patients.")


def test_it_is_judged_with_an_interval_wide_enough_to_hold_chance_and_the_rule(ran, monkeypatch):
    monkeypatch.chdir(ran[0])
    places = Places.from_environment()
    latest = Tracker.open(places.artifacts).latest()
    evaluation = load_bundle(fetch(f"models:/long-stay/{latest}", places.bundles)).evaluation
    assert set(evaluation["horizons"]) == {"7"}
    area = evaluation["horizons"]["7"]["metrics"]["auroc"]
    gap = evaluation["horizons"]["7"]["against"]["rule"]["auroc"]
    assert area["high"] - area["low"] > 0.05
    assert gap["low"] < 0 < gap["high"]


def test_spells_and_outcomes_are_those_of_the_source(dataset):
    counts = dataset.manifest.counts
    assert (counts["spells"], counts["subjects"], counts["deaths"]) == (275, 100, 15)
    assert dataset.manifest.clock is Clock.SHIFTED
    spells = find_spells(dataset.read())
    # Counted in SQL, the nth admission of a subject with the nth discharge: by midnights, and for
    # comparison by spans of 24 hours, which are fewer.
    days = spells.length_of_stay_days
    assert [int((days >= n).sum()) for n in (7, 14, 21)] == [99, 35, 17]
    assert int((spells.end - spells.start >= 7 * DAY).sum()) == 92


def test_what_was_coded_after_discharge_is_known_to_no_morning_of_its_stay(dataset):
    events = dataset.read()
    spells = find_spells(events)
    late = {"DRG", "HCPCS"} | {
        name
        for name, family in FAMILIES.items()
        if family.availability is Availability.AFTER_DISCHARGE
    }
    mine = events.take(np.isin([family_of(code) for code in events.codes], list(late))[events.code])
    mine = mine.take(mine.spell_id != -1)
    end = spells.end[np.searchsorted(spells.spell_id, mine.spell_id)]
    assert len(mine) > 4000
    assert (mine.visible_at > end).all()


def test_every_morning_of_every_stay_has_features_of_its_own_moment(dataset):
    events = dataset.read()
    asked = daily_snapshots(find_spells(events), until=dataset.manifest.until)
    assert len(asked) > 1500
    assert asked.days_so_far.max() == 28
    matrix = compute_features(events, asked, NHS)
    names = list(NHS.names)
    for told in ("age", "days_so_far"):
        assert not np.isnan(matrix[:, names.index(told)]).any()
    urea = matrix[:, [name.startswith("urea") for name in names]]
    assert np.isfinite(urea).any(axis=1).mean() > 0.5
