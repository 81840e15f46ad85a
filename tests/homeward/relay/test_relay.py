"""From looks to deliveries: each notice reaches each tracker, whatever breaks in between."""

import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import select

from feature_store.clock import DAY, SECOND, to_moment
from feature_store.live.database import reading
from homeward.relay.outbox import KEPT_DAYS, KEPT_DAYS_OF_A_STAY, LEASE_SECONDS, WAITS
from homeward.relay.schema import DELIVERIES, NOTICES
from homeward.relay.tracker import Kind


def kinds(receiver):
    return [one["type"] for one in receiver.told]


def tell_all(relay):
    """Tell every tracker all that is due; what became of it."""
    became = []
    for tracker in relay.trackers.trackers:
        while (one := relay.tell(tracker)) is not None:
            became.append(one)
    return became


def test_a_high_risk_is_told_once_a_stay_and_a_rise_once_a_day(
    relay_of, receivers, webhook, world, made
):
    receiver = receivers()
    relay = relay_of(webhook(receiver))
    world.list = made.list(
        made.entry("S1"),
        made.entry("S2", band="low", change="rising"),
        made.entry("S3", band="low"),
    )
    for _ in range(3):  # looking again tells nothing twice
        relay.look()
        tell_all(relay)
    assert sorted(kinds(receiver)) == ["risk.high", "risk.rising"]
    world.list = world.list | {"at": "2026-01-15T06:00:00+00:00"}
    relay.look()
    tell_all(relay)
    assert sorted(kinds(receiver)) == ["risk.high", "risk.rising", "risk.rising"]
    assert len(set(receiver.ids)) == 3


@pytest.mark.parametrize(
    "quiet",
    [{"section": "awaiting_discharge"}, {"band": "medium"}, {"so_far": 30}],
    ids=["ready to leave", "not high", "nothing ahead"],
)
def test_what_is_no_news_is_not_told(relay_of, receivers, webhook, world, made, quiet):
    receiver = receivers()
    relay = relay_of(webhook(receiver))
    world.list = made.list(made.entry("S1", **quiet))
    assert relay.look() == 0
    assert tell_all(relay) == []


def test_failures_are_tried_again_later_under_the_same_identifier(
    relay_of, database_url, receivers, webhook, world, made
):
    receiver = receivers()
    receiver.answers = [(500, {}), (503, {"Retry-After": "600"})]
    relay = relay_of(webhook(receiver), url=database_url)
    world.list = made.list(made.entry("S1"))
    relay.look()
    assert tell_all(relay) == ["waiting"]
    world.now += (WAITS[0] - 1) * SECOND
    assert tell_all(relay) == []
    world.now += SECOND
    assert tell_all(relay) == ["waiting"]
    world.now += 599 * SECOND  # longer than the schedule, as asked
    assert tell_all(relay) == []
    world.now += SECOND
    assert tell_all(relay) == ["taken"]
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.got}) == 1


def test_what_was_taken_is_told_no_more_after_a_restart_and_what_waits_is(
    relay_of, database_url, receivers, webhook, world, made
):
    receiver = receivers()
    receiver.answers = [(204, {}), (500, {})]
    relay = relay_of(webhook(receiver), url=database_url)
    world.list = made.list(made.entry("S1"), made.entry("S2"))
    relay.look()
    assert sorted(tell_all(relay)) == ["taken", "waiting"]
    again = relay_of(webhook(receiver), url=database_url)
    again.look()
    world.now += WAITS[0] * SECOND
    assert tell_all(again) == ["taken"]
    first, *rest = receiver.ids
    assert first not in rest
    assert len(set(rest)) == 1


def test_a_death_between_taking_and_telling_loses_nothing(
    relay_of, receivers, webhook, world, made
):
    receiver = receivers()
    relay = relay_of(webhook(receiver))
    world.list = made.list(made.entry("S1"))
    relay.look()
    assert relay.outbox.take("tasks", now=world.now) is not None  # and the process dies
    again = relay_of(webhook(receiver))
    assert tell_all(again) == []
    world.now += LEASE_SECONDS * SECOND
    assert tell_all(again) == ["taken"]


def test_two_relays_tell_each_notice_once(relay_of, database_url, receivers, webhook, world, made):
    receiver = receivers()
    relays = [relay_of(webhook(receiver), url=database_url) for _ in range(2)]
    world.list = made.list(*(made.entry(f"S{number}") for number in range(20)))
    together = threading.Barrier(2)

    def work(relay):
        together.wait()
        relay.look()
        for _ in range(40):  # a question may find nothing because the other was faster
            relay.tell(relay.trackers.trackers[0])

    workers = [threading.Thread(target=work, args=(one,)) for one in relays]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(receiver.ids) == len(set(receiver.ids)) == 20


def test_one_looks_at_a_time(relay_of, database_url, world):
    first, second = (relay_of(url=database_url) for _ in range(2))
    turns = [one.outbox.may_look(now=world.now, every_seconds=60) for one in (first, second, first)]
    assert turns == [True, False, False]
    assert second.outbox.may_look(now=world.now + 60 * SECOND, every_seconds=60)


def test_after_three_days_it_is_given_up_and_counted(relay_of, receivers, webhook, world, made):
    receiver = receivers()
    receiver.answers = [(500, {})] * 20
    relay = relay_of(webhook(receiver))
    world.list = made.list(made.entry("S1"))
    relay.look()
    began, became = world.now, []
    for wait in (*WAITS, 0):
        became += tell_all(relay)
        world.now += wait * SECOND
    assert became == ["waiting"] * len(WAITS) + ["given up"]
    assert 3 * DAY <= world.now - began < 4 * DAY
    assert relay.outbox.standings() == {"tasks": {"given up": 1}}
    relay.look()
    assert tell_all(relay) == []


def test_a_cancelled_spell_is_withdrawn_once_and_told_anew_if_it_comes_back(
    relay_of, database_url, receivers, webhook, world, made
):
    receiver = receivers()
    relay = relay_of(webhook(receiver), url=database_url)
    steps = [
        (made.list(made.entry("S1"), made.entry("S2")), set()),
        (made.list(made.entry("S1")), set()),  # S2 went home: nothing to tell
        (made.list(), {"S1"}),
        (made.list(), {"S1"}),
        (made.list(made.entry("S1")), set()),
        (made.list(), {"S1"}),
    ]
    for minute, (worklist, cancelled) in enumerate(steps):
        world.list = worklist | {"at": f"2026-01-14T06:0{minute}:00+00:00"}
        world.cancelled = cancelled
        relay.look()
        tell_all(relay)
    told = [(one["type"], one["data"]["spell_id"]) for one in receiver.told]
    assert sorted(told[:2]) == [("risk.high", "S1"), ("risk.high", "S2")]
    assert told[2:] == [("risk.withdrawn", "S1"), ("risk.high", "S1"), ("risk.withdrawn", "S1")]
    assert len(set(receiver.ids)) == 5


def test_what_is_settled_is_forgotten_in_time_and_what_waits_is_not(
    relay_of, database_url, receivers, webhook, world, made
):
    receiver = receivers()
    relay = relay_of(webhook(receiver), url=database_url)

    def look_after(days, *entries):
        world.now += days * DAY
        world.list = made.list(*entries, at=to_moment(world.now).isoformat())
        relay.look()
        with reading(relay.outbox._engine) as connection:
            assert len(connection.execute(select(DELIVERIES)).all()) <= 2
            return sorted(connection.scalars(select(NOTICES.c.kind)))

    stays = made.entry("S1")
    rises = made.entry("S2", band="low", change="rising")
    assert look_after(0, stays, rises) == ["risk.high", "risk.rising"]
    receiver.answers = [(500, {}), (500, {})]
    assert tell_all(relay) == ["waiting", "waiting"]
    assert look_after(KEPT_DAYS + 1, stays) == ["risk.high", "risk.rising"]  # they wait
    assert tell_all(relay) == ["taken", "taken"]
    assert look_after(0, stays) == ["risk.high"]
    assert tell_all(relay) == []  # still there, and not told again
    assert look_after(KEPT_DAYS_OF_A_STAY, made.entry("S3", band="low")) == []
    assert kinds(receiver)[2:] in (["risk.high", "risk.rising"], ["risk.rising", "risk.high"])


def test_a_tracker_that_breaks_stops_no_other(relay_of, receivers, webhook, world, made):
    class Broken:
        name = "broken"

        def wants(self, _notice):
            return True

        def tell(self, notice):
            raise ValueError(notice.spell_id)

    receiver = receivers()
    relay = relay_of(Broken(), webhook(receiver))
    world.list = made.list(made.entry("S1"))
    relay.look()
    assert sorted(tell_all(relay)) == ["taken", "waiting", "waiting"]
    assert "S1" not in "\n".join(world.lines)


def test_a_running_relay_tells_and_stops(relay_of, receivers, webhook, world, made):
    receiver = receivers()
    relay = relay_of(webhook(receiver, kinds=frozenset({Kind.HIGH, Kind.READY})))
    world.list = made.list(made.entry("S1"))
    stop = threading.Event()
    running = threading.Thread(target=relay.run, args=(stop,))
    running.start()
    for _ in range(200):
        if len(receiver.got) == 2:
            break
        threading.Event().wait(0.05)
    stop.set()
    running.join(timeout=10)
    assert not running.is_alive()
    assert sorted(kinds(receiver)) == ["risk.high", "worklist.ready"]


def test_the_outbox_names_no_spell_in_the_clear(
    relay_of, receivers, webhook, world, made, tmp_path
):
    path = tmp_path / "outbox.db"
    relay = relay_of(webhook(receivers()), url=f"sqlite:///{path}")
    world.list = made.list(made.entry("SPELL-4711"))
    relay.look()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"risk.high" in content
    assert b"4711" not in content.replace(b"score-of-SPELL-4711", b"")
