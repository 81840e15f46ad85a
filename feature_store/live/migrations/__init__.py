"""How an older live store becomes a newer one: Alembic revisions, one file each, never edited."""
