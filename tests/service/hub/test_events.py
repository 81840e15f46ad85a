"""``POST /v1/events`` and its retraction: all or nothing, once, and never a value in an error."""

import time
from contextlib import closing

import pytest

from feature_store.clock import DAY, HOUR
from feature_store.identity import Identity, read_key
from feature_store.live import open_store
from service.hub import live as live_module


@pytest.fixture
def batch(trust):
    return trust.stay("1", trust.now - 2 * DAY)


def test_events_are_kept_once(trust, hub, batch):
    assert trust.add(hub, batch) == {"added": len(batch), "known": 0}
    assert trust.add(hub, batch) == {"added": 0, "known": len(batch)}


def test_what_was_sent_is_in_the_store_under_pseudonyms(trust, one_hub, batch, settings):
    trust.add(one_hub, batch)
    identity = Identity(read_key(settings.var / "pseudonym.key"))
    with closing(open_store(settings.database)) as store:
        events = store.history(identity.subject("P1"), as_of=trust.now)
        (inpatient,) = store.inpatients(trust.now)
    assert len(events) == len(batch)
    assert inpatient.spell_id == identity.spell("S1")
    assert (inpatient.site, inpatient.ward, inpatient.bed) == ("RXX01", "W1", "B1")


def test_names_lie_sealed(trust, one_hub, batch, settings):
    for event in batch:
        event["spell_id"] = event["spell_id"] and "SPELL-OF-FEATHERSTONEHAUGH"
    trust.add(one_hub, batch)
    assert (
        one_hub.get("/v1/worklist", params={"at": batch[-2]["recorded_at"]}).json()["inpatients"]
        == 1
    )
    written = b"".join(path.read_bytes() for path in settings.var.rglob("*") if path.is_file())
    assert b"FEATHERSTONEHAUGH" not in written


YEARS = "a moment from 1900 to 2199 expected"
MARKS = "a time and a spell for every SPELL_START and SPELL_END expected"
VALUES = "a value of its family's value set and range expected"
AHEAD = "a time from 1900 to 400 days ahead expected"
NHS = "another identifier expected: this has the shape of an NHS number"
BAD = [
    (0, {"code": ""}, "/code", "str of length >= 1 expected"),
    (1, {"code": "A\u0007"}, "/code", "text without control characters expected"),
    (2, {"time": "yesterday"}, "/time", "a moment as RFC 3339 text expected"),
    (2, {"time": "1812-01-01T00:00:00Z"}, "/time", YEARS),
    (3, {"more": 1}, "", "a field that is not known; see /docs"),
    (4, {"numeric_value": True}, "/numeric_value", "float | null expected, got bool"),
    (0, {"time": None}, "", MARKS),
    (7, {"numeric_value": 431.0}, "", VALUES),
    (1, {"code": "ADMISSION_METHOD//zz"}, "", VALUES),
    (1, {"subject_id": "943 476 5919"}, "/subject_id", NHS),
    (1, {"time": "2150-01-01T00:00:00Z"}, "", AHEAD),
]


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_event_keeps_all_out(trust, one_hub, batch, bad):
    place, change, where, fault = bad
    answer = one_hub.post("/v1/events", json={"events": replaced(batch, place, change)})
    assert trust.problem(answer) == (422, [(f"#/events/{place}{where}", fault)])
    assert trust.add(one_hub, batch)["added"] == len(batch)


def replaced(batch, place, change):
    return [event | change if row == place else event for row, event in enumerate(batch)]


@pytest.mark.parametrize("size", [0, 10_001])
def test_a_batch_has_one_to_ten_thousand_events(trust, one_hub, size):
    events = [trust.fact("P", None, "SEX//1", None)] * size
    status, faults = trust.problem(one_hub.post("/v1/events", json={"events": events}))
    assert (status, [pointer for pointer, _ in faults]) == (422, ["#/events"])


def test_a_repeated_key_is_refused(trust, one_hub):
    event = '{"subject_id": "P", "spell_id": null, "code": "A", "code": "B", "time": null}'
    body = f'{{"events": [{event}]}}'
    answer = one_hub.post("/v1/events", content=body, headers={"Content-Type": "application/json"})
    assert trust.problem(answer)[0] == 422


def test_what_is_taken_back_no_longer_holds_and_did_until_then(trust, hub, batch):
    trust.add(hub, batch)
    (age,) = (event for event in batch if event["code"] == "AGE")
    answer = hub.post("/v1/events/retract", json={"events": [age]})
    assert answer.json() == {"retracted": 1}
    assert hub.post("/v1/events/retract", json={"events": [age]}).json() == {"retracted": 0}
    path = "/v1/spells/S1/score"
    (before,) = hub.get(
        path, params={"at": trust.stamp(trust.now - 2 * DAY + 3 * HOUR), "reasons": "all"}
    ).json()["scores"]
    assert "AGE" not in before["missing"]


def test_a_store_that_is_away_is_503_and_comes_back_without_a_restart(
    trust, make_client, real_model, settings, batch
):
    gone = settings.var / "later" / "live.db"
    settings.var.mkdir(parents=True)
    gone.parent.write_text("in the way")
    client = make_client(real_model, database_url=f"sqlite:///{settings.var}/audit.db")
    live = client.app.state.live
    live._url = f"sqlite:///{gone}"
    for _ in range(2):
        answer = client.post("/v1/events", json={"events": batch})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
    gone.parent.unlink()
    assert trust.add(client, batch)["added"] == len(batch)


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["hold", "swallow"])
def test_a_database_that_stands_still_is_given_up_and_found_again(
    trust, make_client, real_model, wire, monkeypatch, how
):
    monkeypatch.setattr(live_module, "WAIT_SECONDS", 0.5)
    client = make_client(real_model, database_url=wire.url, least_completeness=0.0)
    trust.add(client, trust.stay("1", client.app.state.live.now() - 3 * HOUR))
    trust.worklist(client)
    getattr(wire, how)()
    began = time.monotonic()
    answer = client.get("/v1/worklist")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert time.monotonic() - began < 10
    if how == "hold":
        wire.mend()
    deadline = time.monotonic() + 20
    while client.get("/v1/worklist").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(trust.worklist(client)["entries"]) == 1
