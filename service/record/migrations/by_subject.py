"""Scores of one patient are found without reading all."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the index."""
    op.create_index("score_audit_subject", "score_audit", ["subject", "answered_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("score_audit_subject", "score_audit")
