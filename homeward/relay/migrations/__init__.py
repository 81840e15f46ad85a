"""Alembic revisions of the outbox; they run when it is opened."""
