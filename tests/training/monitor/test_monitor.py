"""The monitor on a record and a live store, from the command line."""

import asyncio
import json

import msgspec
import numpy as np
import pytest

from feature_store.clock import DAY
from feature_store.live import open_store
from feature_store.simulation import TrustSettings, simulate_events
from homeward.shell import run
from service.record import AuditRow, open_audit
from training.monitor.look import Expected, Settings, look

EMPTY = {
    "caller": "hub",
    "request_id": "r",
    "route": "/v1/worklist",
    "model": "long-stay",
    "model_version": "3",
    "model_hash": "h",
    "feature_set_hash": "f",
    "inputs_hash": None,
    "latency_us": 1,
    "ward": None,
    "probability_of_death": 0.05,
    "base_value": -1.0,
    "log_odds": -1.0,
    "completeness": 0.9,
    "missing": None,
    "refused": None,
}


@pytest.fixture(scope="module")
def trust():
    """Events of half a year, and the first snapshot of each adult spell with its true chances."""
    settings = TrustSettings(spells=2500, seed=11, sites=2)
    events, truth = simulate_events(settings)
    return events, truth, settings.until


def rows_of(trust, *, mode="live", shift=0.0, spells=None):
    """A record of first scores that tell the truth, or are off by so much on the log-odds."""
    _, truth, _ = trust
    _, first = np.unique(truth.spell_id, return_index=True)
    return [_row(truth, place, mode, shift) for place in np.sort(first)[:spells].tolist()]


def _row(truth, place, mode, shift):
    moment = int(truth.prediction_time[place])
    chances = [_moved(getattr(truth, f"p_{days}")[place], shift) for days in (7, 14, 21)]
    return AuditRow(
        score_id=f"{mode}-{place}",
        answered_at=moment,
        mode=mode,
        spell=int(truth.spell_id[place]),
        subject=None,
        site="SYN01",
        prediction_time=moment,
        days_so_far=0,
        probability_7=chances[0],
        probability_14=chances[1],
        probability_21=chances[2],
        discharge_p10=0,
        discharge_p50=3,
        discharge_p90=30,
        features=np.zeros(3).tobytes(),
        reasons=b"[]",
        **EMPTY,
    )


def _moved(chance, shift):
    odds = np.exp(shift) * np.clip(chance, 0.01, 0.99) / (1 - np.clip(chance, 0.01, 0.99))
    return float(odds / (1 + odds))


def columns_of(rows):
    """Rows as the record's columns."""
    told = {}
    for name in AuditRow.__struct_fields__:
        cells = [getattr(row, name) for row in rows]
        number = isinstance(cells[0], (int, float)) and not isinstance(cells[0], bool)
        told[name] = np.array(cells, None if number else object)
    return told


def looked(trust, rows, **more):
    events, _, until = trust
    return look(columns_of(rows), events, Expected(), Settings(until=until, replicates=20, **more))


def states(told, about):
    return {one["state"] for one in told["findings"] if one["about"] == about}


def test_scores_that_tell_the_truth_are_left_alone(trust):
    told = looked(trust, rows_of(trust))
    assert states(told, "calibration") == {"ok"}
    assert told["counts"]["spells"] == told["counts"]["scores"] > 2000
    overall = next(one for one in told["calibration"] if one["who"] == "all")
    assert overall["ratio"] == pytest.approx(1.0, abs=0.12)


def test_scores_that_are_too_low_are_found_and_dated(trust):
    told = looked(trust, rows_of(trust, shift=-0.9))
    assert "breach" in states(told, "calibration")
    text = next(one["text"] for one in told["findings"] if one["state"] == "breach")
    assert "longer than foreseen since 20" in text


def test_patients_still_in_hospital_count_only_once_their_horizon_could_have_passed(trust):
    events, _, until = trust
    rows = rows_of(trust)
    early = min(row.prediction_time for row in rows) + 45 * DAY
    told = look(
        columns_of([row for row in rows if row.prediction_time <= early]),
        events.take(np.flatnonzero(events.recorded_at <= early)),
        Expected(),
        Settings(until=early, replicates=20),
    )
    assert early < until
    for one in told["calibration"]:
        assert one["ratio"] == pytest.approx(1.0, abs=0.35)
    due = told["counts"]["due"]
    assert due["7"] > due["14"] > due["21"]


def test_acting_on_scores_is_told_apart_by_a_slice_not_shown(trust):
    rows = rows_of(trust)
    shown = [row for row in rows if row.spell % 2]
    acted = [_row_with(row, 0.7) for row in shown]  # long stays fell by as much as this foresaw
    silent = [msgspec.structs.replace(row, mode="shadow") for row in rows if not row.spell % 2]
    told = looked(trust, [*acted, *silent])["untreated"]
    assert told["ratio"]["high"] < 1.0
    assert told["not_shown"] == pytest.approx(1.0, abs=0.15)


def _row_with(row, shift):
    return msgspec.structs.replace(row, probability_7=_moved(row.probability_7, shift))


def test_without_such_a_slice_it_says_that_it_cannot_tell(trust):
    told = looked(trust, rows_of(trust))
    assert told["untreated"] is None
    assert states(told, "untreated") == {"unknown"}


@pytest.fixture
def installed(trust, tmp_path, monkeypatch):
    """A live store and a record of a small part of the trust, in a home of its own."""
    events, _, until = trust
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMEWARD_MODEL_URI", str(tmp_path / "no-bundle"))
    url = f"sqlite:///{tmp_path}/homeward.db"
    monkeypatch.setenv("HOMEWARD_DATABASE_URL", url)
    kept = np.unique(events.subject_id)[:500]
    few = events.take(np.flatnonzero(np.isin(events.subject_id, kept)))
    few = few.take(np.flatnonzero(few.spell_id >= 0))
    store = open_store(url)
    for first in range(0, len(few), 10_000):
        store.append(few.take(np.arange(first, min(first + 10_000, len(few)))), received_at=until)
    store.close()
    spells = set(few.spell_id.tolist())

    async def fill(rows):
        audit = open_audit(url)
        await audit.append(rows)
        audit.close()

    return lambda shift: asyncio.run(
        fill([row for row in rows_of(trust, shift=shift) if row.spell in spells])
    )


def command(out, until):
    day = np.datetime64(until, "us").astype("datetime64[D]")
    options = ("--no-run", "--json", "--synthetic", "--days", "3660")
    return ["monitor", "--out", str(out), "--at", str(day), *options]


@pytest.mark.parametrize(("shift", "code"), [(0.0, 0), (-2.0, 3)])
def test_the_command_reads_record_and_store_and_tells_a_scheduler(
    installed, trust, tmp_path, capsys, shift, code
):
    installed(shift)
    assert run(command(tmp_path / "out", trust[2])) == code
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["scores"] > 300
    assert told == json.loads((tmp_path / "out/monitor.json").read_text())
    page = (tmp_path / "out/monitor.html").read_text()
    assert "SYNTHETIC" in page
    assert "<script" not in page
    gauge = (tmp_path / "out/monitor.prom").read_text()
    assert ("homeward_monitor_state 3\n" in gauge) == bool(code)


def test_an_empty_installation_is_told_as_such(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMEWARD_DATABASE_URL", f"sqlite:///{tmp_path}/homeward.db")
    assert run(["monitor", "--no-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "unknown"
    assert told["counts"]["scores"] == 0
