"""Names of spells, sealed; and whose history changed last."""

from alembic import op
from sqlalchemy import BigInteger, Column, Text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create both tables, empty: names come with the next events, changes with the next write."""
    op.create_table(
        "live_names",
        Column("spell_id", BigInteger, primary_key=True, autoincrement=False),
        Column("sealed", Text, nullable=False),
    )
    op.create_table(
        "live_changes",
        Column("subject_id", BigInteger, primary_key=True, autoincrement=False),
        Column("entry", BigInteger, nullable=False),
    )
    op.create_index("live_changes_entry", "live_changes", ["entry"])


def downgrade() -> None:
    """Drop both."""
    op.drop_table("live_changes")
    op.drop_table("live_names")
