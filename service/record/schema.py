"""Tables of the record: one schema for SQLite and PostgreSQL, beside those of the live store.

=====================  ==========================================================================
table                  one row
=====================  ==========================================================================
``record_chains``      a chain: opened by one writing process, with the heads known then
``score_audit``        a score or a refusal, without a clinical value
``score_details``      the feature values and reasons of a score; may be dropped before the rest
``score_feedback``     what a clinician said of a score
``record_retentions``  what was deleted by schedule, and until when
``record_gaps``        where rows of a chain were deleted, with the hash that goes on from there
``record_permits``     empty, but inside the transaction that deletes by schedule
=====================  ==========================================================================

Nothing is ever updated, and deleted only by :mod:`service.record.retention`; triggers refuse the
rest. ``entry`` is a row's place: ``chain * 2**40 + place``, across all tables that are chained.
Times are microseconds since 1970 in UTC. What is not known is null.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

VERSION_TABLE: Final = "record_version"
PLACE_BITS: Final = 40

METADATA: Final = MetaData()

# SQLite keeps a table in the order of a column of exactly this type, without another index.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def _entry() -> Column[int]:
    return Column("entry", _NUMBER, primary_key=True, autoincrement=False)


def _texts(*names: str, known: bool = True) -> list[Column[str]]:
    return [Column(name, Text, nullable=not known) for name in names]


def _integers(*names: str, known: bool = True) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=not known) for name in names]


def _numbers(*names: str) -> list[Column[float]]:
    return [Column(name, Double) for name in names]


def _hash(name: str, *, known: bool = True) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=not known)


CHAINS: Final = Table(
    "record_chains",
    METADATA,
    Column("chain", _NUMBER, primary_key=True, autoincrement=False),
    *_integers("opened_at"),
    *_texts("heads"),
    _hash("row_hash"),
)

SCORES: Final = Table(
    "score_audit",
    METADATA,
    _entry(),
    *_texts("score_id", known=False),
    *_integers("answered_at"),
    *_texts("caller", "request_id", "mode", "route"),
    *_integers("spell"),
    *_integers("subject", known=False),
    *_texts("site", "ward", known=False),
    *_integers("prediction_time"),
    *_texts("model"),
    *_texts("model_version", "model_hash", known=False),
    *_texts("feature_set_hash"),
    *_texts("inputs_hash", known=False),
    *_integers("days_so_far", known=False),
    *_numbers("probability_7", "probability_14", "probability_21"),
    *_integers("discharge_p10", "discharge_p50", "discharge_p90", known=False),
    *_numbers("probability_of_death", "base_value", "log_odds", "completeness"),
    *_texts("missing", "refused", known=False),
    *_integers("latency_us"),
    _hash("details_hash", known=False),
    _hash("row_hash"),
)
Index("score_audit_score_id", SCORES.c.score_id, unique=True)
Index("score_audit_spell", SCORES.c.spell, SCORES.c.answered_at)
Index("score_audit_answered_at", SCORES.c.answered_at)
Index("score_audit_subject", SCORES.c.subject, SCORES.c.answered_at)

DETAILS: Final = Table(
    "score_details",
    METADATA,
    _entry(),
    Column("features", LargeBinary, nullable=False),
    Column("reasons", LargeBinary, nullable=False),
)

FEEDBACK: Final = Table(
    "score_feedback",
    METADATA,
    _entry(),
    *_texts("feedback_id", "score_id"),
    *_integers("given_at"),
    *_texts("caller", "request_id", "verdict"),
    *_texts("reason", "action", known=False),
    *_integers("expected_discharge_at", known=False),
    _hash("row_hash"),
)
Index("score_feedback_score", FEEDBACK.c.score_id, FEEDBACK.c.given_at)

RETENTIONS: Final = Table(
    "record_retentions",
    METADATA,
    _entry(),
    *_integers("done_at"),
    *_texts("kind"),
    *_integers("cut", "deleted"),
    _hash("gaps_hash"),
    _hash("row_hash"),
)

GAPS: Final = Table(
    "record_gaps",
    METADATA,
    Column("first_entry", _NUMBER, primary_key=True, autoincrement=False),
    *_integers("last_entry"),
    _hash("last_hash"),
    *_integers("retention"),
)

PERMITS: Final = Table("record_permits", METADATA, *_integers("retention"))

CHAINED: Final = (SCORES, FEEDBACK, RETENTIONS)
"""Tables whose rows have a place in a chain."""

KEPT: Final = (CHAINS, SCORES, DETAILS, FEEDBACK, RETENTIONS, GAPS)
"""Tables that triggers guard."""

NAME_OF: Final = {table: str(table.name) for table in METADATA.sorted_tables}
"""Names as plain text, which SQLAlchemy's are not: they are part of what is hashed."""
