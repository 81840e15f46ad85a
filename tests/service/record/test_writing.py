"""Rows go in for good, on both databases, in chains that each writer has for itself."""

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from feature_store.live import open_store
from service.record import AuditUnavailable, open_audit
from service.record.schema import CHAINS, DETAILS, KEPT, METADATA, SCORES, VERSION_TABLE
from service.record.writing import open_database, prepare


def rows_in(engine, table):
    with engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key)).all()


def test_what_is_appended_comes_out_as_it_went_in(audit, engine, a_row, wait):
    row = a_row()
    wait(audit.append([row]))
    (scored,), (detail,) = rows_in(engine, SCORES), rows_in(engine, DETAILS)
    cells = msgspec.structs.asdict(row)
    assert detail._asdict() == {
        "entry": scored.entry,
        "features": cells.pop("features"),
        "reasons": cells.pop("reasons"),
    }
    kept = scored._asdict()
    assert {name: kept[name] for name in cells} == cells
    assert {name: type(kept[name]) for name in cells} == {
        name: type(value) for name, value in cells.items()
    }


def test_anybody_can_check_a_hash_with_what_the_document_says(audit, engine, a_row, wait):
    wait(audit.append([a_row(1), a_row(2)]))
    (chain,), rows, details = (rows_in(engine, table) for table in (CHAINS, SCORES, DETAILS))
    before = bytes(32)
    opened = msgspec.msgpack.encode(["record_chains", list(chain)[:-1]])
    before = hashlib.sha256(before + opened).digest()
    assert before == chain.row_hash
    for row, detail in zip(rows, details, strict=True):
        inner = hashlib.sha256(detail.features).digest() + detail.reasons
        assert hashlib.sha256(inner).digest() == row.details_hash
        before = hashlib.sha256(
            before + msgspec.msgpack.encode(["score_audit", list(row)[:-1]])
        ).digest()
        assert before == row.row_hash
    assert [row.entry for row in rows] == [(chain.chain << 40) + 1, (chain.chain << 40) + 2]


def test_of_one_answer_all_rows_are_kept_or_none(audit, engine, a_row, wait):
    wait(audit.append([a_row()]))
    with pytest.raises(AuditUnavailable):
        wait(audit.append([a_row(1), a_row()]))
    assert [row.score_id for row in rows_in(engine, SCORES)] == [a_row().score_id]
    wait(audit.append([a_row(2)]))
    assert len(rows_in(engine, SCORES)) == 2


def test_who_shares_a_commit_with_a_bad_row_does_not_suffer(audit, engine, a_row, wait):
    wait(audit.append([a_row()]))

    async def together():
        groups = [[a_row(1)], [a_row(2), a_row()], [a_row(3)]]
        return await asyncio.gather(*map(audit.append, groups), return_exceptions=True)

    first, second, third = wait(together())
    assert (first, third) == (None, None)
    assert isinstance(second, AuditUnavailable)
    assert {row.score_id for row in rows_in(engine, SCORES)} == {
        a_row().score_id,
        "score-1",
        "score-3",
    }


@pytest.mark.parametrize("table", KEPT, ids=lambda table: table.name)
def test_nothing_can_be_altered_or_deleted(audit, engine, a_row, wait, table):
    wait(audit.append([a_row()]))
    key = next(iter(table.primary_key)).name
    fill = {"score_feedback", "record_retentions", "record_gaps"}
    if table.name in fill:
        values = {
            column.name: b"" if column.type.python_type is bytes else "1"
            for column in table.columns
            if not column.nullable
        }
        values = {
            name: 1 if table.c[name].type.python_type is int else value
            for name, value in values.items()
        }
        with engine.begin() as connection:
            connection.execute(table.insert(), [values])
    statements = [f"UPDATE {table.name} SET {key} = {key}", f"DELETE FROM {table.name}"]
    if engine.dialect.name == "postgresql":
        statements.append(f"TRUNCATE {table.name}")
    for statement in statements:
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    assert len(rows_in(engine, table)) == 1


def test_each_writer_has_a_chain_and_a_later_one_names_the_heads_of_the_earlier(
    database_url, engine, a_row, wait
):
    with closing(open_audit(database_url)) as first, closing(open_audit(database_url)) as second:
        wait(first.append([a_row(1)]))
        wait(second.append([a_row(2)]))
        wait(first.append([a_row(3)]))
    with closing(open_audit(database_url)) as third:
        wait(third.append([a_row(4)]))
    one, two, three = rows_in(engine, CHAINS)
    rows = {row.score_id: row for row in rows_in(engine, SCORES)}
    head_of = {number: [row.entry, row.row_hash.hex()] for number, row in rows.items()}
    assert json.loads(one.heads) == []
    assert json.loads(two.heads) == [head_of["score-1"]]
    assert json.loads(three.heads) == [head_of["score-3"], head_of["score-2"]]
    assert [row.entry >> 40 for row in rows.values()] == [1, 1, 2, 3]


def test_migrations_end_at_the_schema_and_leave_the_live_store_alone(engine, database_url):
    with closing(open_store(database_url)), engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "include_name": lambda name, kind, _parents: (
                    kind != "table" or name in METADATA.tables
                ),
            },
        )
        assert compare_metadata(context, METADATA) == []


def test_the_record_of_the_first_release_is_set_aside(tmp_path):
    path = tmp_path / "homeward.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE score_audit (entry INTEGER PRIMARY KEY, caller TEXT);"
            "INSERT INTO score_audit VALUES (1, 'hub');"
            "CREATE TRIGGER score_audit_undeleted BEFORE DELETE ON score_audit"
            " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;"
        )
    engine = open_database(f"sqlite:///{path}")
    prepare(engine)
    prepare(engine)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM score_audit_before_chains")).all()
    engine.dispose()
    assert kept == [(1, "hub")]
