"""The first schema of the record, with the triggers that keep it as it was written.

Written out, not read from ``schema``: a revision must go on meaning what it meant. An earlier
``score_audit``, which knew no chain, is kept under another name.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Double, Integer, LargeBinary, Text, inspect

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_KEPT = (
    "record_chains",
    "score_audit",
    "score_details",
    "score_feedback",
    "record_retentions",
    "record_gaps",
)
_SAID = "the record is append-only"
_NO_PERMIT = "NOT EXISTS (SELECT 1 FROM record_permits)"


def upgrade() -> None:
    """Create every table of the first schema, and guard it."""
    _set_aside()
    _scores()
    _others()
    if op.get_context().dialect.name == "postgresql":
        _guard_postgres()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Drop every table, with all that it holds."""
    for name in (*_KEPT, "record_permits"):
        op.drop_table(name)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION record_is_kept()")


def _integers(*names: str, known: bool = True) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=not known) for name in names]


def _texts(*names: str, known: bool = True) -> list[Column[str]]:
    return [Column(name, Text, nullable=not known) for name in names]


def _number(name: str) -> Column[int]:
    return Column(name, _NUMBER, primary_key=True, autoincrement=False)


def _set_aside() -> None:
    """Keep the table of the first release, which only SQLite had."""
    if inspect(op.get_bind()).has_table("score_audit"):
        for name in ("score_audit_unaltered", "score_audit_undeleted"):
            op.execute(f"DROP TRIGGER IF EXISTS {name}")
        op.rename_table("score_audit", "score_audit_before_chains")


def _scores() -> None:
    op.create_table(
        "score_audit",
        _number("entry"),
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
        *(Column(f"probability_{days}", Double) for days in (7, 14, 21)),
        *_integers("discharge_p10", "discharge_p50", "discharge_p90", known=False),
        Column("probability_of_death", Double),
        Column("base_value", Double),
        Column("log_odds", Double),
        Column("completeness", Double),
        *_texts("missing", "refused", known=False),
        *_integers("latency_us"),
        Column("details_hash", LargeBinary),
        Column("row_hash", LargeBinary, nullable=False),
    )
    op.create_index("score_audit_score_id", "score_audit", ["score_id"], unique=True)
    op.create_index("score_audit_spell", "score_audit", ["spell", "answered_at"])
    op.create_index("score_audit_answered_at", "score_audit", ["answered_at"])
    op.create_table(
        "score_details",
        _number("entry"),
        Column("features", LargeBinary, nullable=False),
        Column("reasons", LargeBinary, nullable=False),
    )


def _others() -> None:
    op.create_table(
        "record_chains",
        _number("chain"),
        *_integers("opened_at"),
        *_texts("heads"),
        Column("row_hash", LargeBinary, nullable=False),
    )
    op.create_table(
        "score_feedback",
        _number("entry"),
        *_texts("feedback_id", "score_id"),
        *_integers("given_at"),
        *_texts("caller", "request_id", "verdict"),
        *_texts("reason", "action", known=False),
        *_integers("expected_discharge_at", known=False),
        Column("row_hash", LargeBinary, nullable=False),
    )
    op.create_index("score_feedback_score", "score_feedback", ["score_id", "given_at"])
    op.create_table(
        "record_retentions",
        _number("entry"),
        *_integers("done_at"),
        *_texts("kind"),
        *_integers("cut", "deleted"),
        Column("gaps_hash", LargeBinary, nullable=False),
        Column("row_hash", LargeBinary, nullable=False),
    )
    op.create_table(
        "record_gaps",
        _number("first_entry"),
        *_integers("last_entry"),
        Column("last_hash", LargeBinary, nullable=False),
        *_integers("retention"),
    )
    op.create_table("record_permits", *_integers("retention"))


def _guard_sqlite() -> None:
    for table in _KEPT:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{_SAID}'); END"
        op.execute(f"CREATE TRIGGER {table}_unaltered BEFORE UPDATE ON {table} {refuse}")
        op.execute(
            f"CREATE TRIGGER {table}_undeleted BEFORE DELETE ON {table} WHEN {_NO_PERMIT} {refuse}"
        )


def _guard_postgres() -> None:
    op.execute(f"""
        CREATE FUNCTION record_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'DELETE' OR {_NO_PERMIT} THEN RAISE EXCEPTION '{_SAID}'; END IF;
          RETURN OLD;
        END $$""")
    for table in _KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION record_is_kept()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION record_is_kept()"
        )
