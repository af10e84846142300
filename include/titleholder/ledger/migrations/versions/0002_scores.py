"""The append-only tables of scoring runs and of their scores.

A run enters by a function that runs with its owner's rights. Its scores are copied into the table by the role that
appends, in the same transaction: the database takes no score for a run that was written before, and no run that lacks
scores.
"""

from __future__ import annotations

from alembic import op

from titleholder.ledger.migrations.append_only import always, guard

revision = "0002"
down_revision = "0001"

# `decision` made the version champion. It is part of the key, so that a version that comes back is a run of its own.
# No foreign key: `begin_score_run` checks more, and no decision is ever deleted.
RUNS = """
CREATE TABLE titleholder.score_runs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text        NOT NULL,
    lane          text        NOT NULL,
    as_of         date        NOT NULL CHECK (as_of BETWEEN '0001-01-01' AND '9999-12-31'),
    role          text        NOT NULL CHECK (role IN ('champion', 'challenger')),
    version       integer     NOT NULL,
    decision      bigint      NOT NULL,
    query_sha256  text        NOT NULL CHECK (query_sha256 ~ '^[0-9a-f]{64}$'),
    window_start  date        NOT NULL CHECK (window_start < as_of),
    input_uri     text        NOT NULL,
    input_sha256  text        NOT NULL CHECK (input_sha256 ~ '^[0-9a-f]{64}$'),
    output_uri    text        NOT NULL,
    output_sha256 text        NOT NULL CHECK (output_sha256 ~ '^([0-9a-f]{64})?$'),
    rows          integer     NOT NULL CHECK (rows >= 0),
    scores_sha256 text        NOT NULL CHECK (scores_sha256 ~ '^[0-9a-f]{64}$'),
    reasons_for   text        NOT NULL CHECK (reasons_for IN ('', 'high', 'low')),
    reason_texts  jsonb       NOT NULL CHECK (jsonb_typeof(reason_texts) = 'object'),
    code_version  text        NOT NULL,
    actor         text        NOT NULL,
    airflow_run   text        NOT NULL,
    reason        text        NOT NULL,
    created_at    timestamptz NOT NULL,
    written_by    text        NOT NULL,
    UNIQUE (model, lane, as_of, role, version, decision, query_sha256)
)
"""

# `position` is the row's in the input, from 0; `reasons` are names of features, NULL where the run gives none. No
# foreign key: PostgreSQL would check it row by row, in memory that grows with the rows; `check_added` does it once.
# The key is the only index: a run's rows lie side by side in it.
SCORES = """
CREATE TABLE titleholder.scores (
    run        bigint           NOT NULL,
    event_time timestamptz      NOT NULL,
    score      double precision NOT NULL,
    position   integer          NOT NULL,
    entity     text COLLATE "C" NOT NULL,
    reasons    text[],
    PRIMARY KEY (run, entity)
)
"""

# A row that the transaction itself has written: a run of another is finished, and takes no more scores.
CHECK_ADDED = """
CREATE FUNCTION titleholder.check_added() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other bigint := (
        SELECT added.run FROM added WHERE NOT EXISTS (
            SELECT FROM titleholder.score_runs AS r WHERE r.id = added.run AND r.xmin = pg_current_xact_id()::xid
        ) LIMIT 1
    );
BEGIN
    IF other IS NOT NULL THEN
        RAISE check_violation USING MESSAGE = format('run %s was not begun by this transaction', other);
    END IF;
    RETURN NULL;
END $$
"""
ADDED = """
CREATE TRIGGER only_own_run AFTER INSERT ON titleholder.scores REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION titleholder.check_added()
"""

CHECK_COMPLETE = """
CREATE FUNCTION titleholder.check_complete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found bigint := (SELECT count(*) FROM titleholder.scores AS s WHERE s.run = NEW.id);
BEGIN
    IF found <> NEW.rows THEN
        RAISE check_violation USING MESSAGE = format('run %s has %s scores, not %s', NEW.id, found, NEW.rows);
    END IF;
    RETURN NULL;
END $$
"""
COMPLETE = """
CREATE CONSTRAINT TRIGGER complete AFTER INSERT ON titleholder.score_runs DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION titleholder.check_complete()
"""

# One whose key is there already is not written, and nothing is returned. A transaction that is about to write the same
# key is waited for.
BEGIN_RUN = """
CREATE FUNCTION titleholder.begin_score_run(run json)
RETURNS TABLE (id bigint, created_at timestamptz, written_by text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    made titleholder.score_runs := json_populate_record(NULL::titleholder.score_runs, run);
BEGIN
    PERFORM titleholder.check_size(run, '{}');
    IF NOT EXISTS (
        SELECT FROM titleholder.decisions AS d WHERE d.id = made.decision AND d.model = made.model
        AND d.lane = made.lane
        AND made.version = CASE made.role WHEN 'champion' THEN d.champion_after ELSE d.challenger_version END
    ) THEN
        RAISE check_violation USING MESSAGE = format(
            'decision %s did not make version %s of %s %s in lane %s',
            made.decision, made.version, made.model, made.role, made.lane);
    END IF;
    IF made.as_of > (clock_timestamp() AT TIME ZONE 'UTC')::date + 1 THEN
        RAISE check_violation USING MESSAGE = format(
            'the as-of date %s lies in the future: its scores would stay the current ones', made.as_of);
    END IF;
    RETURN QUERY INSERT INTO titleholder.score_runs (
        model, lane, as_of, role, version, decision, query_sha256, window_start, input_uri, input_sha256, output_uri,
        output_sha256, rows, scores_sha256, reasons_for, reason_texts, code_version, actor, airflow_run, reason,
        created_at, written_by
    ) VALUES (
        made.model, made.lane, made.as_of, made.role, made.version, made.decision, made.query_sha256,
        made.window_start, made.input_uri, made.input_sha256, made.output_uri, made.output_sha256, made.rows,
        made.scores_sha256, made.reasons_for, made.reason_texts, made.code_version, made.actor, made.airflow_run,
        made.reason, clock_timestamp(), session_user
    ) ON CONFLICT DO NOTHING RETURNING score_runs.id, score_runs.created_at, score_runs.written_by;
END $$
"""

CURRENT = """
CREATE VIEW titleholder.current_scores AS
SELECT model, lane, entity, event_time, score, version, as_of, run, created_at, reasons,
       CASE WHEN reasons IS NOT NULL THEN ARRAY(
           SELECT coalesce(texts ->> feature, feature) FROM unnest(reasons) WITH ORDINALITY AS given (feature, n)
           ORDER BY n
       ) END AS reason_texts
FROM (
    SELECT DISTINCT ON (run.model, run.lane, of.entity)
           run.model, run.lane, of.entity, of.event_time, of.score, run.version, run.as_of, run.id AS run,
           run.created_at, of.reasons, run.reason_texts AS texts
    FROM titleholder.score_runs AS run JOIN titleholder.scores AS of ON of.run = run.id
    WHERE run.role = 'champion'
    ORDER BY run.model, run.lane, of.entity, run.as_of DESC, run.id DESC
) AS newest
"""


def upgrade() -> None:
    """Create the tables, their guards, the view, and the function by which runs enter. Rights are given elsewhere."""
    for statement in (RUNS, SCORES, CHECK_ADDED, ADDED, CHECK_COMPLETE, COMPLETE, BEGIN_RUN, CURRENT):
        op.execute(statement)
    guard("score_runs", "scores")
    always("scores", "only_own_run")
    always("score_runs", "complete")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping scores is a decision for a person with psql")
