"""The append-only tables of decisions and of lanes, and their views: the database itself refuses every change."""

from __future__ import annotations

from alembic import context, op

revision = "0001"
down_revision = None

# What pages show of a verdict: a few numbers, and the codes of the checks. Nothing in it depends on a setting of the
# session, so it is immutable, though PostgreSQL calls jsonb_build_object only stable.
SHOWN = """
CREATE FUNCTION titleholder.shown(verdict jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object(
        'candidate', verdict -> 'candidate', 'rows', verdict -> 'rows', 'events', verdict -> 'events',
        'judged_against', verdict -> 'champion' -> 'version', 'metric', verdict -> 'metric', 'rule', verdict -> 'rule',
        'challenger_metric', verdict -> 'challenger_metrics' -> (verdict ->> 'metric'),
        'challenger_interval', verdict -> 'challenger_interval',
        'champion_metric', verdict -> 'champion_metrics' -> (verdict ->> 'metric'),
        'champion_interval', verdict -> 'champion_interval', 'gain', verdict -> 'gain',
        'comparison', jsonb_path_query_first(verdict, '$.checks[*] ? (@.code == "TH301").numbers'),
        'passed', jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "pass").code'),
        'beyond', jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "beyond").code'),
        'failed', jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "fail" && @.severity == "block").code'),
        'warned', jsonb_path_query_array(verdict, '$.checks[*] ? (@.status == "fail" && @.severity == "warn").code'),
        'champion_failed', jsonb_path_query_array(verdict, '$.champion_failed[*].code')
    ) WHERE verdict IS NOT NULL
$$
"""

# The documents are json, not jsonb: PostgreSQL keeps their text as it was written, and the hash covers that text.
# The generated columns hold what is read of every row of a lane, so that no query parses a lane's verdicts.
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
    nominees              json        NOT NULL,
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
    fit                   boolean     NOT NULL GENERATED ALWAYS AS (
        kind = 'promote' OR coalesce(NOT jsonb_path_exists(verdict::jsonb, '$.checks[*] ? (
            @.status == "fail" && @.severity == "block" && @.subject == "challenger")'), true)
    ) STORED,
    schedule              text        GENERATED ALWAYS AS (spec ->> 'schedule') STORED,
    rule                  text        GENERATED ALWAYS AS (verdict ->> 'rule') STORED,
    look                  json        GENERATED ALWAYS AS (verdict -> 'look') STORED,
    cohorts               json        GENERATED ALWAYS AS (verdict -> 'cohorts') STORED,
    ranking               json        GENERATED ALWAYS AS (verdict -> 'outlook' -> 'ranking') STORED,
    shown                 jsonb       GENERATED ALWAYS AS (titleholder.shown(verdict::jsonb)) STORED,
    UNIQUE (model, lane, sequence),
    CHECK (kind IN ('rollback', 'decline', 'withdraw') OR num_nulls(verdict, spans, challenger_version) = 0),
    CHECK (kind <> 'decline' OR (lane = 'live' AND champion_after IS NOT DISTINCT FROM champion_before
                                 AND approval IS NOT NULL)),
    CHECK (kind <> 'withdraw' OR (lane = 'live' AND champion_before IS NOT NULL AND champion_after IS NULL)),
    CHECK (kind <> 'recall' OR coalesce((verdict -> 'recall' ->> 'version')::integer = champion_after, false))
)
"""

INLINE = "ALTER TABLE titleholder.decisions ALTER COLUMN shown SET STORAGE MAIN"  # it is read some thirty times a row
BY_VERSION = "CREATE INDEX ON titleholder.decisions (model, lane, challenger_version, sequence)"
BY_AS_OF = "CREATE INDEX ON titleholder.decisions (model, lane, as_of, sequence)"

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

# `in_force`: in the live lane every row is, elsewhere the latest of each as-of date.
DECISIONS = """
CREATE VIEW titleholder.decision_history AS
SELECT id, model, lane, sequence, as_of, kind, challenger_version, champion_before, champion_after, trained_through,
       created_at, actor, reason, asked_because, caused_by, airflow_run, mlflow_run_id, schedule,
       CASE WHEN approval ->> 'answer' = 'approve' THEN approval ->> 'by' END AS approved_by,
       lane = 'live' OR NOT EXISTS (
           SELECT FROM titleholder.decisions AS later
           WHERE later.model = found.model AND later.lane = found.lane AND later.as_of = found.as_of
             AND later.sequence > found.sequence
       ) AS in_force,
       shown ->> 'candidate' AS candidate, (shown ->> 'rows')::bigint AS rows, (shown ->> 'events')::bigint AS events,
       (spans ->> 'holdout_start')::date AS holdout_start, (spans ->> 'matured')::date AS matured,
       (shown ->> 'judged_against')::integer AS judged_against,
       shown ->> 'metric' AS metric,
       (shown ->> 'challenger_metric')::float8 AS challenger_metric,
       (shown -> 'challenger_interval' ->> 'lower')::float8 AS challenger_lower,
       (shown -> 'challenger_interval' ->> 'upper')::float8 AS challenger_upper,
       (shown ->> 'champion_metric')::float8 AS champion_metric,
       (shown -> 'champion_interval' ->> 'lower')::float8 AS champion_lower,
       (shown -> 'champion_interval' ->> 'upper')::float8 AS champion_upper,
       (shown -> 'gain' ->> 'estimate')::float8 AS gain,
       (shown -> 'gain' ->> 'lower')::float8 AS gain_lower,
       (shown -> 'gain' ->> 'upper')::float8 AS gain_upper,
       rule,
       (shown -> 'comparison' ->> 'expected')::float8 AS expected_gain,
       (shown -> 'comparison' ->> 'risk')::float8 AS loss_risk,
       (shown -> 'comparison' ->> 'reign_gain')::float8 AS reign_gain,
       (shown -> 'comparison' ->> 'reign_lower')::float8 AS reign_lower,
       shown -> 'passed' AS passed, shown -> 'beyond' AS beyond, shown -> 'failed' AS failed,
       shown -> 'warned' AS warned, shown -> 'champion_failed' AS champion_failed
FROM titleholder.decisions AS found
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
    for statement in (SHOWN, TABLE, INLINE, BY_VERSION, BY_AS_OF, LANES, GUARD, DECISIONS, HISTORY, CURRENT):
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
