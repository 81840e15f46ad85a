"""The monitor on a record and a live store, from the command line."""

import asyncio
import json
import shutil
from datetime import datetime

import msgspec
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from feature_store.clock import DAY, HOUR
from feature_store.errors import BadInput
from feature_store.events import Events, concatenate
from feature_store.live import open_store
from feature_store.simulation import TrustSettings, simulate_events
from feature_store.spells import find_spells
from homeward.shell import run
from service.record import AuditRow, open_audit
from training.monitor.agreement import expected_by_staff
from training.monitor.drift import SCORE, Reference
from training.monitor.lived import live
from training.monitor.look import Expected, Settings, look
from training.monitor.report import monitor_page

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
    settings = Settings(until=until, replicates=20, simulations=300, **more)
    return look(columns_of(rows), events, Expected(), settings)


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


def test_a_patient_whose_score_was_shown_is_never_among_those_without(trust):
    rows = rows_of(trust)
    shadow = [msgspec.structs.replace(row, mode="shadow", score_id=f"s{row.spell}") for row in rows]
    told = looked(trust, [*rows, *shadow])  # a challenger beside the champion is no hold-out
    assert told["untreated"] is None


def test_places_kept_from_view_are_a_slice_and_a_place_without_scores_is_a_slip(trust):
    rows = [
        msgspec.structs.replace(row, ward="QUIET" if row.spell % 2 else "LOUD")
        for row in rows_of(trust)
    ]
    told = looked(trust, rows, not_shown_at=("QUIET",))["untreated"]
    assert told["ratio"]["low"] < 1.0 < told["ratio"]["high"]
    with pytest.raises(BadInput, match="NOWHERE"):
        looked(trust, rows, not_shown_at=("NOWHERE",))


def test_limits_allow_for_the_whole_period_of_looking(trust):
    limits = [
        looked(trust, rows_of(trust), days=days)["calibration"][0]["longer"]["limit"]
        for days in (200, 2000)
    ]
    assert limits[0] < limits[1] < 2 * limits[0]


def test_scores_that_moved_are_drift_though_no_feature_did(trust):
    rows = rows_of(trust)
    chances = np.array([row.probability_7 for row in rows])
    names = ["a", "b", "c", f"{SCORE}7"]
    kept = Reference.of(np.column_stack([np.zeros((len(rows), 3)), chances]), names)
    _, _, until = trust
    told = {}
    for shift in (0.0, 1.5):
        moved = columns_of(rows_of(trust, shift=shift))
        settings = Settings(until=until, replicates=20, simulations=100)
        found = look(moved, trust[0], Expected(reference=kept), settings)["drift"]
        told[shift] = {one["name"]: one["state"] for one in found}
    assert set(told[0.0].values()) == {"ok"}
    assert told[1.5].pop(f"{SCORE}7") == "breach"
    assert set(told[1.5].values()) == {"ok"}


def daily(trust, **more):
    """A record of every morning's score, of one version, telling the truth."""
    _, truth, _ = trust
    mode, shift = more.get("mode", "live"), more.get("shift", 0.0)
    return [_row(truth, place, mode, shift) for place in range(truth.spell_id.size)]


def said_by_staff(trust, noise):
    """The events, with a date that staff expect four hours after admission, right but for noise."""
    events, _, _ = trust
    spells = find_spells(events)
    rng = np.random.default_rng(3)
    stay = np.where(spells.ended, spells.length_of_stay_days, 60)
    said = Events.build(
        subject_id=spells.subject_id,
        spell_id=spells.spell_id,
        code=["EXPECTED_DISCHARGE"] * len(spells),
        time=spells.start + 3 * HOUR,
        numeric_value=np.clip(stay * np.exp(noise * rng.normal(size=len(spells))), 0, 90).round(),
    )
    return concatenate([events, said]).in_order()


def silent(trust, rows, *, noise=2.0, **more):
    zeros = np.zeros((500, 3))
    expected = Expected(
        auroc={days: {"low": 0.5} for days in ("7", "14", "21")},
        reference=Reference.of(zeros, ["a", "b", "c"]),
    )
    settings = Settings(until=trust[2], replicates=20, simulations=100, silent=True, **more)
    return look(columns_of(rows), said_by_staff(trust, noise), expected, settings)


def answers(told):
    """Worst answer about each subject."""
    order = ("go", "note", "cannot say", "not yet")
    return {
        one["about"]: one["verdict"]
        for one in sorted(told["golive"]["checks"], key=lambda one: order.index(one["verdict"]))
    }


def test_a_good_silent_time_is_go_and_says_how_staff_compare(trust):
    told = silent(trust, daily(trust), capacity=8)
    golive = told["golive"]
    assert (golive["verdict"], golive["reasons"]) == ("go", []), golive["reasons"]
    assert "untreated" not in {one["about"] for one in told["findings"]}
    compared = golive["agreement"]
    assert compared["auroc"]["difference"]["low"] > 0  # staff's dates were half noise
    assert compared["spells"] > 1000
    assert golive["lead"]["median_days"]["value"] >= 2
    page = monitor_page(told, synthetic=True)
    assert "May scores be shown?" in page
    assert "Go: nothing found" in page


def test_each_reason_against_is_named(trust):
    rows = daily(trust)
    too_low = silent(trust, daily(trust, shift=-1.2), capacity=8)
    assert too_low["golive"]["verdict"] == "not yet"
    assert answers(too_low)["calibration"] == "not yet"
    assert answers(too_low)["groups"] == "not yet"
    staff = silent(trust, rows, noise=0.0, capacity=8)
    assert answers(staff)["staff's dates"] == "not yet"
    assert staff["golive"]["agreement"]["nights_off"]["staff"]["value"] == pytest.approx(0, abs=0.1)
    burden = silent(trust, daily(trust, shift=3.0), capacity=1)
    assert answers(burden)["alerts"] == "not yet"
    half = [
        msgspec.structs.replace(row, model_version=str(row.spell % 3))
        for row in rows
        if row.spell % 2
    ]
    told = answers(silent(trust, half, capacity=8))
    assert (told["data"], told["version"]) == ("not yet", "not yet")


def test_too_few_outcomes_cannot_be_said_and_a_short_time_is_not_yet(trust):
    rows = daily(trust)
    first = min(row.prediction_time for row in rows)
    few = [row for row in rows if row.spell % 20 == 0]
    told = silent(trust, few)
    assert answers(told)["outcomes"] == "cannot say"
    assert any(one.startswith("Too few outcomes due") for one in told["golive"]["reasons"]) or (
        told["golive"]["verdict"] == "not yet"
    )
    short = silent(trust, [row for row in rows if row.prediction_time < first + 30 * DAY])
    assert answers(short)["length"] == "not yet"
    nothing = silent(trust, few[:1])
    assert nothing["golive"]["verdict"] in {"not yet", "cannot say"}


def test_scores_in_the_shadow_are_judged_alone(trust):
    rows = daily(trust)[:4000]
    shadow = [
        msgspec.structs.replace(row, mode="shadow", model_version="4", score_id=f"s{at}")
        for at, row in enumerate(rows)
    ]
    told = silent(trust, [*rows, *shadow])
    assert told["golive"]["silent"]["modes"] == ["shadow"]
    assert told["golive"]["silent"]["versions"] == ["4"]


def test_what_staff_said_later_is_not_known_before(trust):
    events, _truth, until = trust
    lived = live(columns_of(rows_of(trust)), events, until=until)
    asked = lived.snapshots
    for offset, known in ((0, True), (1, False)):
        said = Events.build(
            subject_id=asked.subject_id,
            spell_id=asked.spell_id,
            code=["EXPECTED_DISCHARGE"] * len(asked),
            time=asked.prediction_time + offset,
            numeric_value=np.arange(len(asked)) % 50,
        ).in_order()
        told = expected_by_staff(said, lived)
        assert np.isnan(told).all() != known
        if known:
            assert told.tolist() == (np.arange(len(asked)) % 50).tolist()


def test_the_latest_that_staff_said_counts_against_a_loop(trust):
    events, _, until = trust
    lived = live(columns_of(daily(trust)[:600]), events, until=until)
    rng = np.random.default_rng(1)
    spells = rng.choice(np.unique(lived.snapshots.spell_id), 400)
    moments = rng.choice(lived.snapshots.prediction_time, 400)
    said = Events.build(
        subject_id=np.zeros(400, np.int64),
        spell_id=spells,
        code=["EXPECTED_DISCHARGE"] * 400,
        time=moments,
        numeric_value=np.arange(400),
    ).in_order()
    told = expected_by_staff(said, lived)
    for row in range(len(lived)):
        mine = (said.spell_id == lived.snapshots.spell_id[row]) & (
            said.recorded_at <= lived.snapshots.prediction_time[row]
        )
        if not mine.any():
            assert np.isnan(told[row])
        else:
            last = said.recorded_at[mine].max()
            assert told[row] in said.numeric_value[mine & (said.recorded_at == last)]


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
    read = {one.name: one.samples for one in text_string_to_metric_families(gauge)}
    (taken,) = read["homeward_monitor_timestamp_seconds"]
    assert taken.value == datetime.fromisoformat(told["at"]).timestamp()
    assert {one.labels["nights"] for one in read["homeward_monitor_outcomes_due"]} == {
        "7",
        "14",
        "21",
    }
    assert len(read["homeward_monitor_feed_state"]) == len(told["feeds"])


def test_the_shadow_report_refuses_with_three_and_is_a_run_of_its_own(
    installed, trust, tmp_path, capsys, empty_store
):
    installed(-2.0)
    (tmp_path / "var").mkdir(exist_ok=True)
    shutil.copyfile(empty_store, tmp_path / "var" / "mlflow.db")
    words = [one for one in command(tmp_path / "out", trust[2]) if one != "--no-run"]
    assert run([*words, "--shadow"]) == 3
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["golive"]["verdict"] == "not yet"
    assert told["run_id"]
    assert "not yet" in said.err
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "shadow.html",
        "shadow.json",
    ]


def test_an_empty_installation_is_told_as_such(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMEWARD_DATABASE_URL", f"sqlite:///{tmp_path}/homeward.db")
    assert run(["monitor", "--no-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "unknown"
    assert told["counts"]["scores"] == 0
