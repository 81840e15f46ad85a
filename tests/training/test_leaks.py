"""The firewall: planted leaks of several kinds are refused with evidence, honest data are not."""

import numpy as np
import pytest

from feature_store.clock import DAY, HOUR
from feature_store.definitions import Feature, FeatureSet, Read
from feature_store.errors import BadInput, Refused
from feature_store.events import Events, concatenate
from feature_store.outcome import Outcomes
from feature_store.snapshots import Snapshots
from feature_store.spells import find_spells
from training.config import FirewallSettings, TrainingConfig
from training.leaks import Sign, suspects_by_gain, suspects_by_presence
from training.material import Material
from training.preparation import prepare
from training.ranking import rank_alone
from training.recipe import fit_model, train


def quiet(_line):
    return None


def with_facts(events, rows):
    """Events and planted ones: (spell, time, code, number) a row."""
    spells = find_spells(events)
    spell, time, code, number = zip(*rows, strict=True)
    planted = Events.build(
        subject_id=spells.subject_id[np.searchsorted(spells.spell_id, spell)],
        time=time,
        code=list(code),
        numeric_value=number,
        spell_id=spell,
    )
    return concatenate([events, planted]).in_order()


def length_at_the_door(spells, _chance):
    """The length of stay itself, in a column that the extract calls known at admission."""
    for spell, start, days in zip(
        spells.spell_id, spells.start, spells.length_of_stay_days, strict=True
    ):
        if days >= 0:
            yield spell, start, "BED_DAYS", float(days)


def mark_of_long_stays(spells, chance):
    """A mark stamped with the admission, and only set once a stay had become long."""
    for spell, start, days in zip(
        spells.spell_id, spells.start, spells.length_of_stay_days, strict=True
    ):
        if (days >= 7 or days < 0) and chance.random() < 0.95:
            yield spell, start, "REVIEWED//yes", np.nan


def filled_in_afterwards(spells, chance):
    """A code stamped with the admission, entered after discharge: open spells have none."""
    for spell, start, ended in zip(spells.spell_id, spells.start, spells.ended, strict=True):
        if ended and chance.random() < 0.8:
            yield spell, start, f"GROUPER//{chance.choice(['A', 'B', 'C'])}", np.nan


def there_while_open(spells, _chance):
    """A bed-state field that is emptied at discharge."""
    for spell, start, ended in zip(spells.spell_id, spells.start, spells.ended, strict=True):
        if not ended:
            yield spell, start, "BED_STATE", 1.0
    yield spells.spell_id[0], spells.start[0], "BED_STATE", 1.0


def the_last_letter(spells, chance):
    """A letter begun on the eve of the discharge, when all is decided."""
    for spell, start, end, ended in zip(
        spells.spell_id, spells.start, spells.end, spells.ended, strict=True
    ):
        if ended and end - start > DAY and chance.random() < 0.9:
            yield spell, end - 20 * HOUR, "LETTER", float(chance.integers(0, 5))


PLANTED = {
    "bed_days": (length_at_the_door, Sign.ALONE),
    "reviewed": (mark_of_long_stays, Sign.ALONE),
    "grouper": (filled_in_afterwards, Sign.PRESENCE),
    "bed_state": (there_while_open, Sign.PRESENCE),
    "letter": (the_last_letter, Sign.ENDING),
}


@pytest.fixture(scope="module")
def honest(make_events):
    return make_events(4000, seed=21)


@pytest.fixture(scope="module")
def leaky(honest, write_events, tmp_path_factory):
    """A dataset with one planted leak."""

    def build(name):
        spells, chance = find_spells(honest), np.random.default_rng(5)
        rows = list(PLANTED[name][0](spells, chance))
        return write_events(tmp_path_factory.mktemp(name) / "trust", with_facts(honest, rows))

    return build


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_refused_with_its_evidence(leaky, name, quick):
    with pytest.raises(Refused) as caught:
        prepare(leaky(name), quick, quiet)
    reasons = [reason for reason in caught.value.reasons if reason.startswith("leak suspected")]
    assert reasons
    assert all(f": {name}" in reason for reason in reasons), reasons
    assert any(f"({PLANTED[name][1]})" in reason for reason in reasons)
    assert "--allow-leak" in caught.value.reasons[-1]
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("seed", range(4))
def test_honest_data_are_not_refused(make_events, write_events, tmp_path, quick, seed):
    data = write_events(tmp_path / "trust", make_events(1500, seed=40 + seed))
    assert prepare(data, quick, quiet).suspects == ()


def test_a_simulated_trust_is_not_refused(tmp_path, quick):
    from click.testing import CliRunner

    from feature_store.dataset import open_dataset
    from homeward.commands.simulate import command

    options = ["--out", str(tmp_path / "trust"), "--spells", "2500", "--days", "300"]
    assert CliRunner().invoke(command, options).exit_code == 0
    assert prepare(open_dataset(tmp_path / "trust"), quick, quiet).suspects == ()


def test_a_model_that_hangs_on_one_feature_is_refused_after_the_fit(dataset, quick):
    prepared = prepare(dataset, quick, quiet)
    names = prepared.feature_set.names
    gains = [1.0 if name == "age" else 0.0 for name in names]
    (suspect,) = suspects_by_gain(gains, prepared.feature_set, quick.firewall)
    assert (suspect.feature, suspect.sign, suspect.figure) == ("age", Sign.GAIN, 1.0)
    strict = TrainingConfig.from_mapping({**quick.to_mapping(), "firewall": {"gain": 0.05}})
    with pytest.raises(Refused, match="carries the model"):
        fit_model(prepared, strict, quiet)


def test_time_passed_is_no_suspect(dataset, quick):
    feature_set = prepare(dataset, quick, quiet).feature_set
    gains = [1.0 if name == "days_so_far" else 0.0 for name in feature_set.names]
    assert sum(gains) == 1.0
    assert suspects_by_gain(gains, feature_set, quick.firewall) == []


def test_an_allowed_leak_is_on_run_version_and_card(leaky, quick, store):
    allow = {"letter": "agreed with the clinical safety officer"}
    config = TrainingConfig.from_mapping({**quick.to_mapping(), "firewall": {"allow": allow}})
    made = train(leaky("letter"), config, tracker=store, key=b"k" * 32, report=quiet)
    run = store.client.get_run(made.run_id)
    assert "letter" in run.data.tags["homeward.leaks_allowed"]
    assert run.data.params["firewall.allow.letter"] == "agreed with the clinical safety officer"
    version = store.client.get_model_version("long-stay", made.version)
    assert "letter" in version.tags["homeward.leaks_allowed"]
    (data,) = [part for part in made.bundle.card["sections"] if part["heading"] == "Data"]
    told = {item["name"]: item["text"] for item in data["items"]}["Suspected leaks"]
    assert "letter (recorded around the end)" in told
    assert "allowed: agreed with the clinical safety officer" in told


def test_allowing_a_feature_that_is_not_there_is_a_slip(dataset, quick):
    config = TrainingConfig.from_mapping({**quick.to_mapping(), "firewall": {"allow": {"x": "y"}}})
    with pytest.raises(BadInput, match="a feature of this model expected"):
        prepare(dataset, config, quiet)


@pytest.mark.parametrize("entry", ["letter", "letter:", ":why"])
def test_an_allowance_without_a_reason_is_bad_usage(dataset, capsys, entry):
    from homeward.shell import run

    assert run(["train", str(dataset.path), "--allow-leak", entry]) == 2
    assert "FEATURE:reason" in capsys.readouterr().err


def test_command_exits_3_and_registers_nothing(leaky, store, capsys):
    from homeward.shell import run

    assert run(["train", str(leaky("bed_days").path)]) == 3
    printed = capsys.readouterr()
    assert "leak suspected: bed_days (too good alone)" in printed.err
    assert printed.out == ""
    assert list(store.client.search_model_versions("name='long-stay'")) == []
    experiment = store.client.get_experiment_by_name("homeward")
    (failed,) = store.client.search_runs([experiment.experiment_id])
    assert failed.info.status == "FAILED"


@pytest.mark.parametrize("seed", range(5))
def test_area_of_one_fact_is_that_of_its_table_of_shares(seed):
    from sklearn.metrics import roc_auc_score

    chance = np.random.default_rng(seed)
    values = chance.integers(0, 6, 3000).astype(float)
    values[chance.random(3000) < 0.2] = np.nan
    rate = np.array([0.1, 0.5, 0.2, 0.7, 0.3, 0.4, 0.6])
    place = np.where(np.isnan(values), 6, values).astype(int)
    target = (chance.random(3000) < rate[place]).astype(float)
    ranked = rank_alone((values, target), (values, target), categories=6)
    shares = np.array([target[place == one].mean() for one in range(7)])
    assert ranked.area == pytest.approx(roc_auc_score(target, shares[place]), abs=2e-3)
    assert ranked.low < ranked.area < ranked.high


def test_rare_facts_that_chance_gave_to_those_still_in_hospital_are_no_leak():
    """Six hundred facts that tell nothing, each of three in a thousand people."""
    chance, still_here, features = np.random.default_rng(5), 160, 600
    size = 50 * still_here
    present = chance.random((size, features)) < 0.003
    start = np.full(size, 20_000 * DAY)
    snapshots = Snapshots(np.arange(size), np.arange(size), start, start + 4 * HOUR)
    stay = np.where(np.arange(size) < still_here, -1, 3)
    seen = Material(
        matrix=np.where(present, 1.0, np.nan),
        snapshots=snapshots,
        outcomes=Outcomes(stay, np.zeros(size, bool), np.full(size, 30)),
        facts=np.zeros((size, 1)),
    )
    names = [f"fact_{number}" for number in range(features)]
    told = FeatureSet(
        tuple(Feature(name=name, label=name, read=Read.LATEST, codes=(name,)) for name in names)
    )
    assert list(suspects_by_presence(seen, told, FirewallSettings())) == []
    seen.matrix[:still_here, 0] = 1.0
    assert [one.feature for one in suspects_by_presence(seen, told, FirewallSettings())] == [
        "fact_0"
    ]
