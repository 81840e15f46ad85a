"""Tables of the live store: one schema for SQLite and PostgreSQL.

Nothing is updated and nothing deleted but the derived ``live_spells`` and ``live_changes`` and, by
the site's retention schedule, the text of messages. Times are microseconds since 1970 in UTC; what
is missing has the sentinel of :mod:`feature_store.events`: SQL holds two nulls for different,
and a key of nulls would not be one.

=====================  ==========================================================================
table                  one row
=====================  ==========================================================================
``live_events``        a fact, as it was said of a patient
``live_retractions``   an event that ceased to hold, and when the store learnt it
``live_links``         two patients found to be one (a merge), in both directions
``live_moves``         a spell found to be another patient's than was said
``live_spells``        derived: between which moments a spell may have been known to be open
``live_changes``       derived: when, in the order of commits, a patient's history last changed
``live_names``         the identifier that a spell was sent under, sealed with the pseudonym key
``live_messages``      an HL7 message, byte for byte, before it is acknowledged
``live_statements``    what such a message says, without identifiers
``live_rejects``       a message that was refused, kept apart
=====================  ==========================================================================
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
)

FROM_API: Final = 0
"""``source`` of an event that came as such; from 1 on it is the number of a message."""

METADATA: Final = MetaData()

# SQLite numbers rows by itself in a column of exactly this type.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_NO_VALUE: ColumnElement[float] = literal_column("-1e300")  # no float32 is


def _moment(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


EVENTS: Final = Table(
    "live_events",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    _key("subject_id"),
    _key("spell_id"),
    _moment("time"),
    Column("code", Text, nullable=False),
    Column("numeric_value", Double),
    _moment("recorded_at"),
    _key("source"),
    _moment("received_at"),
)
Index(
    "live_events_natural_key",  # begins with the patient: it is the index of histories too
    *(EVENTS.c.subject_id, EVENTS.c.time, EVENTS.c.code, EVENTS.c.spell_id, EVENTS.c.recorded_at),
    func.coalesce(EVENTS.c.numeric_value, _NO_VALUE),
    EVENTS.c.source,
    unique=True,
)
Index("live_events_spell", EVENTS.c.spell_id)

RETRACTIONS: Final = Table(
    "live_retractions",
    METADATA,
    Column("event_id", _NUMBER, ForeignKey("live_events.id"), primary_key=True),
    _moment("retracted_at"),
    _key("source"),
)

LINKS: Final = Table(
    "live_links",
    METADATA,
    Column("entry", _NUMBER, primary_key=True),
    _key("subject_id"),
    _key("same_as"),
    Column("survives", Boolean, nullable=False),  # whether same_as is the one that goes on
    _moment("happened_at"),
    _moment("recorded_at"),
    _key("source"),
    UniqueConstraint("subject_id", "same_as", "source", name="live_links_key"),
)

MOVES: Final = Table(
    "live_moves",
    METADATA,
    Column("entry", _NUMBER, primary_key=True),
    _key("spell_id"),
    _key("subject_id"),
    _moment("recorded_at"),
    _key("source"),
)
Index("live_moves_spell", MOVES.c.spell_id)
Index("live_moves_subject", MOVES.c.subject_id)

SPELLS: Final = Table(
    "live_spells",
    METADATA,
    Column("spell_id", BigInteger, primary_key=True, autoincrement=False),
    _moment("known_from"),
    _moment("known_until"),
)
Index("live_spells_known", SPELLS.c.known_until, SPELLS.c.known_from)

CHANGES: Final = Table(
    "live_changes",
    METADATA,
    Column("subject_id", BigInteger, primary_key=True, autoincrement=False),
    _key("entry"),
)
Index("live_changes_entry", CHANGES.c.entry)

NAMES: Final = Table(
    "live_names",
    METADATA,
    Column("spell_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", Text, nullable=False),
)

MESSAGES: Final = Table(
    "live_messages",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    Column("facility", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    _moment("received_at"),
    Column("raw", LargeBinary, nullable=False),
    UniqueConstraint("facility", "control_id", name="live_messages_key"),
)

STATEMENTS: Final = Table(
    "live_statements",
    METADATA,
    Column("message_id", _NUMBER, ForeignKey("live_messages.id"), primary_key=True),
    _key("subject_id"),
    Column("other_subject_id", BigInteger),
    Column("spell_id", BigInteger),
    Column("said", Text, nullable=False),
)
Index("live_statements_subject", STATEMENTS.c.subject_id)
Index("live_statements_other_subject", STATEMENTS.c.other_subject_id)
Index("live_statements_spell", STATEMENTS.c.spell_id)

REJECTS: Final = Table(
    "live_rejects",
    METADATA,
    Column("id", _NUMBER, primary_key=True),
    _moment("received_at"),
    Column("reason", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
)
