"""A drop: whole or not at all, the same in both formats, and safe to open."""

import csv
import hashlib
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from feature_store.errors import BadInput
from homeward.client import Unreachable
from homeward.relay.columns import COLUMNS
from homeward.relay.drop import Drop, rows_of
from homeward.relay.tracker import Kind, Notice, Outcome

NOTICE = Notice(notice_id="msg_1", kind=Kind.READY, at=datetime(2026, 1, 14, 6, tzinfo=UTC))


def answer(at="2026-01-14T06:00:00+00:00", ward="W1"):
    """An answer of the service with one patient scored and one refused."""
    reason = {"label": "Therapy referral", "value": "3 days", "direction": "longer"}
    reasons = [
        reason | {"actionable": True, "action": "Ask therapy what is outstanding"},
        {"label": "Age", "value": "84 years", "direction": "longer"}
        | {"actionable": False, "action": None},
        {"label": "NEWS2 score", "value": "2", "direction": "shorter"}
        | {"actionable": True, "action": "Look again"},
    ]
    score = {
        "score_id": "score-1",
        "days_so_far": 3,
        "probability": {"7": 0.71, "14": 0.38, "21": None},
        "band": "high",
        "discharge_day": {"p10": 4, "p50": 9, "p90": None},
        "reasons": reasons,
        "missing": ["CFS", "4AT"],
        "completeness": 0.86,
    }
    entry = {
        "spell_id": "S456",
        "site": "RXX01",
        "ward": ward,
        "bed": None,
        "specialty": "430",
        "admitted_at": "2026-01-11T05:00:00Z",
        "section": "stay_risk",
        "rank": 1,
        "within_capacity": True,
        "change": "rising",
        "days_since_ready": None,
        "expected_discharge_at": None,
        "feedback": None,
        "score": score,
    }
    refused = {"spell_id": "S9", "site": None, "ward": None, "reason": "out_of_scope"}
    return {
        "at": at,
        "model": {"name": "long-stay", "version": "3", "alias": "champion"},
        "data": {"stale": False, "newest_recorded_at": at},
        "entries": [entry],
        "refused": [refused | {"detail": "under 18 at admission"}],
        "synthetic": True,
    }


def test_both_formats_hold_the_same_and_the_manifest_proves_it(tmp_path):
    made = Drop("drop", tmp_path / "drops", answer).put()
    manifest = json.loads((made / "manifest.json").read_text())
    for name, told in manifest["files"].items():
        content = (made / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            told["bytes"],
            told["sha256"],
        )
    table = pq.read_table(made / "worklist.parquet")
    assert table.to_pylist() == rows_of(answer())
    rows = list(csv.DictReader((made / "worklist.csv").read_text().splitlines()))
    assert [row["spell_id"] for row in rows] == table["spell_id"].to_pylist() == ["S456", "S9"]
    assert [row["p_7"] for row in rows] == ["0.71", ""]
    assert (manifest["scored"], manifest["refused"], manifest["synthetic"]) == (1, 1, True)


def test_reasons_to_act_on_stand_apart():
    scored, refused = rows_of(answer())
    assert scored["act_on"] == "Ask therapy what is outstanding (Therapy referral: 3 days)"
    assert scored["background"] == "Age: 84 years (longer); NEWS2 score: 2 (shorter)"
    assert (refused["act_on"], refused["p_7"], refused["refused"]) == (None, None, "out_of_scope")


def test_the_dictionary_tells_of_every_column_and_of_absence(tmp_path):
    made = Drop("drop", tmp_path, answer).put()
    told = json.loads((made / "dictionary.json").read_text())["columns"]
    assert [one["name"] for one in told] == [one.name for one in COLUMNS]
    rows = rows_of(answer())
    for one in told:
        assert one["meaning"]
        assert one["missing_means"] or all(row[one["name"]] is not None for row in rows)
    assert {one["canonical"] for one in told} >= {
        "Admission.admissionExternalId",
        "WardStay.wardId",
    }


@pytest.mark.parametrize("text", ['=cmd|"/c calc"!A0', "+1", "-1", "@SUM(1)", "\t=1"])
def test_text_from_elsewhere_never_becomes_a_formula(tmp_path, text):
    made = Drop("drop", tmp_path, lambda: answer(ward=text)).put()
    (row, _) = csv.DictReader((made / "worklist.csv").read_text().splitlines())
    assert row["ward"] == f"'{text}"
    assert pq.read_table(made / "worklist.parquet")["ward"].to_pylist()[0] == text


def test_old_drops_go_and_the_same_moment_stays_as_it_is(tmp_path):
    days = [f"2026-01-{day}T06:00:00+00:00" for day in (10, 11, 12, 12)]
    for at in days:
        Drop("drop", tmp_path, lambda at=at: answer(at), keep=2).put()
    kept = sorted(one.name for one in tmp_path.iterdir())
    assert kept == ["worklist-20260111T060000Z", "worklist-20260112T060000Z"]


def test_a_drop_that_fails_leaves_nothing(tmp_path):
    broken = answer() | {"model": {}}
    with pytest.raises(KeyError):
        Drop("drop", tmp_path, lambda: broken).put()
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_is_away_is_for_later(tmp_path):
    def away():
        raise Unreachable

    assert Drop("drop", tmp_path, away).tell(NOTICE).outcome == Outcome.AGAIN


def test_a_folder_that_cannot_be_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput):
        Drop("drop", tmp_path / "file" / "drops", answer).put()
