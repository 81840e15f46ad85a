"""What opening the live store must not do: tell secrets, take anything for a database."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from feature_store.errors import BadInput
from feature_store.live import StoreUnavailable, open_store
from feature_store.live.write_ahead import into_wal


def test_a_database_that_is_away_is_told_without_its_address():
    with pytest.raises(StoreUnavailable, match="cannot be used now") as failure:
        open_store("postgresql://nurse:hunter2@127.0.0.1:1/live")
    assert "hunter2" not in str(failure.value)


@pytest.mark.parametrize("url", ["", "live.db", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_another_kind_of_address_is_refused_without_being_repeated(url):
    with pytest.raises(BadInput, match="expected") as refusal:
        open_store(url)
    assert not url or url not in str(refusal.value).replace("sqlite:///PATH", "")


def test_the_service_loads_migrations_and_messages_only_when_there_are_any():
    program = (
        "import sys, service.app, models.bundle, feature_store.compute, feature_store.identity\n"
        "print(*{'alembic', 'hl7', 'nhs_number'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_a_file_that_another_is_opening_is_waited_for(tmp_path):
    path = tmp_path / "new.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as first,
        closing(sqlite3.connect(path, timeout=0)) as second,
    ):
        first.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            into_wal(second, wait_seconds=0)
        release = threading.Timer(0.5, first.execute, ["COMMIT"])
        release.start()
        into_wal(second, wait_seconds=30)
        release.join()
        assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)
