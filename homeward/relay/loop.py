"""Look at the worklist, keep what is new, tell each tracker in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import Any, Final

from feature_store.clock import to_microseconds
from feature_store.live.database import StoreUnavailable
from homeward.client import Problem, Unreachable
from homeward.relay.noticing import notices_of, withdrawal
from homeward.relay.outbox import WAITING, Outbox
from homeward.relay.tracker import Notice, Outcome, Reply, Tracker
from homeward.relay.trackers_file import Trackers

POLL_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a relay stands in.

    Parameters
    ----------
    worklist : callable
        Asks the service for today's list, of every site.
    cancelled : callable
        Which of these spells, at a moment (UTC microseconds), the store knows to have been and no
        longer to be.
    told : callable
        Takes lines for an operator, without a value of a patient.
    now : callable
        UTC microseconds.
    """

    worklist: Callable[[], Json]
    cancelled: Callable[[Sequence[int], int], set[int]]
    told: Callable[[str], None]
    now: Callable[[], int] = lambda: time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Relay:
    """The trackers of an installation and what they are still to be told."""

    trackers: Trackers
    outbox: Outbox
    world: World

    def look(self) -> int:
        """Look once; return how many deliveries that makes."""
        worklist = self.world.worklist()
        number_of, turns = self.outbox.number_of, self.outbox.turns()
        notices = notices_of(worklist, number_of, turns) + self._withdrawn(worklist)
        self.outbox.forget(now=self.world.now())
        return self.outbox.keep(notices, self.trackers.trackers, now=self.world.now())

    def _withdrawn(self, worklist: Json) -> list[Notice]:
        at = datetime.fromisoformat(worklist["at"])
        listed = {one["spell_id"] for one in (*worklist["entries"], *worklist["refused"])}
        gone = [one for one in self.outbox.standing(since=at) if one.name not in listed]
        cancelled = self.world.cancelled([one.spell for one in gone], to_microseconds(at))
        return [
            withdrawal(one.name, (one.spell, one.turn), at=at, site=one.site)
            for one in gone
            if one.spell in cancelled and one.name is not None
        ]

    def tell(self, tracker: Tracker) -> str | None:
        """Tell a tracker what is due longest; None if nothing is."""
        delivery = self.outbox.take(tracker.name, now=self.world.now())
        if delivery is None:
            return None
        try:
            reply = tracker.tell(delivery.notice)
        except Exception as error:  # noqa: BLE001 - a trust's own code: its fault stops no other
            reply = Reply(Outcome.AGAIN, type(error).__name__)
        became = self.outbox.settle(delivery, reply, now=self.world.now())
        self.world.told(f"{tracker.name}: {delivery.notice.kind} {became} {reply.why}".rstrip())
        return became

    def run(self, stop: Event) -> None:
        """Work until told to stop; what is under way is finished."""
        workers = [
            Thread(target=self._serve, args=(one, stop), name=one.name)
            for one in self.trackers.trackers
        ]
        for worker in workers:
            worker.start()
        while not stop.is_set():
            self._look_in_turn()
            stop.wait(POLL_SECONDS)
        for worker in workers:
            worker.join()

    def _look_in_turn(self) -> None:
        every = self.trackers.look_seconds
        try:
            if self.outbox.may_look(now=self.world.now(), every_seconds=every):
                self.look()
        except (Problem, Unreachable, StoreUnavailable) as error:
            self.world.told(f"the worklist could not be looked at: {type(error).__name__}")

    def _serve(self, tracker: Tracker, stop: Event) -> None:
        """A receiver that is down is not asked once for each notice that waits."""
        failures = 0
        while not stop.is_set():
            try:
                became = self.tell(tracker)
            except StoreUnavailable as error:
                self.world.told(f"{tracker.name}: {type(error).__name__}")
                became = WAITING
            failures = failures + 1 if became == WAITING else 0
            if became is None or failures:
                stop.wait(min(POLL_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))
