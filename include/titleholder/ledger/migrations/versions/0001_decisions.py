"""The append-only tables of decisions and of lanes, and their views: the database itself refuses every change."""

from __future__ import annotations

from alembic import context, op

revision = "0001"
down_revision = None

# The documents are json, not jsonb: PostgreSQL keeps their text as it was written, and the hash covers that text.
TABLE = """
CREATE TABLE titleholder.decisions (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model                 text        NOT NULL,
    lane                  text        NOT NULL,
    sequence              integer     NOT NULL CHECK (sequence > 0),
    as_of                 date        NOT NULL,
    kind                  text        NOT NULL
                          CHECK (kind IN (
                              'promote', 'keep', 'reject', 'recall', 'rollback', 'decline', 'retire', 'withdraw'
                          )),
    challenger_version    integer,
    champion_before       integer,
    champion_after        integer,
    trained_through       date,
    training_run_id       text        NOT NULL,
    run_key               text        NOT NULL,
    snapshot_uri          text        NOT NULL,
    snapshot_sha256       text        NOT NULL,
    spec                  json        NOT NULL,
    spec_fingerprint      text        NOT NULL,
    judgement_fingerprint text        NOT NULL,
    reign_fingerprint     text        NOT NULL,
    verdict               json,
    spans                 json,
    approval              json,
    code_version          text        NOT NULL,
    seed                  bigint      NOT NULL,
    mlflow_run_id         text        NOT NULL,
    airflow_run           text        NOT NULL,
    actor                 text        NOT NULL,
    reason                text        NOT NULL,
    asked_because         text        NOT NULL,
    caused_by             bigint      REFERENCES titleholder.decisions,
    created_at            timestamptz NOT NULL,
    previous_hash         text        NOT NULL,
    hash                  text        NOT NULL UNIQUE,
    UNIQUE (model, lane, sequence),
    CHECK (kind IN ('rollback', 'decline', 'withdraw') OR num_nulls(verdict, spans, challenger_version) = 0),
    CHECK (kind <> 'decline' OR (lane = 'live' AND champion_after IS NOT DISTINCT FROM champion_before
                                 AND approval IS NOT NULL)),
    CHECK (kind <> 'withdraw' OR (lane = 'live' AND champion_before IS NOT NULL AND champion_after IS NULL)),
    CHECK (kind <> 'recall' OR coalesce((verdict -> 'recall' ->> 'version')::integer = champion_after, false))
)
"""

LANES = """
CREATE TABLE titleholder.lane_records (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model      text        NOT NULL,
    lane       text        NOT NULL CHECK (lane <> 'live'),
    kind       text        NOT NULL CHECK (kind IN ('archive', 'delete')),
    actor      text        NOT NULL,
    reason     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

GUARD = """
CREATE FUNCTION titleholder.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on titleholder.% is refused', TG_OP, TG_TABLE_NAME;
END $$
"""

ROWS = """
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON titleholder.{table}
FOR EACH ROW EXECUTE FUNCTION titleholder.refuse_change()
"""

WHOLE = """
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON titleholder.{table}
FOR EACH STATEMENT EXECUTE FUNCTION titleholder.refuse_change()
"""

# `in_force`: in the live lane every row is, elsewhere the latest of each as-of date. It is no window function, so that
# a query of few rows parses the verdicts of these alone. OFFSET 0 has each verdict parsed once, not once a field.
DECISIONS = """
CREATE VIEW titleholder.decision_history AS
SELECT id, model, lane, sequence, as_of, kind, challenger_version, champion_before, champion_after, trained_through,
       created_at, actor, reason, asked_because, caused_by, airflow_run, mlflow_run_id, spec ->> 'schedule' AS schedule,
       CASE WHEN approval ->> 'answer' = 'approve' THEN approval ->> 'by' END AS approved_by,
       lane = 'live' OR NOT EXISTS (
           SELECT FROM titleholder.decisions AS later
           WHERE later.model = found.model AND later.lane = found.lane AND later.as_of = found.as_of
             AND later.sequence > found.sequence
       ) AS in_force,
       parsed ->> 'candidate' AS candidate, (parsed ->> 'rows')::bigint AS rows,
       (parsed ->> 'events')::bigint AS events,
       (spans ->> 'holdout_start')::date AS holdout_start, (spans ->> 'matured')::date AS matured,
       (parsed -> 'champion' ->> 'version')::integer AS judged_against,
       parsed ->> 'metric' AS metric,
       (parsed -> 'challenger_metrics' ->> (parsed ->> 'metric'))::float8 AS challenger_metric,
       (parsed -> 'challenger_interval' ->> 'lower')::float8 AS challenger_lower,
       (parsed -> 'challenger_interval' ->> 'upper')::float8 AS challenger_upper,
       (parsed -> 'champion_metrics' ->> (parsed ->> 'metric'))::float8 AS champion_metric,
       (parsed -> 'champion_interval' ->> 'lower')::float8 AS champion_lower,
       (parsed -> 'champion_interval' ->> 'upper')::float8 AS champion_upper,
       (parsed -> 'gain' ->> 'estimate')::float8 AS gain,
       (parsed -> 'gain' ->> 'lower')::float8 AS gain_lower,
       (parsed -> 'gain' ->> 'upper')::float8 AS gain_upper,
       parsed ->> 'rule' AS rule,
       (shown ->> 'expected')::float8 AS expected_gain, (shown ->> 'risk')::float8 AS loss_risk,
       (shown ->> 'reign_gain')::float8 AS reign_gain, (shown ->> 'reign_lower')::float8 AS reign_lower,
       jsonb_path_query_array(parsed, '$.checks[*] ? (@.status == "pass").code') AS passed,
       jsonb_path_query_array(parsed, '$.checks[*] ? (@.status == "beyond").code') AS beyond,
       jsonb_path_query_array(parsed, '$.checks[*] ? (@.status == "fail" && @.severity == "block").code') AS failed,
       jsonb_path_query_array(parsed, '$.checks[*] ? (@.status == "fail" && @.severity == "warn").code') AS warned,
       jsonb_path_query_array(parsed, '$.champion_failed[*].code') AS champion_failed
FROM titleholder.decisions AS found, LATERAL (SELECT found.verdict::jsonb AS parsed OFFSET 0) AS verdicts,
     LATERAL (
         SELECT jsonb_path_query_first(parsed, '$.checks[*] ? (@.code == "TH301").numbers') AS shown OFFSET 0
     ) AS gains
"""

# The live lane goes by the clock. Any other goes by as-of dates, of each of which the latest row is in force.
# `as_of` is that of the champion's own month, which after a recall or a rollback is an earlier one.
HISTORY = """
CREATE VIEW titleholder.champion_history AS
WITH in_force AS (
    SELECT id, model, lane, sequence, as_of, kind, champion_after, actor, reason,
           CASE WHEN approval ->> 'answer' = 'approve' THEN approval ->> 'by' END AS approved_by,
           CASE WHEN lane = 'live' THEN created_at ELSE as_of::timestamp AT TIME ZONE 'UTC' END AS since,
           CASE WHEN lane = 'live' THEN sequence END AS turn,
           row_number() OVER (PARTITION BY model, lane, as_of ORDER BY sequence DESC) AS nth
    FROM titleholder.decisions
), ordered AS (
    SELECT *, lag(champion_after) OVER (PARTITION BY model, lane ORDER BY turn, as_of) AS before
    FROM in_force WHERE lane = 'live' OR nth = 1
), changes AS (
    SELECT *, lead(since) OVER (PARTITION BY model, lane ORDER BY turn, as_of) AS until
    FROM ordered WHERE champion_after IS DISTINCT FROM before
)
SELECT model, lane, champion_after AS version, since AS reigned_from, until AS reigned_to, id AS decision, kind,
       coalesce((
           SELECT own.as_of FROM titleholder.decisions AS own
           WHERE own.model = changes.model AND own.lane = changes.lane
             AND own.challenger_version = changes.champion_after
           ORDER BY own.sequence DESC LIMIT 1
       ), as_of) AS as_of,
       actor, approved_by, reason
FROM changes WHERE champion_after IS NOT NULL
ORDER BY model, lane, reigned_from, decision
"""

CURRENT = """
CREATE VIEW titleholder.current_champion AS
SELECT model, lane, version, reigned_from, decision, kind, as_of, actor, approved_by, reason
FROM titleholder.champion_history WHERE reigned_to IS NULL
"""


def upgrade() -> None:
    """Create the tables, their guards and views, and the application role's right to read and to append."""
    for statement in (TABLE, LANES, GUARD, DECISIONS, HISTORY, CURRENT):
        op.execute(statement)
    for table in ("decisions", "lane_records"):
        op.execute(ROWS.format(table=table))
        op.execute(WHOLE.format(table=table))
    role = op.get_bind().dialect.identifier_preparer.quote(context.config.attributes["app_role"])
    op.execute(f"GRANT USAGE ON SCHEMA titleholder TO {role}")
    op.execute(f"GRANT SELECT, INSERT ON titleholder.decisions, titleholder.lane_records TO {role}")
    for view in ("decision_history", "champion_history", "current_champion"):
        op.execute(f"GRANT SELECT ON titleholder.{view} TO {role}")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
