"""The champion beside its successor, on snapshots that neither has seen."""

from dataclasses import replace

import pytest

from models.registry import MODEL_NAME
from training.gates import Case, check_gates
from training.last_model import LastModel, beside, find_last
from training.preparation import prepare
from training.recipe import judge_model
from training.report import report_page
from training.tracking import CHAMPION


def quiet(_line):
    return None


@pytest.fixture(scope="module")
def ready(trained):
    """The shared run's data made ready again, its settings, and its model as the champion."""
    from training.config import TrainingConfig

    _, data, made = trained
    config = TrainingConfig.from_mapping(made.bundle.provenance["config"])
    last = LastModel(version="1", bundle=made.bundle)
    return prepare(data, config, quiet), config, last, made


@pytest.fixture(scope="module")
def judged(ready):
    """The same model judged again, itself as the champion."""
    prepared, config, last, made = ready
    return judge_model(prepared, made.bundle.model, config, quiet, last=last)[0]


def test_against_itself_a_model_gains_nothing_anywhere(judged, ready):
    made = ready[3]
    horizon = judged.evaluation["horizons"]["7"]
    own = made.bundle.evaluation["horizons"]["7"]["metrics"]["auroc"]
    assert horizon["baselines"]["champion"]["auroc"] == own
    assert horizon["against"]["champion"]["auroc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    gains = [
        row["metrics"]["gain_over_champion_auroc"]["value"]
        for groups in judged.evaluation["groups"]["7"].values()
        for row in groups
        if not row["too_few"]
    ]
    assert len(gains) > 10
    assert set(gains) == {0.0}


def test_a_champion_has_a_gate_of_its_own(judged):
    names = [gate.name for gate in check_gates(Case(judged))]
    assert "better than logistic regression" in names
    assert "better than last model" not in names


def test_report_says_that_it_is_beside(judged):
    page = report_page("A report", card=judged.card, evaluation=judged.evaluation, plots={})
    assert "version 1, champion when this one was trained" in page
    assert "AUROC minus last model" in page


@pytest.mark.parametrize(
    ("provenance", "says"),
    [
        ({"config": {"split": {"train": 0.1}, "scope": {}}}, "split or scoped differently"),
        ({"data_hash": "another", "until": {"calibration": 2**62}}, "some of the held-out spells"),
        ({"data_hash": "another", "until": {"calibration": 0}}, ""),
        ({"data_hash": "another", "source": "elsewhere"}, ""),
    ],
)
def test_a_champion_that_has_seen_the_spells_is_left_out(ready, provenance, says):
    prepared, config, last, made = ready
    known = {**made.bundle.provenance, **provenance}
    other = replace(last, bundle=replace(made.bundle, provenance=known))
    chances, why = beside(other, prepared, config)
    assert says in why
    assert bool(chances) == (not says)


def test_a_champion_of_other_facts_is_left_out(ready):
    prepared, config, last, made = ready
    model = made.bundle.model
    features = tuple(
        replace(one, codes=("LAB//NOT_HERE",)) if one.codes else one
        for one in model.feature_set.features
    )
    strange = replace(model, feature_set=replace(model.feature_set, features=features))
    chances, why = beside(
        replace(last, bundle=replace(made.bundle, model=strange)), prepared, config
    )
    assert not chances
    assert why.endswith("of what it learnt from")


def test_champion_is_found_and_one_that_is_altered_stops_nothing(registered, tmp_path):
    tracker, _, _, made = registered
    assert find_last(tracker, tmp_path) is None
    tracker.client.set_registered_model_alias(MODEL_NAME, CHAMPION, made.version)
    try:
        last = find_last(tracker, tmp_path)
        assert (last.version, last.unread) == (made.version, "")
        assert last.bundle.model.feature_set.hash == made.bundle.model.feature_set.hash
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("models.bundle.FORMAT", "0")
            unread = find_last(tracker, tmp_path / "elsewhere")
        assert unread.bundle is None
        assert "bundle format 0 expected" in unread.unread
    finally:
        tracker.client.delete_registered_model_alias(MODEL_NAME, CHAMPION)
