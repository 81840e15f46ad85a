"""Connections to PostgreSQL, for questions of a few hundred rows and for no longer than agreed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import URL, Engine, create_engine, event

if TYPE_CHECKING:
    import psycopg  # loaded where it is wanted
    from psycopg.abc import PQGen

CONNECT_SECONDS: Final = 5
INTERRUPT_SECONDS: Final = 0.1
"""How often a connection that waits looks for Ctrl-C; what psycopg itself takes."""

Answer = TypeVar("Answer")


def postgres_engine(address: URL, *, wait_seconds: float | None) -> Engine:
    """Engine of a PostgreSQL database.

    Parameters
    ----------
    address : URL
    wait_seconds : float or None
        After which a server that does not answer a question is given up, and the connection with
        it; None waits for as long as the network holds.
    """
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        # A server set up without a locale would hand out text as bytes.
        connect_args={"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        # Whatever is asked here is a few hundred rows by index. The planner, who cannot know how
        # few people a patient is, would rather read the whole table, and compile the query first.
        for setting in ("jit", "enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            connection.execute(f"SET {setting} = off")
        connection.commit()

    if wait_seconds is not None:
        kind = _impatient(wait_seconds)

        @event.listens_for(engine, "do_connect")
        def _connect(
            _dialect: object, _record: object, words: list[Any], named: dict[str, Any]
        ) -> psycopg.Connection[Any]:
            return kind.connect(*words, **named)

    return engine


def _impatient(wait_seconds: float) -> type[psycopg.Connection[Any]]:
    """A connection that does not wait for ever.

    Timeouts of the server do not help where it stands still, and those of TCP not where something
    between here and there (a balancer, a pool) still takes what is sent.
    """
    import psycopg  # noqa: PLC0415 - most stores are SQLite

    class Impatient(psycopg.Connection[Any]):
        def wait(
            self,
            gen: PQGen[Answer],
            interval: float = INTERRUPT_SECONDS,
            timeout: float | None = None,
        ) -> Answer:
            began = time.monotonic()
            try:
                return super().wait(gen, interval, wait_seconds if timeout is None else timeout)
            except psycopg.OperationalError:
                if time.monotonic() - began >= wait_seconds:
                    self.pgconn.finish()  # nobody knows where in the conversation it stands
                raise

    return Impatient
