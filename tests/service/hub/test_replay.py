"""A simulated trust played to the service: the worklist goes by the time of the data."""

import pytest

from feature_store.clock import HOUR
from feature_store.errors import BadInput
from feature_store.hl7.statement import Statement
from feature_store.hl7.writing import write_message
from feature_store.simulation import TrustSettings, simulate
from homeward.replaying import Stage, play, read_story

HL7 = {"Content-Type": "application/hl7-v2"}


@pytest.mark.parametrize("by_adt", [False, True])
def test_the_worklist_moves_through_the_week(trust, make_client, real_model, tmp_path, by_adt):
    folder = tmp_path / "trust"
    simulate(TrustSettings(spells=150, days=40, seed=5), folder)
    settings = {"least_completeness": 0.0, "worklist_seconds": 1, "adt_test": True}
    client = make_client(real_model, clock="data", **settings)
    now = client.app.state.live.now()
    story = read_story(folder, start=None, days=4, now=now, by_adt=by_adt)
    seen, world = [], {"now": 0.0}

    def sleep(seconds):
        world["now"] += seconds
        seen.append(trust.worklist(client))

    def tell(message):
        answer = client.post("/v1/adt", content=message, headers=HL7)
        assert b"\rMSA|AA|" in answer.content

    stage = Stage(
        post=lambda batch: trust.add(client, batch),
        seconds=lambda: world["now"],
        sleep=sleep,
        told=lambda _line: None,
        tell=tell,
    )
    play(story, stage, speed=4 * 86_400 / 6)
    moments = [one["at"] for one in seen]
    assert moments == sorted(moments)
    assert len({one[:10] for one in moments}) >= 3
    assert len({one["inpatients"] for one in seen}) > 1
    assert all(one["data"]["stale"] is False or one["entries"] for one in seen)
    assert client.get("/health/ready").json()["status"] == "degraded"


def test_a_message_counts_as_received_when_it_was_sent_in_a_replay_alone(
    make_client, real_model, make_message, tmp_path
):
    for clock, moved in (("data", True), ("wall", False)):
        client = make_client(real_model, clock=clock, var=tmp_path / clock)
        now = client.app.state.live.now()
        sent = now - 50 * HOUR
        assert client.post("/v1/adt", content=make_message(sent), headers=HL7).status_code == 200
        known = client.app.state.live.store.inpatients(sent + HOUR)
        assert bool(known) is moved
        ahead = client.post("/v1/adt", content=make_message(now + 2 * HOUR), headers=HL7)
        assert b"MSA|AA" in ahead.content
        assert client.app.state.live.moment() <= client.app.state.live.now()


@pytest.fixture
def make_message():
    """An admission that was sent at a moment."""

    def make(at):
        said = Statement(
            trigger="A01", happened_at=at, told_at=at, sent_at=at, facility="SIM",
            control_id=f"M{at}", subject=1, spell=at, visit={"ward": "A", "site": "X"},
        )  # fmt: skip
        return write_message(said, patient=f"P{at}", visit=f"S{at}", processing="P")

    return make


def test_the_time_of_the_data_is_not_for_a_guarded_service(make_client, real_model, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    with pytest.raises(BadInput, match="HOMEWARD_CLOCK"):
        make_client(real_model, clock="data", api_keys_file=keys)
