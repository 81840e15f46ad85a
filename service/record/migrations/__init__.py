"""Alembic revisions of the record; they run when it is opened."""
