"""Alembic revisions of the hub; they run when a worklist is first asked for."""
