"""Tables of the outbox: one schema for SQLite and PostgreSQL, beside the record.

=====================  ==========================================================================
table                  one row
=====================  ==========================================================================
``relay_notices``      a notice; whose it is stands there as a pseudonym and a sealed name
``relay_deliveries``   a notice for one tracker: when it is next due, or what became of it
``relay_looks``        when somebody may look next
=====================  ==========================================================================

Times are microseconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, MetaData, Table, Text

VERSION_TABLE: Final = "relay_version"
METADATA: Final = MetaData()

NOTICES: Final = Table(
    "relay_notices",
    METADATA,
    Column("notice_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("spell", BigInteger),
    Column("sealed", Text),
    Column("score_id", Text),
    Column("site", Text),
)
Index("relay_notices_spell", NOTICES.c.spell)
Index("relay_notices_at", NOTICES.c.at)

DELIVERIES: Final = Table(
    "relay_deliveries",
    METADATA,
    Column("notice_id", Text, ForeignKey(NOTICES.c.notice_id), primary_key=True),
    Column("tracker", Text, primary_key=True),
    Column("next_at", BigInteger),  # null once it is settled
    Column("attempts", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("why", Text),
)
Index("relay_deliveries_due", DELIVERIES.c.tracker, DELIVERIES.c.next_at)

LOOKS: Final = Table(
    "relay_looks",
    METADATA,
    Column("look", Text, primary_key=True),
    Column("next_at", BigInteger, nullable=False),
)
