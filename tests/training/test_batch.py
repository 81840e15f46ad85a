"""One row per inpatient, as they were known at the moment, whole or not at all."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from feature_store.clock import DAY, to_microseconds, to_moment
from feature_store.errors import BadInput
from feature_store.events import Events, concatenate
from training.batch import SCHEMA, inpatients_at, score_inpatients

START = 20_000 * DAY
AT = to_moment(START + 250 * DAY) + timedelta(hours=6)


def quiet(_line):
    return None


def test_one_row_for_each_who_was_in_hospital(trained, tmp_path):
    _, dataset, made = trained
    batch = score_inpatients(
        made.bundle, dataset, at=AT, out=tmp_path / "scores.parquet", report=quiet
    )
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.schema.equals(SCHEMA)
    events, moment = dataset.read(), to_microseconds(AT)
    starts = events.take(events.rows_of("SPELL_START") & (events.time <= moment))
    ended = events.take(events.rows_of("SPELL_END") & (events.time <= moment)).spell_id
    expected = np.setdiff1d(starts.spell_id, ended)
    assert sorted(table["spell_id"].to_pylist()) == expected.tolist()
    assert batch.scored == table.num_rows
    rows = table.to_pylist()
    assert all(row["p_7"] >= row["p_14"] >= row["p_21"] for row in rows)
    assert all(row["p_7"] == 1.0 for row in rows if row["days_so_far"] >= 7)
    assert all(row["synthetic"] for row in rows)
    assert all(row["reasons"] for row in rows)
    for row in rows:
        soon = [row[f"p_leaving_{name}"] for name in ("24h", "48h", "72h", "5d")]
        assert soon == sorted(soon)
    assert all(r["p_leaving_72h"] == 1.0 - r["p_7"] for r in rows if r["days_so_far"] == 4)


def test_csv_holds_the_same(trained, tmp_path):
    _, dataset, made = trained
    for suffix in ("csv", "parquet"):
        score_inpatients(
            made.bundle, dataset, at=AT, out=tmp_path / f"scores.{suffix}", report=quiet
        )
    read = pcsv.read_csv(tmp_path / "scores.csv")
    whole = pq.read_table(tmp_path / "scores.parquet")
    assert read.column_names == whole.column_names
    assert read["p_7"].to_pylist() == pytest.approx(whole["p_7"].to_pylist())


def test_what_came_later_changes_nothing(trained):
    _, dataset, _ = trained
    events, moment = dataset.read(), to_microseconds(AT)
    now = inpatients_at(events.known_at(moment), moment)
    later = Events.build(
        subject_id=[int(now.subject_id[0])],
        time=[moment - DAY],
        code=["SPELL_END"],
        numeric_value=[1.0],
        spell_id=[int(now.spell_id[0])],
        recorded_at=[moment + DAY],  # backdated: nobody knew of it yet
    )
    again = inpatients_at(concatenate([events, later]).known_at(moment), moment)
    np.testing.assert_array_equal(now.spell_id, again.spell_id)


def test_refused_are_rows_without_numbers(trained, tmp_path):
    from dataclasses import replace

    from models.scope import ScopeRules

    _, dataset, made = trained
    strict = replace(made.bundle, scope=ScopeRules(least_age_years=60))
    batch = score_inpatients(strict, dataset, at=AT, out=tmp_path / "s.parquet", report=quiet)
    rows = pq.read_table(tmp_path / "s.parquet").to_pylist()
    refused = [row for row in rows if row["refused"]]
    assert len(refused) == batch.refused["under 60 at admission"] > 0
    assert all(row["p_7"] is None and row["band"] is None for row in refused)


@pytest.mark.parametrize(
    ("name", "at", "says"),
    [
        ("scores.xlsx", AT, "csv or .parquet"),
        ("scores.csv", to_moment(START + 900 * DAY), "within the data"),
        ("scores.csv", datetime(1990, 1, 1, tzinfo=UTC), "found nobody"),
    ],
)
def test_what_cannot_be_asked_leaves_no_file(trained, tmp_path, name, at, says):
    _, dataset, made = trained
    with pytest.raises(BadInput, match=says):
        score_inpatients(made.bundle, dataset, at=at, out=tmp_path / name, report=quiet)
    assert not list(tmp_path.iterdir())


def test_failure_while_writing_keeps_the_old_file(trained, tmp_path, monkeypatch):
    _, dataset, made = trained
    out = tmp_path / "scores.csv"
    out.write_text("old")

    def full(_table, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.batch.pcsv.write_csv", full)
    with pytest.raises(OSError, match="No space"):
        score_inpatients(made.bundle, dataset, at=AT, out=out, report=quiet)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
