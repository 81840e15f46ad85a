"""Notices in the database until every tracker took them: a restart loses none.

At least once: between a receiver's yes and its note here a process can die, and then the notice is
told again, under the same identifier. What was noted as taken is never told again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, delete, func, or_, select, update

from feature_store.clock import DAY, SECOND, to_microseconds, to_moment
from feature_store.identity import Identity
from feature_store.live.database import insert_new, migrate, open_engine, reading, write
from feature_store.live.names import open_name, seal_name
from homeward.relay.schema import DELIVERIES, LOOKS, NOTICES, VERSION_TABLE
from homeward.relay.tracker import Kind, Notice, Outcome, Reply, Tracker

WAITS: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before the second and each later attempt: three days in all."""
SPREAD: Final = 0.2
"""Share by which a wait is lengthened at random, so that what failed together comes back apart."""
LEASE_SECONDS: Final = 120
"""For how long a delivery is in the hands of the process that took it; longer than any attempt."""
REMEMBERED_DAYS: Final = 90
"""How long a spell that was told of is watched for its withdrawal."""
KEPT_DAYS: Final = 90
"""After which a notice that cannot come again is deleted, once it is settled."""
KEPT_DAYS_OF_A_STAY: Final = 400
"""The same for what is told once a stay: forgotten sooner, it would be told again."""
ONCE_A_STAY: Final = (Kind.HIGH.value, Kind.WITHDRAWN.value)
MOST_AT_ONCE: Final = 1000
WAIT_SECONDS: Final = 8
"""After which a database that does not answer is taken for gone."""
GIVEN_UP: Final = "given up"
WAITING: Final = "waiting"

_MIGRATIONS = Path(__file__).with_name("migrations")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice in this process's hands.

    Parameters
    ----------
    notice : Notice
    tracker : str
    attempt : int
        From 1.
    """

    notice: Notice
    tracker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Told:
    """A spell that trackers were told of.

    Parameters
    ----------
    spell : int
        Pseudonym.
    name, site : str or None
    turn : int
        How often it was withdrawn before.
    """

    spell: int
    name: str | None
    site: str | None
    turn: int


class Outbox:
    """The outbox of a database.

    Parameters
    ----------
    url : str
    secret : bytes
        The pseudonym key: it makes numbers of spells and seals their names.
    chance : callable
        A number from 0 to 1, to spread waits.

    Raises
    ------
    BadInput, StoreUnavailable
    """

    def __init__(
        self, url: str, secret: bytes, chance: Callable[[], float] = random.random
    ) -> None:
        self._engine: Engine = open_engine(url, wait_seconds=WAIT_SECONDS)
        migrate(self._engine, migrations=_MIGRATIONS, version_table=VERSION_TABLE)
        self._secret = secret
        self._chance = chance
        self.number_of = Identity(secret).spell

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    # ---- notices in ------------------------------------------------------------------------------

    def keep(self, notices: Sequence[Notice], trackers: Iterable[Tracker], *, now: int) -> int:
        """Keep what is new, for those who want it; return how many deliveries that makes."""
        wanting = list(trackers)
        wanted = {one: [to.name for to in wanting if to.wants(one)] for one in notices}
        rows = [self._row(notice) for notice, names in wanted.items() if names]
        due = [
            {"notice_id": notice.notice_id, "tracker": name, "next_at": now, "attempts": 0}
            for notice, names in wanted.items()
            for name in names
        ]

        def work(connection: Connection) -> int:
            insert_new(connection, NOTICES, sorted(rows, key=lambda row: str(row["notice_id"])))
            ordered = sorted(due, key=lambda row: (str(row["notice_id"]), str(row["tracker"])))
            return insert_new(connection, DELIVERIES, ordered)

        return write(self._engine, work)

    def _row(self, notice: Notice) -> dict[str, Any]:
        name = notice.spell_id
        spell = None if name is None else self.number_of(name)
        sealed = seal_name(self._secret, spell, name)
        return {
            "notice_id": notice.notice_id,
            "kind": notice.kind.value,
            "at": to_microseconds(notice.at),
            "spell": spell,
            "sealed": None if spell is None else sealed[spell],
            "score_id": notice.score_id,
            "site": notice.site,
        }

    def forget(self, *, now: int) -> int:
        """Delete notices that are old and settled, the oldest first; return how many."""
        waits = select(DELIVERIES.c.notice_id).where(
            DELIVERIES.c.notice_id == NOTICES.c.notice_id, DELIVERIES.c.next_at.is_not(None)
        )
        is_old = or_(
            NOTICES.c.at < now - KEPT_DAYS_OF_A_STAY * DAY,
            and_(NOTICES.c.at < now - KEPT_DAYS * DAY, NOTICES.c.kind.not_in(ONCE_A_STAY)),
        )
        query = select(NOTICES.c.notice_id).where(is_old, ~waits.exists())
        query = query.order_by(NOTICES.c.at).limit(MOST_AT_ONCE)

        def work(connection: Connection) -> int:
            old = connection.scalars(query).all()
            for table in (DELIVERIES, NOTICES):
                connection.execute(delete(table).where(table.c.notice_id.in_(old)))
            return len(old)

        return write(self._engine, work)

    def turns(self) -> dict[int, int]:
        """How often each spell was withdrawn, of those that ever were."""
        query = (
            select(NOTICES.c.spell, func.count().label("turns"))
            .where(NOTICES.c.kind == Kind.WITHDRAWN.value)
            .group_by(NOTICES.c.spell)
        )
        with reading(self._engine) as connection:
            return {row.spell: row.turns for row in connection.execute(query)}

    def standing(self, *, since: datetime) -> list[Told]:
        """Spells told of lately, and not withdrawn after that."""
        begin = to_microseconds(since) - REMEMBERED_DAYS * DAY
        query = (
            select(NOTICES)
            .where(NOTICES.c.spell.is_not(None), NOTICES.c.at >= begin)
            .order_by(NOTICES.c.at, NOTICES.c.kind)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        turns = self.turns()
        found: dict[int, Told | None] = {}
        for row in rows:
            name = open_name(self._secret, row.spell, row.sealed)
            is_over = row.kind == Kind.WITHDRAWN.value
            told = Told(row.spell, name, row.site, turns.get(row.spell, 0))
            found[row.spell] = None if is_over else told
        return [told for told in found.values() if told is not None]

    # ---- notices out -----------------------------------------------------------------------------

    def take(self, tracker: str, *, now: int) -> Delivery | None:
        """Take the delivery that is due longest; nobody else can take it for a while."""

        def work(connection: Connection) -> Any:
            due = DELIVERIES.c.next_at
            row = connection.execute(
                select(DELIVERIES.c.notice_id, due, DELIVERIES.c.attempts)
                .where(DELIVERIES.c.tracker == tracker, due <= now)
                .order_by(due, DELIVERIES.c.notice_id)
                .limit(1)
            ).first()
            if row is None:
                return None
            mine = and_(self._this(row.notice_id, tracker), due == row.next_at)
            lease = {"next_at": now + LEASE_SECONDS * SECOND, "attempts": row.attempts + 1}
            taken = connection.execute(update(DELIVERIES).where(mine).values(lease)).rowcount
            if not taken:
                return None  # another was faster; the next question finds what is left
            one = select(NOTICES).where(NOTICES.c.notice_id == row.notice_id)
            return connection.execute(one).one(), row.attempts + 1

        taken = write(self._engine, work)
        return None if taken is None else Delivery(self._notice(taken[0]), tracker, taken[1])

    def _notice(self, row: Any) -> Notice:
        name = None if row.spell is None else open_name(self._secret, row.spell, row.sealed)
        return Notice(
            notice_id=row.notice_id,
            kind=Kind(row.kind),
            at=to_moment(row.at),
            spell_id=name,
            score_id=row.score_id,
            site=row.site,
        )

    def settle(self, delivery: Delivery, reply: Reply, *, now: int) -> str:
        """Note what a tracker said, and return what that makes of the delivery."""
        values: dict[str, Any] = {"why": reply.why, "next_at": None, "outcome": reply.outcome.value}
        if reply.outcome == Outcome.AGAIN:
            wait = self._wait(delivery.attempt, reply.after_seconds)
            values["outcome"] = GIVEN_UP if wait is None else None
            values["next_at"] = None if wait is None else now + round(wait * SECOND)
        this = self._this(delivery.notice.notice_id, delivery.tracker)
        change = update(DELIVERIES).where(this).values(values)
        write(self._engine, lambda connection: connection.execute(change).rowcount)
        return str(values["outcome"] or WAITING)

    def _wait(self, attempt: int, asked: float) -> float | None:
        if attempt > len(WAITS):
            return None
        return max(asked, WAITS[attempt - 1]) * (1 + SPREAD * self._chance())

    @staticmethod
    def _this(notice_id: str, tracker: str) -> Any:
        return and_(DELIVERIES.c.notice_id == notice_id, DELIVERIES.c.tracker == tracker)

    def standings(self) -> Mapping[str, dict[str, int]]:
        """How many deliveries of each tracker wait, were taken, refused or given up."""
        query = select(DELIVERIES.c.tracker, DELIVERIES.c.outcome, func.count()).group_by(
            DELIVERIES.c.tracker, DELIVERIES.c.outcome
        )
        counts: dict[str, Counter[str]] = {}
        with reading(self._engine) as connection:
            for tracker, outcome, count in connection.execute(query):
                counts.setdefault(tracker, Counter())[outcome or WAITING] += count
        return {tracker: dict(sorted(of.items())) for tracker, of in sorted(counts.items())}

    # ---- who looks -------------------------------------------------------------------------------

    def may_look(self, *, now: int, every_seconds: int) -> bool:
        """Whether it is this process's turn to look; then nobody else's until it is due again."""

        def work(connection: Connection) -> bool:
            insert_new(connection, LOOKS, [{"look": "worklist", "next_at": 0}])
            later = {"next_at": now + every_seconds * SECOND}
            due = and_(LOOKS.c.look == "worklist", LOOKS.c.next_at <= now)
            return connection.execute(update(LOOKS).where(due).values(later)).rowcount == 1

        return write(self._engine, work)
