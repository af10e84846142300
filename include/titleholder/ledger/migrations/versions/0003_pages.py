"""A view of the decisions without their verdicts; the history sorts narrow rows only."""

from __future__ import annotations

from alembic import context, op

revision = "0003"
down_revision = "0002"

# `stands` says whether a row is in force: in the live lane every one is, elsewhere the latest of each as-of date. It is
# no window function, so that a question about few rows unpacks the verdicts of these alone.
DECISIONS = """
CREATE VIEW titleholder.decision_history AS
SELECT id, model, lane, sequence, as_of, kind, challenger_version, champion_before, champion_after, trained_through,
       created_at, actor, reason, asked_because, approval ->> 'by' AS approved_by, airflow_run, mlflow_run_id,
       lane = 'live' OR NOT EXISTS (
           SELECT FROM titleholder.decisions AS later
           WHERE later.model = found.model AND later.lane = found.lane AND later.as_of = found.as_of
             AND later.sequence > found.sequence
       ) AS stands,
       verdict ->> 'candidate' AS candidate, (verdict ->> 'rows')::bigint AS rows,
       (verdict ->> 'events')::bigint AS events,
       (spans ->> 'holdout_start')::date AS holdout_start, (spans ->> 'matured')::date AS matured,
       (verdict -> 'champion' ->> 'version')::integer AS judged_against,
       verdict ->> 'metric' AS metric,
       (verdict -> 'challenger_metrics' ->> (verdict ->> 'metric'))::float8 AS challenger_metric,
       (verdict -> 'challenger_interval' ->> 1)::float8 AS challenger_lower,
       (verdict -> 'challenger_interval' ->> 2)::float8 AS challenger_upper,
       (verdict -> 'champion_metrics' ->> (verdict ->> 'metric'))::float8 AS champion_metric,
       (verdict -> 'champion_interval' ->> 1)::float8 AS champion_lower,
       (verdict -> 'champion_interval' ->> 2)::float8 AS champion_upper,
       (verdict -> 'gain' ->> 0)::float8 AS gain,
       (verdict -> 'gain' ->> 1)::float8 AS gain_lower,
       (verdict -> 'gain' ->> 2)::float8 AS gain_upper,
       jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "pass").code') AS passed,
       jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "fail" && @.severity == "block").code') AS failed,
       jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "fail" && @.severity == "warn").code') AS warned
FROM titleholder.decisions AS found
"""

# As before, but for the columns that it carries through its sorts.
HISTORY = """
CREATE OR REPLACE VIEW titleholder.champion_history AS
WITH standing AS (
    SELECT id, model, lane, sequence, as_of, kind, champion_after, actor, approval ->> 'by' AS approved_by, reason,
           CASE WHEN lane = 'live' THEN created_at ELSE as_of::timestamp AT TIME ZONE 'UTC' END AS since,
           CASE WHEN lane = 'live' THEN sequence END AS turn,
           row_number() OVER (PARTITION BY model, lane, as_of ORDER BY sequence DESC) AS nth
    FROM titleholder.decisions
), ordered AS (
    SELECT *, lag(champion_after) OVER (PARTITION BY model, lane ORDER BY turn, as_of) AS before
    FROM standing WHERE lane = 'live' OR nth = 1
), changes AS (
    SELECT *, lead(since) OVER (PARTITION BY model, lane ORDER BY turn, as_of) AS until
    FROM ordered WHERE champion_after IS DISTINCT FROM before
)
SELECT model, lane, champion_after AS version, since AS reigned_from, until AS reigned_to, id AS decision, kind, as_of,
       actor, approved_by, reason
FROM changes WHERE champion_after IS NOT NULL
ORDER BY model, lane, reigned_from, decision
"""


def upgrade() -> None:
    """Make the view, let the application's role read it, and replace the other."""
    op.execute(DECISIONS)
    op.execute(HISTORY)
    role = op.get_bind().dialect.identifier_preparer.quote(context.config.attributes["app_role"])
    op.execute(f"GRANT SELECT ON titleholder.decision_history TO {role}")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
