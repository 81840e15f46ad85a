"""A simulated trust played to the service: the worklist goes by the time of the data."""

import pytest

from feature_store.errors import BadInput
from feature_store.simulation import TrustSettings, simulate
from homeward.replaying import Stage, play, read_story


def test_the_worklist_moves_through_the_week(trust, make_client, real_model, tmp_path):
    folder = tmp_path / "trust"
    simulate(TrustSettings(spells=150, days=40, seed=5), folder)
    client = make_client(real_model, clock="data", least_completeness=0.0, worklist_seconds=1)
    story = read_story(folder, start=None, days=4, now=client.app.state.live.now())
    seen, world = [], {"now": 0.0}

    def sleep(seconds):
        world["now"] += seconds
        seen.append(trust.worklist(client))

    stage = Stage(
        post=lambda batch: trust.add(client, batch),
        seconds=lambda: world["now"],
        sleep=sleep,
        told=lambda _line: None,
    )
    play(story, stage, speed=4 * 86_400 / 6)
    moments = [one["at"] for one in seen]
    assert moments == sorted(moments)
    assert len({one[:10] for one in moments}) >= 3
    assert len({one["inpatients"] for one in seen}) > 1
    assert all(one["data"]["stale"] is False or one["entries"] for one in seen)
    assert client.get("/health/ready").json()["status"] == "degraded"


def test_the_time_of_the_data_is_not_for_a_guarded_service(make_client, real_model, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    with pytest.raises(BadInput, match="HOMEWARD_CLOCK"):
        make_client(real_model, clock="data", api_keys_file=keys)
