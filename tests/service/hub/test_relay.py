"""The relay and the drop against a real service, on a real store of each kind."""

import json
from contextlib import closing

from feature_store.clock import HOUR
from feature_store.identity import Identity
from feature_store.live import open_store
from feature_store.live.database import reading
from feature_store.live.spell_index import read_cancelled
from homeward.relay.columns import COLUMNS
from homeward.relay.drop import Drop, ask_service
from homeward.relay.loop import Relay, World
from homeward.relay.outbox import Outbox
from homeward.relay.tracker import Kind, Outcome, Reply
from homeward.relay.trackers_file import Trackers


class Listening:
    """A tracker that takes everything."""

    name = "listening"

    def __init__(self):
        self.told = []

    def wants(self, notice):
        return notice.kind != Kind.READY

    def tell(self, notice):
        self.told.append((notice.kind, notice.spell_id))
        return Reply(Outcome.TAKEN)


def test_a_spell_that_is_taken_back_is_withdrawn(trust, hub, settings, database_url):
    key = settings.var / "pseudonym.key"
    start = trust.now - 5 * HOUR
    stay = trust.stay("1", start)
    trust.add(hub, [*stay, *trust.stay("2", start)])
    told = trust.worklist(hub, at=trust.now)
    for entry in told["entries"]:  # whatever the tiny model says
        entry["score"]["band"] = "high"
    lists = [told]
    tracker, secret = Listening(), key.read_bytes().strip()
    with (
        closing(open_store(database_url)) as store,
        closing(Outbox(database_url, secret)) as outbox,
    ):

        def cancelled(spells, at):
            with reading(store.engine) as connection:
                return read_cancelled(connection, spells, at=at)

        world = World(worklist=lambda: lists[-1], cancelled=cancelled, told=lambda _line: None)
        relay = Relay(Trackers((tracker,), 60), outbox, world)
        relay.look()
        while relay.tell(tracker):
            pass
        assert sorted(tracker.told) == [("risk.high", "S1"), ("risk.high", "S2")]
        taken_back = [one for one in stay if one["spell_id"]]
        answer = hub.post("/v1/events/retract", json={"events": taken_back})
        assert answer.json()["retracted"] == len(taken_back)
        end = trust.fact("P2", "S2", "SPELL_END", trust.now)
        trust.add(hub, [end])  # went home: nothing to withdraw
        lists.append(trust.worklist(hub))
        relay.look()
        while relay.tell(tracker):
            pass
        assert tracker.told[2:] == [("risk.withdrawn", "S1")]
        assert Identity(secret).spell("S1") == outbox.number_of("S1")


def test_a_drop_holds_everybody_on_the_list(trust, one_hub, tmp_path):
    for number in range(4):
        trust.add(one_hub, trust.stay(str(number), trust.now - 30 * HOUR, age=17 + 20 * number))

    def get(path):
        answer = one_hub.get(f"/{path}")
        return answer.json()

    made = Drop("drop", tmp_path, lambda: ask_service(get)).put()
    told = trust.worklist(one_hub)
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["rows"] == told["inpatients"] == 4
    header, *rows = (made / "worklist.csv").read_text().splitlines()
    assert header.split(",") == [one.name for one in COLUMNS]
    assert len(rows) == 4
