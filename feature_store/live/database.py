"""Connections, transactions and migrations of the database; what the record keeps in it too."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Table,
    Text,
    bindparam,
    column,
    create_engine,
    event,
    func,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from feature_store.errors import BadInput, HomewardError
from feature_store.live.postgres import postgres_engine
from feature_store.live.write_ahead import into_wal

if TYPE_CHECKING:
    from types import ModuleType

VERSION_TABLE: Final = "live_store_version"
WAIT_FOR_WRITERS_SECONDS: Final = 30
LOCK: Final = 0x484F4D45  # any number, the same for every Homeward

_MIGRATIONS = Path(__file__).with_name("migrations")
_ATTEMPTS = 6
_REVISION = re.compile(r'^revision = "(\d{4})"$', re.MULTILINE)
_IN_CONFLICT = frozenset({"40001", "40P01"})  # serialisation failure, deadlock: try again

Answer = TypeVar("Answer")


class StoreUnavailable(HomewardError):
    """The database cannot be reached or written now; nothing was changed. HTTP 503."""


# ---- engines -------------------------------------------------------------------------------------


def open_engine(url: str, *, durable: bool = True, wait_seconds: float | None = None) -> Engine:
    """Engine of a database, made ready for the store.

    Parameters
    ----------
    url : str
        ``sqlite:///PATH`` or ``postgresql://...``.
    durable : bool
        Whether an acknowledged write must survive a power cut; false only for a scratch file.
    wait_seconds : float, optional
        After which a PostgreSQL server that does not answer a question is given up; never, if not
        given.

    Raises
    ------
    BadInput
        Another kind of address. It is not repeated: it may hold a password.
    """
    try:
        address = make_url(url)
    except ArgumentError as error:
        msg = "database: an address such as sqlite:///PATH or postgresql://... expected"
        raise BadInput(msg) from error
    kind = address.get_backend_name()
    if kind == "postgresql":
        return postgres_engine(address, wait_seconds=wait_seconds)
    if kind != "sqlite" or not address.database or address.database == ":memory:":
        msg = "database: sqlite:///PATH or postgresql://... expected, got another kind of address"
        raise BadInput(msg)
    return _sqlite_engine(address, durable=durable)


def _sqlite_engine(address: URL, *, durable: bool) -> Engine:
    Path(address.database or "").parent.mkdir(parents=True, exist_ok=True)
    wait = {"timeout": WAIT_FOR_WRITERS_SECONDS}
    engine = create_engine(address, hide_parameters=True, connect_args=wait)
    synchronous = "FULL" if durable else "OFF"

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        into_wal(connection, wait_seconds=WAIT_FOR_WRITERS_SECONDS)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A reader that turns writer half-way fails at once if another wrote; a writer waits here.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


# ---- transactions --------------------------------------------------------------------------------


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One unchanging view of the store for several questions.

    Raises
    ------
    StoreUnavailable
    """
    options = {"isolation_level": "REPEATABLE READ"} if _is_postgres(engine) else {"writes": False}
    with _told_plainly(), engine.connect().execution_options(**options) as connection:
        yield connection


def write(engine: Engine, work: Callable[[Connection], Answer]) -> Answer:
    """Run ``work`` in one transaction, durable when this returns; again if writers met.

    ``work`` may be run several times, and must do nothing outside the database.

    Raises
    ------
    StoreUnavailable
        Nothing was written.
    """
    with _told_plainly():
        for attempt in range(_ATTEMPTS - 1):
            try:
                return _once(engine, work)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _IN_CONFLICT:
                    raise
                time.sleep(0.01 * 2**attempt)
        return _once(engine, work)


def _once(engine: Engine, work: Callable[[Connection], Answer]) -> Answer:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        return work(connection)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Errors of the database by their kind alone: their text may quote a row."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        msg = f"the database cannot be used now ({type(cause).__name__})"
        raise StoreUnavailable(msg) from error


def take_turns(connection: Connection, lock: int = LOCK) -> None:
    """Wait until no other transaction that took this lock is open; SQLite's writers do anyway."""
    if _is_postgres(connection.engine):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose keys are new, and say how many were.

    Rows go in the order of their keys: two writers with the same rows in other orders would wait
    for each other.
    """
    if not rows:
        return 0
    if _is_postgres(connection.engine):
        names = tuple(rows[0])
        columns = {name: [row[name] for row in rows] for name in names}
        return len(connection.execute(_insert_columns(table, names), columns).all())
    fresh = sqlite.insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    return len(connection.execute(fresh, list(rows)).all())


def put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where a key is there already, its row becomes this one."""
    insert = _dialect_of(connection.engine).insert(table)
    others = {
        column.name: insert.excluded[column.name] for column in table.c if not column.primary_key
    }
    if rows:
        connection.execute(
            insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=others),
            list(rows),
        )


@lru_cache
def _insert_columns(table: Table, names: tuple[str, ...]) -> Executable:
    """Insert from an array a column: of thousands of rows the driver would parse every one."""
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - as below

    arrays = (bindparam(name, type_=postgresql.ARRAY(table.c[name].type)) for name in names)
    rows = select(*(func.unnest(array) for array in arrays))
    insert = postgresql.insert(table).from_select(list(names), rows)
    return insert.on_conflict_do_nothing().returning(*table.primary_key)


def _dialect_of(engine: Engine) -> ModuleType:
    if not _is_postgres(engine):
        return sqlite
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a tenth of a second to load

    return postgresql


def _is_postgres(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


# ---- migrations ----------------------------------------------------------------------------------


def migrate(
    engine: Engine, *, migrations: Path = _MIGRATIONS, version_table: str = VERSION_TABLE
) -> None:
    """Bring a schema up to date; whoever comes second finds it so.

    Parameters
    ----------
    engine : Engine
    migrations : Path
        Folder of the Alembic revisions; each schema in a database has its own.
    version_table : str
        Where the revision of this schema is noted.

    Raises
    ------
    BadInput
        A newer Homeward wrote this store.
    StoreUnavailable
    """
    if _revision(engine, version_table) == _newest(migrations):
        return  # the usual case, and Alembic is a third of a second to load
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.operations import Operations  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    script = ScriptDirectory(os.fspath(migrations), version_locations=[os.fspath(migrations)])

    def work(connection: Connection) -> None:
        take_turns(connection)
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": version_table,
                "script": script,
                "fn": lambda current, _context: script._upgrade_revs("head", current),  # noqa: SLF001 - what alembic.command.upgrade does, without its env.py
            },
        )
        if context.get_current_revision() != script.get_current_head():
            with Operations.context(context):
                context.run_migrations()

    try:
        write(engine, work)
    except CommandError as error:
        msg = "database: written by a newer Homeward; update this one, or name another database"
        raise BadInput(msg) from error


def _revision(engine: Engine, version_table: str) -> str | None:
    """Revision that a schema has, by Alembic's own note; None for a database without it."""
    with reading(engine) as connection:
        if not inspect(connection).has_table(version_table):
            return None
        noted = select(column("version_num", Text)).select_from(table(version_table))
        return connection.scalar(noted)


def _newest(migrations: Path) -> str:
    """Revision that a folder of migrations leads to: they are numbered, and the last counts."""
    said = [path.read_text(encoding="utf-8") for path in migrations.glob("*.py")]
    return max(str(number) for one in said for number in _REVISION.findall(one))
