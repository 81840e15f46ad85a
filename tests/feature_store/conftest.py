"""Live stores to throw away."""

from contextlib import closing

import pytest

from feature_store.live import open_store


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
