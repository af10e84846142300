"""A view of the decisions without their verdicts: what pages, and people with SQL, list and filter."""

from __future__ import annotations

from alembic import context, op

revision = "0003"
down_revision = "0002"

# `stands` says whether a row is in force: in the live lane every one is, elsewhere the latest of each as-of date.
DECISIONS = """
CREATE VIEW titleholder.decision_history AS
SELECT id, model, lane, sequence, as_of, kind, challenger_version, champion_before, champion_after, trained_through,
       created_at, actor, reason, asked_because, approval ->> 'by' AS approved_by, airflow_run, mlflow_run_id,
       lane = 'live' OR row_number() OVER (PARTITION BY model, lane, as_of ORDER BY sequence DESC) = 1 AS stands,
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
       jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "fail" && @.severity == "block").code') AS failed,
       jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "fail" && @.severity == "warn").code') AS warned
FROM titleholder.decisions
"""


def upgrade() -> None:
    """Make the view, and let the application's role read it."""
    op.execute(DECISIONS)
    role = op.get_bind().dialect.identifier_preparer.quote(context.config.attributes["app_role"])
    op.execute(f"GRANT SELECT ON titleholder.decision_history TO {role}")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
