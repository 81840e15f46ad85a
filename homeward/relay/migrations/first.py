"""The first schema of the outbox."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKey, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "relay_notices",
        Column("notice_id", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("spell", BigInteger),
        Column("sealed", Text),
        Column("score_id", Text),
        Column("site", Text),
    )
    op.create_index("relay_notices_spell", "relay_notices", ["spell"])
    op.create_index("relay_notices_at", "relay_notices", ["at"])
    op.create_table(
        "relay_deliveries",
        Column("notice_id", Text, ForeignKey("relay_notices.notice_id"), primary_key=True),
        Column("tracker", Text, primary_key=True),
        Column("next_at", BigInteger),
        Column("attempts", BigInteger, nullable=False),
        Column("outcome", Text),
        Column("why", Text),
    )
    op.create_index("relay_deliveries_due", "relay_deliveries", ["tracker", "next_at"])
    op.create_table(
        "relay_looks",
        Column("look", Text, primary_key=True),
        Column("next_at", BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop them, with all that waits."""
    for name in ("relay_looks", "relay_deliveries", "relay_notices"):
        op.drop_table(name)
