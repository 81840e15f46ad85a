"""One command from events to a registered version, and what it leaves behind when it cannot."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from feature_store.errors import BadInput
from models.bundle import load_bundle
from models.registry import MODEL_NAME, fetch, run_file
from training.preparation import prepare
from training.recipe import fit_model, judge_model, train


def quiet(_line):
    return None


def run_of(tracker):
    client = tracker.client
    experiment = client.get_experiment_by_name("homeward")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def versions(tracker):
    return list(tracker.client.search_model_versions(f"name='{MODEL_NAME}'"))


def test_run_holds_figures_by_their_contracted_names(registered):
    tracker, _, _, made = registered
    run = tracker.client.get_run(made.run_id)
    metrics = run.data.metrics
    for name in ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "ece"):
        assert {f"{name}_7", f"{name}_7_low", f"{name}_7_high"} <= set(metrics)
        assert f"baseline_lr_{name}_7" in metrics
        assert f"baseline_rule_{name}_7" in metrics
    assert {"coverage_80", "ppv_at_capacity_7", "recall_at_capacity_7"} <= set(metrics)
    assert all(np.isfinite(value) for value in metrics.values())
    assert run.info.status == "FINISHED"
    assert run.data.tags["homeward.synthetic"] == "true"
    assert run.data.tags["homeward.data_hash"] == made.bundle.provenance["data_hash"]
    assert run.data.params["lightgbm.trees"] == "60"
    assert made.figures["auroc_7"] == pytest.approx(metrics["auroc_7"])


def test_run_holds_what_it_cost(registered):
    tracker, _, _, made = registered
    metrics = tracker.client.get_run(made.run_id).data.metrics
    stages = ("prepare", "fit", "judge", "publish")
    assert 0 < sum(metrics[f"cpu_seconds_{stage}"] for stage in stages) <= metrics["cpu_seconds"]
    assert 50 < metrics["peak_mib"] < 50_000
    assert made.cost["seconds"] >= metrics["seconds_fit"] > 0


def test_run_holds_plots_card_report_and_predictions(registered, tmp_path):
    tracker, _, _, made = registered
    client = tracker.client
    files = {entry.path for entry in client.list_artifacts(made.run_id)}
    assert {"card.html", "card.json", "report.html", "evaluation.json", "held_out.parquet"} <= files
    plots = {entry.path for entry in client.list_artifacts(made.run_id, "plots")}
    assert {f"plots/{name}_7.png" for name in ("reliability", "roc", "precision_recall")} <= plots
    text = run_file(made.run_id, "report.html", tmp_path).read_text()
    assert "SYNTHETIC DATA" in text
    assert "<script" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_model_learns_and_beats_the_rule(trained):
    figures = trained[2].figures
    assert figures["auroc_7"] > 0.65
    assert figures["auroc_7"] > figures["baseline_rule_auroc_7"] - 0.02


def test_registered_version_scores_a_table_of_doubles(registered):
    import mlflow.pyfunc

    tracker, _, _, made = registered
    tracker.client.set_registered_model_alias(MODEL_NAME, "challenger", made.version)
    loaded = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}@challenger")
    golden = made.bundle.evaluation["golden"]
    names = made.bundle.model.feature_set.names
    frame = pd.DataFrame(np.array(golden["rows"], dtype=float), columns=list(names))
    frame["days_so_far"] = np.array(golden["days_so_far"], dtype=float)
    answer = loaded.predict(frame[frame.columns[::-1]])
    assert list(answer.columns) == [
        *("p_7", "p_14", "p_21", "p10", "p50", "p90", "p_death"),
        *("p_leaving_24h", "p_leaving_48h", "p_leaving_72h", "p_leaving_5d"),
    ]
    np.testing.assert_allclose(answer["p_7"], golden["scores"]["p_7"], rtol=0, atol=1e-12)
    assert {str(column.type) for column in loaded.metadata.signature.inputs} == {"DataType.double"}


def test_registered_bundle_is_the_one_that_was_judged(registered, tmp_path):
    _, _, _, made = registered
    bundle = load_bundle(fetch(f"models:/{MODEL_NAME}/{made.version}", tmp_path))
    assert bundle.evaluation == json.loads(json.dumps(made.bundle.evaluation))
    assert bundle.card["synthetic"] is True
    assert bundle.provenance["config_hash"] == made.bundle.provenance["config_hash"]


def test_same_data_config_and_seed_give_the_same_bytes(dataset, quick, tmp_path):
    from models.bundle import save_bundle

    files = []
    for name in ("one", "two"):
        prepared = prepare(dataset, quick, quiet)
        model = fit_model(prepared, quick, quiet)
        bundle, _ = judge_model(prepared, model, quick, quiet)
        save_bundle(bundle, tmp_path / name)
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert files[0] == files[1]


@pytest.mark.parametrize("kind", ["disk", "server", "wire", "fault"])
def test_failure_marks_the_run_and_leaves_no_version(store, dataset, quick, monkeypatch, kind):
    from mlflow.exceptions import MlflowException
    from requests import ConnectionError as RequestsConnectionError

    error, raised, says = {
        "disk": (OSError(28, "No space left on device"), BadInput, "no space left on the disk"),
        "server": (MlflowException("secret detail"), BadInput, "MLflow stopped answering"),
        "wire": (RequestsConnectionError("secret"), BadInput, "MLflow stopped answering"),
        "fault": (ZeroDivisionError("a fault of ours"), ZeroDivisionError, "a fault of ours"),
    }[kind]

    def broken(*_args, **_kwargs):
        raise error

    monkeypatch.setattr("training.tracking.Run.register", broken)
    with pytest.raises(raised, match=says) as caught:
        train(dataset, quick, tracker=store, key=b"k" * 32, report=quiet)
    assert "secret" not in str(caught.value)
    assert run_of(store).info.status == "FAILED"
    assert run_of(store).data.metrics["cpu_seconds"] > 0
    assert not versions(store)
    assert not store.client.search_logged_models([run_of(store).info.experiment_id])


@pytest.mark.parametrize("where", ["register", "set_terminated"])
def test_interrupt_at_the_last_moment_takes_the_version_back(
    store, dataset, quick, monkeypatch, where
):
    from training.run import Run

    register = Run.register

    def interrupted(self, *args, **kwargs):
        register(self, *args, **kwargs)
        raise KeyboardInterrupt

    if where == "register":
        monkeypatch.setattr(Run, "register", interrupted)
    else:
        real = type(store.client).set_terminated

        def once(self, run_id, status=None, **kwargs):
            if status == "FINISHED" and versions(store):
                raise KeyboardInterrupt
            return real(self, run_id, status, **kwargs)

        monkeypatch.setattr(type(store.client), "set_terminated", once)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, quick, tracker=store, key=b"k" * 32, report=quiet)
    assert run_of(store).info.status == "KILLED"
    assert not versions(store)


def test_too_few_long_stays_are_refused_in_numbers(
    store, tmp_path, write_events, make_events, quick
):
    data = write_events(tmp_path / "trust", make_events(constant=True))
    with pytest.raises(BadInput, match="0 that reached it"):
        train(data, quick, tracker=store, key=b"k" * 32, report=quiet)
    assert run_of(store).info.status == "FAILED"


def test_no_deaths_leave_the_chance_of_death_unknown(
    store, tmp_path, write_events, make_events, quick
):
    data = write_events(tmp_path / "trust", make_events(died=0.0))
    made = train(data, quick, tracker=store, key=b"k" * 32, report=quiet)
    assert made.bundle.model.death_trees is None
    assert "too few deaths" in made.bundle.evaluation["death"]["left_out"]
    assert not any("death" in name for name in made.figures)


def test_horizon_without_events_is_left_out_and_said_so(
    store, tmp_path, write_events, make_events, quick
):
    from feature_store.events import concatenate

    events = make_events(1200, seed=5)
    ends = events.rows_of("SPELL_END")
    short = ends & (events.numeric_value < 14)
    long = np.isin(events.spell_id, events.spell_id[ends & ~short])
    known = np.isin(events.spell_id, events.spell_id[ends])
    data = write_events(tmp_path / "trust", concatenate([events.take(known & ~long)]))
    made = train(data, quick, tracker=store, key=b"k" * 32, report=quiet)
    assert set(made.bundle.evaluation["left_out"]) == {"14", "21"}
    assert "auroc_7" in made.figures
    assert not any(name.endswith(("_14", "_21")) for name in made.figures)


def test_held_out_site_is_judged_alone(tmp_path, write_events, make_events, quick):
    from dataclasses import replace

    data = write_events(tmp_path / "trust", make_events(1500, sites=("A", "B", "C")))
    config = replace(quick, split=replace(quick.split, hold_out_site="C"))
    prepared = prepare(data, config, quiet)
    model = fit_model(prepared, config, quiet)
    bundle, _ = judge_model(prepared, model, config, quiet)
    groups = bundle.evaluation["groups"]["7"]["site"]
    assert [row["group"] for row in groups] == ["C"]
    assert bundle.provenance["config"]["split"]["hold_out_site"] == "C"


def test_a_single_site_is_enough_but_not_to_hold_one_out(
    tmp_path, write_events, make_events, quick
):
    from dataclasses import replace

    data = write_events(tmp_path / "trust", make_events(900, sites=("A",)))
    prepared = prepare(data, quick, quiet)
    model = fit_model(prepared, quick, quiet)
    bundle, _ = judge_model(prepared, model, quick, quiet)
    assert [row["group"] for row in bundle.evaluation["groups"]["7"]["site"]] == ["A"]
    config = replace(quick, split=replace(quick.split, hold_out_site="A"))
    with pytest.raises(BadInput, match="each part expected"):
        prepare(data, config, quiet)


def test_a_value_never_seen_in_training_is_judged_like_any_other(
    tmp_path, write_events, make_events, quick
):
    from feature_store.clock import DAY
    from feature_store.events import Events

    events = make_events(1200, seed=9)
    codes = np.array(events.codes, dtype=object)[events.code]
    late = events.time > (20_000 + 400) * DAY
    codes[(codes == "ADMISSION_METHOD//11") & late] = "ADMISSION_METHOD//2D"
    new = Events.build(
        subject_id=events.subject_id,
        time=events.time,
        code=list(codes),
        numeric_value=events.numeric_value,
        spell_id=events.spell_id,
    ).in_order()
    prepared = prepare(write_events(tmp_path / "trust", new), quick, quiet)
    model = fit_model(prepared, quick, quiet)
    evaluation = judge_model(prepared, model, quick, quiet)[0].evaluation
    assert evaluation["horizons"]["7"]["metrics"]["auroc"]["value"] > 0.6


def test_unreachable_mlflow_is_said_before_any_work(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from feature_store.errors import BadInput\n"
        "from training.tracking import Tracker\n"
        "try:\n    Tracker.open(Path('x'))\n"
        "except BadInput as error:\n    print(error)\n"
    )
    environment = {
        "HOMEWARD_MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "PATH": "/usr/bin",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "MLflow cannot be reached" in done.stdout
    assert "127.0.0.1:9" not in done.stdout


def test_report_names_the_steps(dataset, quick):
    lines = []
    prepared = prepare(dataset, quick, lines.append)
    fit_model(prepared, quick, lines.append)
    assert lines[0] == "reading spells"
    assert any("train" in line for line in lines)
