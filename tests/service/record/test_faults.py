"""The database is slow, gone, full or shared, and writers are killed: no answer without its row."""

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from sqlalchemy import select

from feature_store.live.database import open_engine, take_turns
from service.record import AuditUnavailable, Record, SqliteAudit, open_audit
from service.record.schema import SCORES
from service.record.verification import verify


def until_kept(wait, audit, row, seconds=10):
    """Append until it is kept; how long the database took to be found again."""
    began = time.monotonic()
    while True:
        try:
            wait(audit.append([row]))
        except AuditUnavailable:
            assert time.monotonic() - began < seconds
            time.sleep(0.05)
        else:
            return time.monotonic() - began


@contextmanager
def disposing(engine):
    yield engine
    engine.dispose()


def proof_of(url):
    with closing(Record(url)) as record:
        proof = verify(record.engine)
        with record.engine.connect() as connection:
            kept = set(connection.scalars(select(SCORES.c.score_id)))
    assert proof.faults == []
    return kept


@pytest.mark.postgres
def test_a_database_that_goes_and_comes_is_found_again(wire, postgres_url, a_row, wait):
    with closing(open_audit(wire.url)) as audit:
        wait(audit.append([a_row(1)]))
        wire.cut()
        for number in (2, 3):
            began = time.monotonic()
            with pytest.raises(AuditUnavailable):
                wait(audit.append([a_row(number)]))
            assert time.monotonic() - began < 4
        wire.mend()
        assert until_kept(wait, audit, a_row(4)) < 5
    assert proof_of(postgres_url) == {"score-1", "score-4"}


@pytest.mark.postgres
def test_a_database_that_stands_still_does_not_hold_an_answer_for_long(
    wire, postgres_url, a_row, wait
):
    with closing(open_audit(wire.url)) as audit:
        wait(audit.append([a_row(1)]))
        wire.hold()
        began = time.monotonic()
        with pytest.raises(AuditUnavailable):
            wait(audit.append([a_row(2)]))
        assert time.monotonic() - began < 5
        wire.mend()
        until_kept(wait, audit, a_row(3))
    assert proof_of(postgres_url) >= {"score-1", "score-3"}  # nobody relied on the second


@pytest.mark.postgres
def test_a_service_starts_without_its_database_and_uses_it_once_it_is_there(
    wire, make_client, fake_model, request_body
):
    wire.cut()
    client = make_client(fake_model, database_url=wire.url)
    answer = client.post("/v1/scores", json=request_body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    wire.mend()
    deadline = time.monotonic() + 10
    while client.post("/v1/scores", json=request_body).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_full_disk_keeps_nothing_by_half_and_recovers(tmp_path, a_row, wait):
    path = tmp_path / "homeward.db"
    with closing(SqliteAudit(path)) as audit:
        wait(audit.append([a_row(0)]))
        pages = audit._connection.execute("PRAGMA page_count").fetchone()[0]
        audit._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        kept = {"score-0"}
        number = 0
        with suppress(AuditUnavailable):
            while number < 1000:
                number += 1
                wait(audit.append([a_row(number)]))
                kept.add(f"score-{number}")
        assert number < 1000
        with pytest.raises(AuditUnavailable):
            wait(audit.append([a_row(one) for one in range(2000, 2200)]))
        audit._connection.execute("PRAGMA max_page_count = 1000000")
        wait(audit.append([a_row(5000)]))
    assert proof_of(f"sqlite:///{path}") == kept | {"score-5000"}


def test_whatever_goes_wrong_who_waits_is_told(tmp_path, a_row, wait, monkeypatch):
    with closing(SqliteAudit(tmp_path / "homeward.db")) as audit:
        wait(audit.append([a_row(1)]))
        for row in (a_row(2, latency_us=2**70), a_row(3, site="\ud800")):
            with pytest.raises(AuditUnavailable):
                wait(audit.append([row]))
        monkeypatch.setattr(audit, "_begin", lambda: 1 / 0)
        with pytest.raises(AuditUnavailable, match="ZeroDivisionError"):
            wait(audit.append([a_row(4)]))
        monkeypatch.undo()
        wait(audit.append([a_row(5)]))
    assert proof_of(f"sqlite:///{tmp_path / 'homeward.db'}") == {"score-1", "score-5"}


def test_a_file_that_somebody_else_holds_is_not_waited_for_long(tmp_path, a_row, wait):
    path = tmp_path / "homeward.db"
    with closing(SqliteAudit(path)) as audit:
        wait(audit.append([a_row(1)]))
        audit._connection.execute("PRAGMA busy_timeout = 50")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(AuditUnavailable):
                wait(audit.append([a_row(2)]))
            other.execute("ROLLBACK")
        wait(audit.append([a_row(3)]))
    assert proof_of(f"sqlite:///{path}") == {"score-1", "score-3"}


@pytest.mark.postgres
def test_who_opens_a_record_while_another_makes_its_tables_waits_for_them(
    postgres_url, a_row, wait
):
    with disposing(open_engine(postgres_url)) as engine, engine.connect() as other:
        take_turns(other)  # as whoever makes tables holds it
        release = threading.Timer(5, other.rollback)
        release.start()
        with closing(open_audit(postgres_url)) as audit:
            wait(audit.append([a_row(1)]))
        release.join()
    assert proof_of(postgres_url) == {"score-1"}


@pytest.mark.postgres
def test_the_live_store_in_a_long_transaction_holds_up_no_account(postgres_url, a_row, wait):
    with (
        closing(open_audit(postgres_url)) as audit,
        disposing(open_engine(postgres_url)) as engine,
        engine.connect() as other,
    ):
        take_turns(other)  # as a message that is being worked on holds it
        wait(audit.append([a_row(1)]))
    assert proof_of(postgres_url) == {"score-1"}


def test_many_writers_at_once_lose_nothing(database_url, a_row):
    def writing(writer):
        async def appending(audit):
            rows = [[a_row(writer * 1000 + number)] for number in range(40)]
            await asyncio.gather(*map(audit.append, rows))

        with closing(open_audit(database_url)) as audit:
            asyncio.run(appending(audit))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writing, range(4)))
    wanted = {f"score-{writer * 1000 + number}" for writer in range(4) for number in range(40)}
    assert proof_of(database_url) == wanted
