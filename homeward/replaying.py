"""A dataset told to a running service as time passes, only faster: a week in minutes.

Everything keeps its time of day and moves by whole days, so that the period ends now. What was
known when it begins is sent at once; then each fact is sent when it was recorded, by a clock that
runs ``speed`` times as fast. The service goes by the same clock with ``HOMEWARD_CLOCK=data``.

Facts go as events, or as a hospital sends them: admissions, moves and discharges as ADT messages,
the rest as events of the same patients.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from feature_store.clock import (
    DAY,
    SECOND,
    at_local_hour,
    local_day,
    midnights_between,
    to_moment,
)
from feature_store.dataset import open_dataset
from feature_store.errors import BadInput, Refused
from feature_store.events import NO_TIME, Events
from feature_store.hl7.retelling import FACILITY, Message, patient_number, retell
from feature_store.spells import find_spells
from feature_store.vocabulary import SPELL_END
from homeward.bedding import with_beds
from homeward.huddle import as_event

BATCH: Final = 5000
TICK_SECONDS: Final = 0.5
"""How often facts are sent; of each tick all in one request, or several if it is many."""

EVERY: Final = 100
"""After so many messages a line of progress: they go one by one."""

Post = Callable[[Sequence[dict[str, Any]]], None]
Tell = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """Facts of a period, shifted to end now, in the order in which they become known.

    Parameters
    ----------
    events : Events
    known_at : ndarray of int64
        When each becomes known, UTC microseconds, ascending.
    begin, end : int
        The period, UTC microseconds.
    messages : tuple of Message
        ADT messages, in the order in which they are sent; what they tell is not in ``events``.
    untold : int
        Facts that neither tells: ADT messages cannot repeat what holds already.
    """

    events: Events
    known_at: np.ndarray[Any, np.dtype[np.int64]]
    begin: int
    end: int
    messages: tuple[Message, ...] = ()
    untold: int = 0

    def batches(self, after: int | None, until: int) -> list[list[dict[str, Any]]]:
        """Facts that become known after a moment (None: ever) until another, by requests."""
        end = int(np.searchsorted(self.known_at, until, side="right"))
        first = 0 if after is None else int(np.searchsorted(self.known_at, after, side="right"))
        rows = range(first, end)
        authority = f"{FACILITY}|" if self.messages else ""
        return [
            [_sent(self.events, row, authority) for row in rows[place : place + BATCH]]
            for place in range(0, len(rows), BATCH)
        ]

    def told(self, after: int | None, until: int) -> Sequence[Message]:
        """Messages that are sent after a moment (None: ever) until another."""

        def sent_at(message: Message) -> int:
            return message.sent_at

        end = bisect_right(self.messages, until, key=sent_at)
        first = 0 if after is None else bisect_right(self.messages, after, key=sent_at)
        return self.messages[first:end]


def read_story(
    folder: Path, *, start: str | None, days: int, now: int, by_adt: bool = False
) -> Story:
    """Read a period of a dataset.

    Parameters
    ----------
    folder : Path
    start : str or None
        First day, as YYYY-MM-DD; None for the last days of the data.
    days : int
    now : int
        UTC microseconds; the period ends on the latest day that is over by then.
    by_adt : bool
        Whether what ADT messages can tell is told by them.

    Raises
    ------
    Refused
        The data are not synthetic: nobody's real week is played to a service.
    BadInput
        Nobody was in hospital in that period.
    """
    dataset = open_dataset(folder)
    if not dataset.manifest.synthetic:
        raise Refused(["a replay takes synthetic data only; this dataset does not say it is"])
    begin = _begin(start, dataset.manifest.until, days)
    end = begin + days * DAY
    events = with_beds(_of_the_period(dataset.read(), begin, end))
    if not len(events):
        msg = f"{folder.name}: a period with inpatients expected, found none in these {days} days"
        raise BadInput(msg)
    shift = (now - end) // DAY * DAY
    moved = replace(
        events,
        time=np.where(events.time == NO_TIME, NO_TIME, events.time + shift),
        recorded_at=np.where(events.recorded_at == NO_TIME, NO_TIME, events.recorded_at + shift),
    )
    moved = _with_nights(moved.take(np.argsort(moved.visible_at, kind="stable")))
    story = Story(moved, moved.visible_at, begin + shift, end + shift)
    return _by_adt(story) if by_adt else story


def _with_nights(events: Events) -> Events:
    """Lengths of stay counted again: the clocks may change elsewhere in a period that was moved."""
    spells = find_spells(events)
    ends = np.flatnonzero(events.rows_of(SPELL_END))
    ends = ends[np.isin(events.spell_id[ends], spells.spell_id)]
    whose = np.searchsorted(spells.spell_id, events.spell_id[ends])
    nights = events.numeric_value.copy()
    nights[ends] = midnights_between(spells.start[whose], events.time[ends])
    return replace(events, numeric_value=nights)


def _by_adt(story: Story) -> Story:
    """The same, its admissions, moves and discharges as messages."""
    retold = retell(story.events)
    rest = story.events.take(~retold.of_adt)
    return replace(
        story,
        events=rest,
        known_at=rest.visible_at,
        messages=tuple(retold.messages),
        untold=int((retold.of_adt & ~retold.told).sum()),
    )


def _begin(start: str | None, until: int, days: int) -> int:
    if start is None:
        day = local_day(np.array([until], np.int64)) - days
    else:
        day = np.array([np.datetime64(start, "D").astype(np.int64)])
    return int(at_local_hour(day, 0)[0])


def _of_the_period(events: Events, begin: int, end: int) -> Events:
    """All that became known by the end of those who were in hospital in the period."""
    spells = find_spells(events)
    here = spells.take((spells.start < end) & (spells.end > begin))
    known = events.visible_at < end
    return events.take(np.isin(events.subject_id, here.subject_id) & known)


def _sent(events: Events, row: int, authority: str) -> dict[str, Any]:
    """One event, of the patient and the spell that messages of this authority speak of."""
    fact = {"spell_id": None} | as_event(events, row)
    if fact["spell_id"] is not None:
        fact["spell_id"] = authority + fact["spell_id"]
    return {"subject_id": authority + patient_number(int(events.subject_id[row]))} | fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The world a replay happens in.

    Parameters
    ----------
    post : callable
        Sends facts.
    tell : callable
        Sends an ADT message; only a story with messages needs it.
    seconds : callable
        Monotonic seconds.
    sleep : callable
        Waits for so many seconds.
    told : callable
        Takes lines of progress.
    """

    post: Post
    seconds: Callable[[], float]
    sleep: Callable[[float], None]
    told: Callable[[str], None]
    tell: Tell = lambda _message: None


class Sent(NamedTuple):
    """How much was sent."""

    facts: int
    messages: int

    def __str__(self) -> str:
        """For a reader."""
        by_adt = f", {self.messages:,} ADT messages" if self.messages else ""
        return f"{self.facts:,} facts{by_adt}"


def play(story: Story, stage: Stage, *, speed: float) -> Sent:
    """Send a story.

    Parameters
    ----------
    story : Story
    stage : Stage
    speed : float
        Seconds of the story in a second.
    """
    sent = _send(story, stage, Sent(0, 0), None, story.begin)
    done, began = story.begin, stage.seconds()
    while done < story.end:
        stage.sleep(TICK_SECONDS)
        passed = round((stage.seconds() - began) * speed * SECOND)
        now = min(story.begin + passed, story.end)
        sent = _send(story, stage, sent, done, now)
        done = now
        stage.told(f"{to_moment(done):%a %d %b %H:%M}  {sent}")
    return sent


def _send(story: Story, stage: Stage, sent: Sent, after: int | None, until: int) -> Sent:
    """Send what became known meanwhile: who is there before what is found of them."""
    facts, messages = sent
    for message in story.told(after, until):
        stage.tell(message.raw)
        messages += 1
        if messages % EVERY == 0:
            stage.told(f"{to_moment(message.sent_at):%a %d %b %H:%M}  {Sent(facts, messages)}")
    for batch in story.batches(after, until):
        stage.post(batch)
        facts += len(batch)
    return Sent(facts, messages)
