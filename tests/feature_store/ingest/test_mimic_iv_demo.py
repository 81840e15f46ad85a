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
from homeward.shell import run

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "meds.md"

pytestmark = pytest.mark.needs_shared_data


@pytest.fixture(scope="module")
def ran(shared_data, tmp_path_factory):
    """The commands of the page in turn: where they wrote, and the exit code of each."""
    folder = tmp_path_factory.mktemp("mimic")
    commands = re.search(r"```sh\n(homeward ingest.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    places = {"../shared/data/": f"{shared_data}/", "codebooks/": f"{ROOT / 'codebooks'}/"}
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


def test_the_commands_run_and_training_on_so_few_is_refused(ran):
    _, codes = ran
    assert codes == [0, 2, 0]


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
