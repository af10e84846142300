"""Approvals, rollbacks, and views for people with SQL."""

from __future__ import annotations

from alembic import context, op

revision = "0002"
down_revision = "0001"

APPROVALS = "ALTER TABLE titleholder.decisions ADD COLUMN approval jsonb"

ROLLBACKS = """
ALTER TABLE titleholder.decisions
    ALTER COLUMN verdict DROP NOT NULL,
    ALTER COLUMN spans DROP NOT NULL,
    ADD CHECK (kind = 'rollback' OR num_nulls(verdict, spans, challenger_version) = 0)
"""

# The live lane goes by the clock. Any other goes by as-of dates, of each of which the latest row stands.
HISTORY = """
CREATE VIEW titleholder.champion_history AS
WITH standing AS (
    SELECT *, CASE WHEN lane = 'live' THEN created_at ELSE as_of::timestamp AT TIME ZONE 'UTC' END AS since,
           row_number() OVER (PARTITION BY model, lane, as_of ORDER BY sequence DESC) AS nth
    FROM titleholder.decisions
), ordered AS (
    SELECT *, lag(champion_after) OVER turn AS before
    FROM standing WHERE lane = 'live' OR nth = 1
    WINDOW turn AS (PARTITION BY model, lane ORDER BY CASE WHEN lane = 'live' THEN sequence END, as_of)
), changes AS (
    SELECT *, lead(since) OVER (PARTITION BY model, lane ORDER BY CASE WHEN lane = 'live' THEN sequence END, as_of)
           AS until
    FROM ordered WHERE champion_after IS DISTINCT FROM before
)
SELECT model, lane, champion_after AS version, since AS reigned_from, until AS reigned_to, id AS decision, kind, as_of,
       actor, approval ->> 'by' AS approved_by, reason
FROM changes WHERE champion_after IS NOT NULL
ORDER BY model, lane, reigned_from, decision
"""

CURRENT = """
CREATE VIEW titleholder.current_champion AS
SELECT model, lane, version, reigned_from, decision, kind, as_of, actor, approved_by, reason
FROM titleholder.champion_history WHERE reigned_to IS NULL
"""


def upgrade() -> None:
    """Widen the table, make the views, and let the application's role read them."""
    for statement in (APPROVALS, ROLLBACKS, HISTORY, CURRENT):
        op.execute(statement)
    role = op.get_bind().dialect.identifier_preparer.quote(context.config.attributes["app_role"])
    op.execute(f"GRANT SELECT ON titleholder.champion_history, titleholder.current_champion TO {role}")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
