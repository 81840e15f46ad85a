"""One schema on both databases, brought up to date by migrations that come with the package."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect, text

from feature_store.errors import BadInput
from feature_store.live import open_store
from feature_store.live.database import VERSION_TABLE, open_engine
from feature_store.live.migrations import first, names_and_changes
from feature_store.live.schema import METADATA


def differences(engine):
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, METADATA)
    # PostgreSQL spells the expression in this index in its own way; the next test looks at it.
    return [one for one in found if getattr(one[1], "name", None) != "live_events_natural_key"]


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_migrations_end_at_the_schema(store):
    assert differences(store.engine) == []


def test_every_index_of_the_schema_is_there_and_the_natural_key_is_unique(store):
    with store.engine.connect() as connection:
        postgres = store.engine.dialect.name == "postgresql"
        query = (
            "SELECT indexname, indexdef FROM pg_indexes"
            if postgres
            else "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        found = {row[0]: row[1] for row in connection.execute(text(query))}
    wanted = {index.name for table in METADATA.tables.values() for index in table.indexes}
    assert wanted <= set(found)
    assert "UNIQUE" in found["live_events_natural_key"]


def test_opening_again_changes_nothing(database_url):
    for _ in range(2):
        with closing(open_store(database_url)) as store:
            tables = set(inspect(store.engine).get_table_names())
    assert tables == {*METADATA.tables, VERSION_TABLE}


def test_workers_that_start_together_make_one_schema(database_url):
    with ThreadPoolExecutor(4) as pool:
        for store in list(pool.map(lambda _: open_store(database_url), range(4))):
            store.close()


def test_a_store_of_a_newer_homeward_is_left_alone(database_url):
    open_store(database_url).close()
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(BadInput, match="written by a newer Homeward"):
        open_store(database_url)


def test_every_schema_can_be_taken_back(store):
    with store.engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            names_and_changes.downgrade()
            first.downgrade()
        assert inspect(connection).get_table_names() == [VERSION_TABLE]
