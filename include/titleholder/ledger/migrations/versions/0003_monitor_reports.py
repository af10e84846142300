"""The append-only table of what the monitors said.

A report enters by a function that runs with its owner's rights. It follows the newest report of its lane, so that
reports are written one after the other and no row is counted in two of them.
"""

from __future__ import annotations

from alembic import op

from titleholder.ledger.migrations.append_only import guard

revision = "0003"
down_revision = "0002"

# `decision` made the version champion: a version that comes back has a reign, and reports, of its own.
# `score_runs` are those that no earlier report of the reign has looked at.
REPORTS = """
CREATE TABLE titleholder.monitor_reports (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model        text        NOT NULL,
    lane         text        NOT NULL,
    as_of        date        NOT NULL CHECK (as_of BETWEEN '0001-01-01' AND '9999-12-31'),
    version      integer     NOT NULL,
    decision     bigint      NOT NULL,
    previous     bigint,
    score_runs   bigint[]    NOT NULL,
    state        text        NOT NULL CHECK (state IN ('quiet', 'alarm', 'waiting')),
    alarms       text[]      NOT NULL CHECK ((state = 'alarm') = (cardinality(alarms) > 0)),
    new_alarms   text[]      NOT NULL CHECK (new_alarms <@ alarms),
    asks_retrain boolean     NOT NULL CHECK (NOT asks_retrain OR (lane = 'live' AND state = 'alarm')),
    ask_reason   text        NOT NULL CHECK (NOT asks_retrain OR ask_reason <> ''),
    report       jsonb       NOT NULL CHECK (report ->> 'state' = state),
    spec         jsonb       NOT NULL CHECK (jsonb_typeof(spec) = 'object'),
    actor        text        NOT NULL,
    reason       text        NOT NULL,
    airflow_run  text        NOT NULL,
    code_version text        NOT NULL,
    created_at   timestamptz NOT NULL,
    written_by   text        NOT NULL
)
"""
# A look whose outcomes could not be read may be followed by one of the same day that has them.
ONCE = (
    "CREATE UNIQUE INDEX monitor_reports_once ON titleholder.monitor_reports "
    "(model, lane, decision, as_of, score_runs, (report ->> 'unavailable' IS NULL))"
)
NEWEST = "CREATE INDEX monitor_reports_newest ON titleholder.monitor_reports (model, lane, id DESC)"

# Without a row: another report of the lane was written meanwhile, and this one must be made again.
RECORD = """
CREATE FUNCTION titleholder.record_monitor_report(entry json)
RETURNS TABLE (id bigint, created_at timestamptz, written_by text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    made titleholder.monitor_reports := json_populate_record(NULL::titleholder.monitor_reports, entry);
    other bigint;
BEGIN
    PERFORM titleholder.check_size(entry, '{report,spec}');
    PERFORM pg_advisory_xact_lock(hashtextextended('titleholder:monitor:' || made.model || ':' || made.lane, 0));
    SELECT max(r.id) INTO other FROM titleholder.monitor_reports AS r
    WHERE r.model = made.model AND r.lane = made.lane;
    IF other IS DISTINCT FROM made.previous THEN
        RETURN;
    END IF;
    IF made.lane = 'live' AND made.as_of > (clock_timestamp() AT TIME ZONE 'UTC')::date + 1 THEN
        RAISE check_violation USING MESSAGE = format('the as-of date %s lies in the future', made.as_of);
    END IF;
    IF NOT EXISTS (
        SELECT FROM titleholder.decisions AS d WHERE d.id = made.decision AND d.model = made.model
        AND d.lane = made.lane AND d.champion_after = made.version
    ) THEN
        RAISE check_violation USING MESSAGE = format(
            'decision %s did not make version %s of %s champion in lane %s',
            made.decision, made.version, made.model, made.lane);
    END IF;
    SELECT run INTO other FROM unnest(made.score_runs) AS run WHERE NOT EXISTS (
        SELECT FROM titleholder.score_runs AS s WHERE s.id = run AND s.model = made.model AND s.lane = made.lane
        AND s.decision = made.decision AND s.role = 'champion' AND s.as_of <= made.as_of
    ) LIMIT 1;
    IF FOUND THEN
        RAISE check_violation USING MESSAGE = format(
            'scoring run %s is none of this reign until %s', other, made.as_of);
    END IF;
    SELECT r.id INTO other FROM titleholder.monitor_reports AS r
    WHERE r.model = made.model AND r.lane = made.lane AND r.decision = made.decision
    AND r.score_runs && made.score_runs LIMIT 1;
    IF FOUND THEN
        RAISE check_violation USING MESSAGE = format('report %s has looked at one of these scoring runs', other);
    END IF;
    RETURN QUERY INSERT INTO titleholder.monitor_reports (
        model, lane, as_of, version, decision, previous, score_runs, state, alarms, new_alarms, asks_retrain,
        ask_reason, report, spec, actor, reason, airflow_run, code_version, created_at, written_by
    ) VALUES (
        made.model, made.lane, made.as_of, made.version, made.decision, made.previous, made.score_runs, made.state,
        made.alarms, made.new_alarms, made.asks_retrain, made.ask_reason, made.report, made.spec, made.actor,
        made.reason, made.airflow_run, made.code_version, clock_timestamp(), session_user
    ) RETURNING monitor_reports.id, monitor_reports.created_at, monitor_reports.written_by;
END $$
"""


def upgrade() -> None:
    """Create the table, its guards, and the function by which reports enter. Rights are given elsewhere."""
    for statement in (REPORTS, ONCE, NEWEST, RECORD):
        op.execute(statement)
    guard("monitor_reports")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping monitor reports is a decision for a person with psql")
