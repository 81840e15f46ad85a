"""The first schema of the live store.

Written out, not read from ``schema``: a revision must go on meaning what it meant.
"""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def _integers(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def upgrade() -> None:
    """Create every table of the first schema."""
    _events()
    _patients()
    _messages()


def downgrade() -> None:
    """Drop every table, with all that it holds."""
    for name in ("rejects", "statements", "messages", "spells", "moves", "links", "retractions"):
        op.drop_table(f"live_{name}")
    op.drop_table("live_events")


def _events() -> None:
    op.create_table(
        "live_events",
        Column("id", _NUMBER, primary_key=True),
        *_integers("subject_id", "spell_id", "time"),
        Column("code", Text, nullable=False),
        Column("numeric_value", Double),
        *_integers("recorded_at", "source", "received_at"),
    )
    key = ["subject_id", "time", "code", "spell_id", "recorded_at"]
    value = text("coalesce(numeric_value, -1e300)")
    op.create_index("live_events_natural_key", "live_events", [*key, value, "source"], unique=True)
    op.create_index("live_events_spell", "live_events", ["spell_id"])
    op.create_table(
        "live_retractions",
        Column("event_id", _NUMBER, ForeignKey("live_events.id"), primary_key=True),
        *_integers("retracted_at", "source"),
    )


def _patients() -> None:
    op.create_table(
        "live_links",
        Column("entry", _NUMBER, primary_key=True),
        *_integers("subject_id", "same_as"),
        Column("survives", Boolean, nullable=False),
        *_integers("happened_at", "recorded_at", "source"),
        UniqueConstraint("subject_id", "same_as", "source", name="live_links_key"),
    )
    op.create_table(
        "live_moves",
        Column("entry", _NUMBER, primary_key=True),
        *_integers("spell_id", "subject_id", "recorded_at", "source"),
    )
    op.create_index("live_moves_spell", "live_moves", ["spell_id"])
    op.create_index("live_moves_subject", "live_moves", ["subject_id"])
    op.create_table(
        "live_spells",
        Column("spell_id", BigInteger, primary_key=True, autoincrement=False),
        *_integers("known_from", "known_until"),
    )
    op.create_index("live_spells_known", "live_spells", ["known_until", "known_from"])


def _messages() -> None:
    op.create_table(
        "live_messages",
        Column("id", _NUMBER, primary_key=True),
        Column("facility", Text, nullable=False),
        Column("control_id", Text, nullable=False),
        *_integers("received_at"),
        Column("raw", LargeBinary, nullable=False),
        UniqueConstraint("facility", "control_id", name="live_messages_key"),
    )
    op.create_table(
        "live_statements",
        Column("message_id", _NUMBER, ForeignKey("live_messages.id"), primary_key=True),
        *_integers("subject_id"),
        Column("other_subject_id", BigInteger),
        Column("spell_id", BigInteger),
        Column("said", Text, nullable=False),
    )
    for column in ("subject", "other_subject", "spell"):
        op.create_index(f"live_statements_{column}", "live_statements", [f"{column}_id"])
    op.create_table(
        "live_rejects",
        Column("id", _NUMBER, primary_key=True),
        *_integers("received_at"),
        Column("reason", Text, nullable=False),
        *_integers("size_bytes"),
        Column("raw", LargeBinary, nullable=False),
    )
