"""The rows of the Spark engine are the rows of the local one, to the last bit."""

import json
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest

from feature_store.clock import DAY, to_microseconds, to_moment
from feature_store.compute import compute_features
from feature_store.errors import BadInput
from training.batch import inpatients_at, score_inpatients

pytestmark = pytest.mark.java

AT = to_moment(20_000 * DAY + 250 * DAY + DAY // 4)


def quiet(_line):
    return None


@pytest.fixture(scope="module")
def session():
    from training.spark import open_session

    with open_session("local[2]") as opened:
        yield opened


@pytest.fixture(scope="module")
def four_shards(trained, tmp_path_factory, write_events):
    """The same events in four shards, so that workers are used more than once."""
    _, dataset, _ = trained
    return write_events(tmp_path_factory.mktemp("spark") / "trust", dataset.read(), shards=4)


def test_scores_are_those_of_the_local_engine(session, trained, four_shards, tmp_path):
    from dataclasses import replace

    from models.scope import ScopeRules
    from training.spark import spark_engine

    bundle = replace(trained[2].bundle, scope=ScopeRules(least_age_years=30))
    batches, tables = [], []
    for name, more in (("local", {}), ("spark", {"engine": partial(spark_engine, session)})):
        out = tmp_path / f"{name}.parquet"
        batches += [score_inpatients(bundle, four_shards, at=AT, out=out, report=quiet, **more)]
        tables += [pq.read_table(out)]
    assert batches[0] == batches[1]
    assert batches[0].scored > 10
    assert sum(batches[0].refused.values()) > 0
    assert tables[0].schema.equals(tables[1].schema)
    assert tables[0].equals(tables[1])  # bit for bit, which is closer than 1e-9


@pytest.fixture(scope="module")
def features(session, trained, four_shards):
    from training.spark import features_of_inpatients

    own = trained[2].bundle.model.feature_set
    return features_of_inpatients(session, four_shards, own, to_microseconds(AT))


def test_features_are_those_of_one_function_to_the_last_bit(features, trained):
    _, dataset, made = trained
    own, events = made.bundle.model.feature_set, dataset.read()
    snapshots = inpatients_at(events.known_at(to_microseconds(AT)), to_microseconds(AT))
    matrix = compute_features(events, snapshots, own)
    table = features.toArrow().sort_by("spell_id")
    order = np.argsort(snapshots.spell_id)
    np.testing.assert_array_equal(table["spell_id"].to_numpy(), snapshots.spell_id[order])
    np.testing.assert_array_equal(table["days_so_far"].to_numpy(), snapshots.days_so_far[order])
    found = np.column_stack([table[name].to_numpy() for name in own.names])
    assert np.isnan(matrix).any()
    assert found.tobytes() == np.ascontiguousarray(matrix[order]).tobytes()


def test_a_registered_version_answers_the_same_as_a_spark_function(session, features, registered):
    import mlflow
    from pyspark.sql.functions import struct

    from models.pyfunc import columns_of, predict_frame

    made = registered[3]
    columns = list(columns_of(made.bundle))
    names = ("p_7", "p_14", "p_21", "p10", "p50", "p90", "p_death", "p_leaving_24h")
    answer = mlflow.pyfunc.spark_udf(
        session,
        f"models:/{made.bundle.name}/1",
        result_type=", ".join(f"{name} double" for name in names),
        env_manager="local",
    )
    one_worker = features.coalesce(1)  # each that is asked has to load MLflow
    held = one_worker.withColumn("answer", answer(struct(*columns))).toArrow()
    expected = predict_frame(made.bundle, held.select(columns).to_pandas())
    rows = held["answer"].to_pylist()
    found = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    np.testing.assert_array_equal(found, expected[list(names)].to_numpy())


@pytest.fixture(scope="module")
def surveyed(session, four_shards):
    """The same survey with each engine."""
    from models.scope import ScopeRules
    from training.spark import spark_features
    from training.survey import survey

    return [
        survey(four_shards, ScopeRules(), engine=engine)
        for engine in (None, partial(spark_features, session))
    ]


def local_asked(surveyed):
    return surveyed[0].snapshots


def test_training_features_are_those_of_the_local_engine_to_the_last_bit(surveyed, trained):
    own = trained[2].bundle.model.feature_set
    local, spark = (list(found.features(found.snapshots, own)) for found in surveyed)
    assert [matrix.shape for matrix in local] == [(len(s), len(own)) for s in local_asked(surveyed)]
    assert any(np.isnan(matrix).any() for matrix in local)
    for ours, theirs in zip(local, spark, strict=True):
        assert theirs.tobytes() == ours.tobytes()


def test_corrected_admissions_are_asked_about_as_known_then_by_both_engines(
    session, trained, tmp_path, make_events, write_events, corrected
):
    from models.scope import ScopeRules
    from training.spark import spark_features
    from training.survey import survey

    dataset = write_events(tmp_path / "trust", corrected(make_events(200)))
    own, engine = trained[2].bundle.model.feature_set, partial(spark_features, session)
    local, spark = (survey(dataset, ScopeRules(), engine=one) for one in (None, engine))
    final = local.spells.start[np.searchsorted(local.spells.spell_id, local.snapshots[0].spell_id)]
    assert (local.snapshots[0].spell_start != final).any()
    matrices = [list(found.features(found.snapshots, own)) for found in (local, spark)]
    for ours, theirs in zip(*matrices, strict=True):
        assert theirs.tobytes() == ours.tobytes()


def test_shards_without_a_question_and_many_jobs_change_nothing(surveyed, trained, monkeypatch):
    """Two jobs of two shards; of each some snapshots, of one none, of one in reverse, of one very
    many: more than are packed together."""
    monkeypatch.setattr("training.spark._SHARDS_A_CORE", 1)
    own = trained[2].bundle.model.feature_set
    some = [snapshots.take(np.arange(0, len(snapshots), 7)) for snapshots in local_asked(surveyed)]
    some[1] = some[1].take(np.zeros(0, np.intp))
    some[2] = some[2].take(np.arange(len(some[2]))[::-1])
    some[3] = some[3].take(np.resize(np.arange(len(some[3])), 20_000))
    local, spark = (list(found.features(some, own)) for found in surveyed)
    for ours, theirs in zip(local, spark, strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_a_model_trained_with_features_of_spark_is_the_local_one_byte_for_byte(
    session, four_shards, quick, tmp_path
):
    from models.bundle import Bundle, save_bundle
    from training.preparation import prepare
    from training.recipe import fit_model
    from training.spark import spark_features

    written = []
    for name, engine in (("local", None), ("spark", partial(spark_features, session))):
        prepared = prepare(four_shards, quick, quiet, engine=engine)
        folder = tmp_path / name
        folder.mkdir()
        save_bundle(Bundle(model=fit_model(prepared, quick, quiet)), folder)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(written[0]) > 3
    assert written[0] == written[1]


def test_a_spoilt_shard_is_named_and_leaves_no_file(
    session, trained, make_events, write_events, tmp_path
):
    from training.spark import spark_engine

    dataset = write_events(tmp_path / "trust", make_events(60))
    dataset.shards[1].write_bytes(b"nothing of the kind")
    out = tmp_path / "scores.csv"
    with pytest.raises(BadInput, match=r"events/00001.parquet: Parquet expected"):
        score_inpatients(
            trained[2].bundle,
            dataset,
            at=AT,
            out=out,
            report=quiet,
            engine=partial(spark_engine, session),
        )
    assert not out.exists()


@pytest.mark.usefixtures("session")
def test_the_command_has_both_engines(registered, capsys, tmp_path):
    from homeward import shell

    home, made = registered[1], registered[3]
    base = ["score", str(home / "trust"), "--at", AT.isoformat(), "--json"]
    base += ["--model", f"models:/{made.bundle.name}/1"]
    tables = []
    for engine in (["local"], ["spark", "--spark-master", "local[2]"]):
        out = tmp_path / f"{engine[0]}.parquet"
        assert shell.run([*base, "--out", str(out), "--engine", *engine]) == 0
        assert json.loads(capsys.readouterr().out)["scored"] > 0
        tables += [pq.read_table(out)]
    assert tables[0].equals(tables[1])
    assert shell.run([*base, "--out", str(tmp_path / "x.csv"), "--spark-master", "local"]) == 2
    assert "--engine spark expected" in capsys.readouterr().err


@pytest.mark.usefixtures("session")
def test_the_command_trains_with_features_of_spark(home, four_shards, capsys):
    from homeward import shell

    base = ["train", str(four_shards.path), "--config", str(home / "quick.toml"), "--json"]
    base += ["--spark-master", "local[2]"]
    assert shell.run(base) == 2
    assert "--features-engine spark expected" in capsys.readouterr().err
    assert shell.run([*base, "--features-engine", "spark"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "1"
