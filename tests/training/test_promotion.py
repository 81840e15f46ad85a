"""Aliases move only when they may, and back in one step."""

import pytest

from feature_store.errors import BadInput, Refused
from models.registry import MODEL_NAME, fetch_registered
from training.gate import Gate, Verdict
from training.judging import judge_registered
from training.promotion import Override, Promotion, compare_versions, examine, promote
from training.recipe import train
from training.tracking import CHAMPION, PREVIOUS

GOOD = Gate("fine", Verdict.PASS, "it is")
BAD = Gate("not fine", Verdict.FAIL, "it is not")


def quiet(_line):
    return None


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory, empty_store, make_events, write_events, key):
    """A store with two versions, trained on the same data with other seeds."""
    import shutil

    from training.config import TrainingConfig
    from training.tracking import Tracker

    home = tmp_path_factory.mktemp("two")
    shutil.copyfile(empty_store, home / "mlflow.db")
    data = write_events(home / "trust", make_events(1200, seed=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOMEWARD_VAR", str(home))
        tracker = Tracker.open(home / "mlruns")
        for seed in (1, 2):
            config = TrainingConfig.from_mapping(
                {
                    "seed": seed,
                    "threads": 1,
                    "judging": {"replicates": 30},
                    "lightgbm": {"trees": 40, "leaves": [8], "learning_rate": 0.1},
                }
            )
            train(data, config, tracker=tracker, key=key, report=quiet)
    return home, data


@pytest.fixture
def store_of_two(two_versions, tmp_path, monkeypatch):
    """A copy of that store, to be changed; its files stay where they are."""
    import shutil

    from training.tracking import Tracker

    home, data = two_versions
    shutil.copyfile(home / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.setenv("HOMEWARD_VAR", str(tmp_path))
    return Tracker.open(tmp_path / "mlruns"), data, tmp_path


def promotion(tracker, version, *gates):
    return Promotion(
        version=version, gates=list(gates), promoted=False, before=tracker.version_of(CHAMPION)
    )


def test_champion_moves_and_the_one_before_is_kept(store_of_two):
    tracker, _, _ = store_of_two
    first = promote(promotion(tracker, "1", GOOD), tracker=tracker)
    assert (first.promoted, first.before, tracker.version_of(CHAMPION)) == (True, None, "1")
    second = promote(promotion(tracker, "2", GOOD), tracker=tracker)
    assert (second.before, tracker.version_of(CHAMPION)) == ("1", "2")
    assert tracker.version_of(PREVIOUS) == "1"


def test_rollback_changes_places(store_of_two):
    tracker, _, _ = store_of_two
    for version in ("1", "2"):
        promote(promotion(tracker, version, GOOD), tracker=tracker)
    assert tracker.roll_back() == ("1", "2")
    assert (tracker.version_of(CHAMPION), tracker.version_of(PREVIOUS)) == ("1", "2")
    assert tracker.roll_back() == ("2", "1")


def test_promoting_the_champion_again_keeps_the_one_before(store_of_two):
    tracker, _, _ = store_of_two
    for version in ("1", "2", "2"):
        promote(promotion(tracker, version, GOOD), tracker=tracker)
    assert tracker.version_of(PREVIOUS) == "1"


def test_rollback_without_a_previous_champion_is_refused(store_of_two):
    tracker, _, _ = store_of_two
    with pytest.raises(BadInput, match="a previous champion expected"):
        tracker.roll_back()


def test_failed_gate_moves_nothing(store_of_two):
    tracker, _, _ = store_of_two
    with pytest.raises(Refused, match="not fine: it is not") as caught:
        promote(promotion(tracker, "1", GOOD, BAD), tracker=tracker)
    assert caught.value.exit_code == 3
    assert tracker.version_of(CHAMPION) is None


def test_override_needs_a_name_and_a_reason_and_is_kept(store_of_two):
    tracker, _, home = store_of_two
    for reason, by in (("", "A. Person"), ("needed", " ")):
        with pytest.raises(BadInput, match="a reason and a name"):
            Override(reason=reason, by=by)
    override = Override(reason="pilot on one ward", by="A. Person")
    done = promote(promotion(tracker, "1", BAD), tracker=tracker, override=override)
    assert done.override == override
    tags = tracker.client.get_model_version(MODEL_NAME, "1").tags
    assert tags["homeward.override_by"] == "A. Person"
    assert tags["homeward.override_gates"] == "not fine"
    told = fetch_registered(f"models:/{MODEL_NAME}@champion", home / "cache")
    assert (told.version, told.alias) == ("1", CHAMPION)


def test_override_and_refusal_are_kept_with_the_run(store_of_two, tmp_path):
    import json
    from dataclasses import replace
    from pathlib import Path

    tracker, _, _ = store_of_two
    stopped = replace(examine("1", tracker=tracker, cache=tmp_path / "cache"), gates=[BAD])
    run_id = tracker.client.get_model_version(MODEL_NAME, "1").run_id

    def kept(name):
        return Path(tracker.client.download_artifacts(run_id, name, str(tmp_path))).read_text()

    with pytest.raises(Refused):
        promote(stopped, tracker=tracker)
    assert json.loads(kept("gates.json"))["outcome"] == "refused"
    assert "pilot" not in kept("card.html")
    override = Override(reason="pilot on one ward", by="A. Person")
    promote(stopped, tracker=tracker, override=override)
    assert json.loads(kept("gates.json"))["outcome"] == "overridden"
    assert "by A. Person: pilot on one ward (gates: not fine)" in kept("card.html")


def test_override_is_not_kept_where_nothing_failed(store_of_two):
    tracker, _, _ = store_of_two
    override = Override(reason="to be sure", by="A. Person")
    assert (
        promote(promotion(tracker, "1", GOOD), tracker=tracker, override=override).override is None
    )
    assert tracker.client.get_model_version(MODEL_NAME, "1").tags["homeward.gates"] == "passed"


def test_examining_changes_nothing_and_names_the_newest(store_of_two, tmp_path):
    tracker, _, _ = store_of_two
    found = examine("latest", tracker=tracker, cache=tmp_path / "cache")
    assert (found.version, found.promoted, found.before) == ("2", False, None)
    assert {"golden scores reproduce", "card complete"} <= {gate.name for gate in found.gates}
    assert tracker.version_of(CHAMPION) is None


def test_unknown_version_is_refused(store_of_two, tmp_path):
    tracker, _, _ = store_of_two
    with pytest.raises(BadInput, match="no such registered model"):
        examine("77", tracker=tracker, cache=tmp_path / "cache")


def test_nothing_registered_is_said_so(store, tmp_path):
    with pytest.raises(BadInput, match="homeward train makes one"):
        examine("latest", tracker=store, cache=tmp_path)


def test_candidate_is_compared_with_the_champion_on_the_same_rows(store_of_two, tmp_path):
    tracker, _, _ = store_of_two
    promote(promotion(tracker, "1", GOOD), tracker=tracker)
    found = examine("2", tracker=tracker, cache=tmp_path / "cache")
    gate = next(gate for gate in found.gates if gate.name == "not worse than the champion")
    assert "snapshots in common" in gate.reason


def test_old_champion_is_compared_after_homeward_evaluate(
    store_of_two, tmp_path, make_events, write_events, key, quick
):
    tracker, _, _ = store_of_two
    new = write_events(tmp_path / "new", make_events(1500, seed=21))
    version = train(new, quick, tracker=tracker, key=key, report=quiet).version
    with pytest.raises(BadInput, match="in common expected"):
        compare_versions(version, "1")
    told = fetch_registered(f"models:/{MODEL_NAME}/1", tmp_path / "cache")
    judge_registered(told, new, tracker=tracker, key=key, report=quiet)
    assert compare_versions(version, "1")["rows"] > 200
