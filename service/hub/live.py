"""The live store as the service sees it: opened when first asked for, in threads, or 503."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from feature_store.errors import BadInput, HomewardError
from feature_store.live import LiveStore, StoreUnavailable, open_store
from feature_store.live.census import Census
from feature_store.live.database import reading
from feature_store.live.history import last_recording
from feature_store.live.names import open_name, read_names
from service.logs import LOGGER
from service.problems import Problem, unavailable

RETRY_STORE_SECONDS: Final = 2

WAIT_SECONDS: Final = 8
"""Reading a large hospital takes one; a database that takes longer than this is taken for gone."""

QUIET_SECONDS: Final = 0.25
"""After it was gone it is left alone for so long: those who queued up are told at once."""

_log = logging.getLogger(LOGGER)

Answer = TypeVar("Answer")


def number_of(spell: int) -> str:
    """What a spell without a name is called.

    >>> number_of(255)
    '#00000000000000ff'
    """
    return f"#{spell:016x}"


class Live:
    """The live store of one service, with the census and the names that belong to it.

    Parameters
    ----------
    url : str
    secret : bytes
        Keys pseudonyms and seals names.
    by_data : bool
        Whether it is always the moment of the newest event: for a replay, never for a live feed.
    clock : callable
        Nanoseconds since 1970 in UTC.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        by_data: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._url = url
        self.secret = secret
        self._clock = clock
        self.by_data = by_data
        self._lock = Lock()
        self._store: LiveStore | None = None
        self._census: Census | None = None
        self._names: dict[int, str] = {}
        self._quiet_until = 0.0

    def now(self) -> int:
        """What the clock on the wall says, UTC microseconds."""
        return self._clock() // 1000

    def received(self, sent_at: int | None) -> int:
        """When a message counts as received, UTC microseconds.

        Parameters
        ----------
        sent_at : int or None
            When it says it was sent. In a replay that is when it arrived: messages of a week that
            come within minutes must not all be known in the first.
        """
        now = self.now()
        return now if sent_at is None or not self.by_data else min(sent_at, now)

    def moment(self) -> int:
        """Moment that questions are about, UTC microseconds; blocks.

        Raises
        ------
        StoreUnavailable
        """
        if not self.by_data:
            return self.now()
        with reading(self.store.engine) as connection:
            return min(last_recording(connection), self.now())

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do blocking work on the store in a thread.

        Raises
        ------
        Problem
            503: the store cannot be used now; nothing was kept.
        """
        if time.monotonic() < self._quiet_until:
            raise _away()
        try:
            return await asyncio.to_thread(work)
        except StoreUnavailable as error:
            _log.error("live store not reached", extra={"fields": {"error": str(error)}})
            if isinstance(error.__cause__, OperationalError):  # it, not what it was asked
                self._quiet_until = time.monotonic() + QUIET_SECONDS
            raise _away() from None

    # ---- in a thread -----------------------------------------------------------------------------

    @property
    def store(self) -> LiveStore:
        """The store, opened once; blocks.

        Raises
        ------
        StoreUnavailable
        """
        with self._lock:
            if self._store is None:
                self._store = self._opened()
                self._census = Census(self._store)
            return self._store

    @property
    def census(self) -> Census:
        """The inpatients of the store, from memory."""
        _ = self.store
        if self._census is None:  # pragma: no cover - opened together
            raise StoreUnavailable("the live store is not open")
        return self._census

    def _opened(self) -> LiveStore:
        try:
            return open_store(self._url, wait_seconds=WAIT_SECONDS)
        except (BadInput, OSError) as error:
            told = str(error) if isinstance(error, HomewardError) else type(error).__name__
            msg = f"the live store cannot be opened ({told})"
            raise StoreUnavailable(msg) from error

    def names(self, spells: list[int]) -> dict[int, str]:
        """Name of each spell, as it was sent; of one that came without a name, its number."""
        missing = [spell for spell in spells if spell not in self._names]
        with reading(self.store.engine) as connection:
            self._names |= self._read(connection, missing)
        return {spell: self._names.get(spell, number_of(spell)) for spell in spells}

    def _read(self, connection: Connection, spells: list[int]) -> dict[int, str]:
        opened = {
            spell: open_name(self.secret, spell, sealed)
            for spell, sealed in read_names(connection, spells).items()
        }
        return {spell: name for spell, name in opened.items() if name is not None}

    def close(self) -> None:
        """Let go of every connection."""
        if self._store is not None:
            self._store.close()


def _away() -> Problem:
    return unavailable("The live store cannot be used.", retry_after_seconds=RETRY_STORE_SECONDS)
