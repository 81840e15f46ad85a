"""Databases to throw away: a SQLite file, and a database of its own on a PostgreSQL server."""

import os
import secrets
from contextlib import closing, contextmanager

import psycopg
import pytest
from sqlalchemy.engine import make_url

from feature_store.live import open_store

POSTGRES = make_url(os.environ.get("HOMEWARD_TEST_POSTGRES_URL", "postgresql://127.0.0.1:5432"))


@contextmanager
def postgres_database():
    """Create a database, hand out its address, drop it."""
    server = POSTGRES.set(
        username=POSTGRES.username or "postgres", database=POSTGRES.database or "postgres"
    )
    name = f"homeward_test_{secrets.token_hex(6)}"
    with closing(_connect(server)) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with closing(_connect(server)) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _connect(server):
    return psycopg.connect(server.render_as_string(hide_password=False), autocommit=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request, tmp_path):
    """Address of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'live.db'}"
        return
    with postgres_database() as url:
        yield url


@pytest.fixture
def store(database_url):
    """A live store of each kind."""
    with closing(open_store(database_url)) as opened:
        yield opened


@pytest.fixture
def sqlite_store(tmp_path):
    """A live store where the kind does not matter."""
    with closing(open_store(f"sqlite:///{tmp_path / 'live.db'}", durable=False)) as opened:
        yield opened
