"""The first schema of the hub: the one row that holds the worklist all workers answer from."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table with its row."""
    board = op.create_table(
        "hub_board",
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("claimed", BigInteger, nullable=False),
        Column("posted", BigInteger, nullable=False),
        Column("sealed", LargeBinary),
    )
    op.bulk_insert(board, [{"id": 1, "claimed": 0, "posted": 0, "sealed": None}])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("hub_board")
