"""The append-only table of decisions: UPDATE, DELETE and TRUNCATE are refused by the database itself."""

from __future__ import annotations

from alembic import context, op

revision = "0001"
down_revision = None

TABLE = """
CREATE TABLE titleholder.decisions (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model              text        NOT NULL,
    lane               text        NOT NULL,
    sequence           integer     NOT NULL CHECK (sequence > 0),
    as_of              date        NOT NULL,
    kind               text        NOT NULL CHECK (kind IN ('promote', 'keep', 'reject', 'rollback', 'retire')),
    challenger_version integer,
    champion_before    integer,
    champion_after     integer,
    trained_through    date,
    run_key            text        NOT NULL,
    snapshot_uri       text        NOT NULL,
    snapshot_sha256    text        NOT NULL,
    spec               jsonb       NOT NULL,
    spec_fingerprint   text        NOT NULL,
    verdict            jsonb       NOT NULL,
    spans              jsonb       NOT NULL,
    code_version       text        NOT NULL,
    seed               bigint      NOT NULL,
    mlflow_run_id      text        NOT NULL,
    airflow_run        text        NOT NULL,
    actor              text        NOT NULL,
    reason             text        NOT NULL,
    asked_because      text        NOT NULL,
    created_at         timestamptz NOT NULL,
    previous_hash      text        NOT NULL,
    hash               text        NOT NULL UNIQUE,
    UNIQUE (model, lane, sequence)
)
"""

GUARD = """
CREATE FUNCTION titleholder.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on titleholder.decisions is refused', TG_OP;
END $$
"""

ROWS = """
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON titleholder.decisions
FOR EACH ROW EXECUTE FUNCTION titleholder.refuse_change()
"""

WHOLE = """
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON titleholder.decisions
FOR EACH STATEMENT EXECUTE FUNCTION titleholder.refuse_change()
"""


def upgrade() -> None:
    """Create the table, its guards, and the application role's right to read and to append."""
    for statement in (TABLE, GUARD, ROWS, WHOLE):
        op.execute(statement)
    role = op.get_bind().dialect.identifier_preparer.quote(context.config.attributes["app_role"])
    op.execute(f"GRANT USAGE ON SCHEMA titleholder TO {role}")
    op.execute(f"GRANT SELECT, INSERT ON titleholder.decisions TO {role}")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
