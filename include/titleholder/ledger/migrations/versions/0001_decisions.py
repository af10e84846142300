"""The append-only tables of decisions, of lanes and of reports, and views: the database itself refuses every change.

Rows enter by three functions that run with their owner's rights. No other role may insert any.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from titleholder.ledger.migrations.append_only import guard

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
    model                 text        NOT NULL CHECK (model ~ '^[a-z][a-z0-9_]{0,59}$'),
    lane                  text        NOT NULL CHECK (lane ~ '^[a-z][a-z0-9_-]{0,39}$'),
    sequence              integer     NOT NULL CHECK (sequence > 0),
    as_of                 date        NOT NULL CHECK (as_of BETWEEN '0001-01-01' AND '9999-12-31'),
    kind                  text        NOT NULL
                          CHECK (kind IN (
                              'promote', 'keep', 'reject', 'recall', 'rollback', 'decline', 'retire', 'withdraw'
                          )),
    challenger_version    integer     CHECK (challenger_version > 0),
    champion_before       integer     CHECK (champion_before > 0),
    champion_after        integer     CHECK (champion_after > 0),
    trained_through       date        CHECK (trained_through BETWEEN '0001-01-01' AND '9999-12-31'),
    training_run_id       text        NOT NULL,
    nominees              json        NOT NULL CHECK (json_typeof(nominees) = 'array'),
    run_key               text        NOT NULL,
    snapshot_uri          text        NOT NULL,
    snapshot_sha256       text        NOT NULL,
    spec                  json        NOT NULL CHECK (json_typeof(spec) = 'object'),
    spec_fingerprint      text        NOT NULL,
    judgement_fingerprint text        NOT NULL,
    reign_fingerprint     text        NOT NULL,
    verdict               json        CHECK (json_typeof(verdict) = 'object'),
    spans                 json        CHECK (json_typeof(spans) = 'object'),
    approval              json        CHECK (json_typeof(approval) = 'object'),
    code_version          text        NOT NULL,
    seed                  bigint      NOT NULL,
    mlflow_run_id         text        NOT NULL,
    airflow_run           text        NOT NULL,
    actor                 text        NOT NULL,
    reason                text        NOT NULL,
    asked_because         text        NOT NULL,
    caused_by             bigint      REFERENCES titleholder.decisions,
    created_at            timestamptz NOT NULL,
    written_by            text        NOT NULL,
    seal                  text        NOT NULL,
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
    CHECK (num_nulls(verdict, spans, challenger_version)
           = CASE WHEN kind IN ('rollback', 'decline', 'withdraw') THEN 3 ELSE 0 END),
    CHECK (lane = 'live' OR kind NOT IN ('rollback', 'decline', 'withdraw')),
    CHECK (kind <> 'decline' OR approval IS NOT NULL),
    CONSTRAINT champion_follows_from_kind CHECK (CASE kind
        WHEN 'promote' THEN champion_after = challenger_version
        WHEN 'recall' THEN coalesce((verdict -> 'recall' ->> 'version')::integer = champion_after, false)
                           AND champion_after IS DISTINCT FROM champion_before
        WHEN 'rollback' THEN champion_after IS NOT NULL AND champion_after IS DISTINCT FROM champion_before
        WHEN 'withdraw' THEN champion_after IS NULL AND champion_before IS NOT NULL
        ELSE champion_after IS NOT DISTINCT FROM champion_before
    END)
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
    created_at timestamptz NOT NULL,
    written_by text        NOT NULL
)
"""

# A report in MLflow, by its run and the name of its file; that of a decision, or of no decision: a backtest.
REPORTS = """
CREATE TABLE titleholder.reports (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model      text        NOT NULL,
    lane       text        NOT NULL,
    decision   bigint,
    run_id     text        NOT NULL CHECK (run_id ~ '^[0-9a-zA-Z_-]{1,64}$'),
    file       text        NOT NULL CHECK (file ~ '^[a-z0-9][a-z0-9.-]{0,99}$'),
    sha256     text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL,
    written_by text        NOT NULL
)
"""
REPORTS_BY_LANE = "CREATE INDEX ON titleholder.reports (model, lane, id)"
REPORTS_BY_DECISION = "CREATE INDEX ON titleholder.reports (decision)"

# The same form as in titleholder.ledger.integrity: `name=length:text` of each column in the order of their names, or
# `name` alone for null. A document counts as the very text that is stored.
DIGEST = """
CREATE FUNCTION titleholder.digest(decision titleholder.decisions) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(convert_to({form}, 'UTF8')), 'hex')
$$
"""
FIELD = "coalesce('{name}=' || length({text}) || ':' || {text}, '{name}') || E'\\n'"
FORMS = {
    "date": "to_char(decision.{name}, 'YYYY-MM-DD')",
    "timestamp with time zone": "to_char(decision.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')",
}

# What is written stays for ever and is read by every page: no row is of more than 32 MiB, nor has it more than 1 MiB
# beside its documents.
CHECK_SIZE = """
CREATE FUNCTION titleholder.check_size(entry json, documents text[]) RETURNS void LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    whole  integer := octet_length(entry::text);
    beside integer := octet_length((entry::jsonb - documents)::text);
BEGIN
    IF whole > 33554432 OR beside > 1048576 THEN
        RAISE check_violation USING MESSAGE = format(
            'a row of %s bytes, %s of them beside its documents; at most 33554432 and 1048576', whole, beside);
    END IF;
END $$
"""

# The first entry is a decision, the others are months re-judged because of it. All belong to one line, whose lock is
# held until the transaction ends. Nothing is written, and nothing returned, unless row `after` is its last one.
# Without `enable_seqscan`, because a session keeps a plan that was made while the table was empty.
APPEND = """
CREATE FUNCTION titleholder.append(after integer, entries json)
RETURNS TABLE (id bigint, sequence integer, caused_by bigint, created_at timestamptz, written_by text,
               seal text, previous_hash text, hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1min'
SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    line    titleholder.decisions := json_populate_record(NULL::titleholder.decisions, entries -> 0);
    written titleholder.decisions;
    head    record;
    cause   bigint;
    entry   json;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('titleholder:' || line.model || ':' || line.lane, 0));
    SELECT d.sequence, d.hash, d.champion_after INTO head FROM titleholder.decisions AS d
    WHERE d.model = line.model AND d.lane = line.lane ORDER BY d.sequence DESC LIMIT 1;
    IF coalesce(head.sequence, 0) <> after THEN
        RETURN;
    END IF;
    FOR entry IN SELECT json_array_elements(entries) LOOP
        PERFORM titleholder.check_size(entry, '{{spec,nominees,verdict,spans}}');
        written := json_populate_record(NULL::titleholder.decisions, entry);
        written.sequence := coalesce(head.sequence, 0) + 1;
        written.caused_by := cause;
        written.created_at := clock_timestamp();
        written.written_by := session_user;
        written.seal := titleholder.newest_seal(line.model, line.lane);
        written.previous_hash := coalesce(head.hash, '');
        written.hash := titleholder.digest(written);
        PERFORM titleholder.check_place(written, line.model, line.lane, head.champion_after);
        INSERT INTO titleholder.decisions ({columns}) VALUES ({values}) RETURNING decisions.id INTO written.id;
        PERFORM (shown.*)::text FROM titleholder.decision_history AS shown WHERE shown.id = written.id;
        cause := coalesce(cause, written.id);
        RETURN QUERY SELECT written.id, written.sequence, written.caused_by, written.created_at, written.written_by,
                            written.seal, written.previous_hash, written.hash;
        SELECT written.sequence, written.hash, written.champion_after INTO head;
    END LOOP;
END $$
"""

# What a row must agree with beyond itself; `left_by_last` is the champion that the last row of its lane leaves. In
# other lanes than live the month before decides, not the row before. `integrity.wrong_champions` checks the same.
CHECK_PLACE = """
CREATE FUNCTION titleholder.check_place(decision titleholder.decisions, model text, lane text, left_by_last integer)
RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    expected integer := left_by_last;
    known    boolean;
BEGIN
    IF decision.model IS DISTINCT FROM $2 OR decision.lane IS DISTINCT FROM $3 THEN
        RAISE check_violation USING MESSAGE = 'all entries must be of one model and one lane';
    END IF;
    IF decision.lane <> 'live' THEN
        expected := (
            SELECT d.champion_after FROM titleholder.decisions AS d
            WHERE d.model = $2 AND d.lane = $3 AND d.as_of < decision.as_of
            ORDER BY d.as_of DESC, d.sequence DESC LIMIT 1
        );
    END IF;
    IF decision.champion_before IS DISTINCT FROM expected THEN
        RAISE check_violation USING MESSAGE = format(
            'champion_before is %s, but %s is champion before this decision',
            coalesce(decision.champion_before::text, 'null'), coalesce('version ' || expected, 'no version'));
    END IF;
    IF decision.lane = 'live' AND decision.as_of > (clock_timestamp() AT TIME ZONE 'UTC')::date + 1 THEN
        RAISE check_violation USING MESSAGE = format(
            'the as-of date %s lies in the future: later runs of the lane would wait for it', decision.as_of);
    END IF;
    known := CASE decision.kind
        WHEN 'recall' THEN EXISTS (
            SELECT FROM titleholder.decisions AS d WHERE d.model = $2 AND d.lane = $3
            AND d.challenger_version = decision.champion_after AND d.as_of < decision.as_of)
        WHEN 'rollback' THEN EXISTS (
            SELECT FROM titleholder.decisions AS d WHERE d.model = $2 AND d.lane = $3
            AND d.champion_after = decision.champion_after)
        ELSE true
    END;
    IF NOT known AND decision.champion_after IS NOT NULL THEN
        RAISE check_violation USING MESSAGE = format(
            'a %s cannot lead to version %s, which this lane does not know', decision.kind, decision.champion_after);
    END IF;
END $$
"""

RECORD_LANE = """
CREATE FUNCTION titleholder.record_lane(model text, lane text, kind text, actor text, reason text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM titleholder.decisions AS d WHERE d.model = $1 AND d.lane = $2) THEN
        RAISE check_violation USING MESSAGE = format('%s has no decision in lane %s', $1, $2);
    END IF;
    PERFORM titleholder.check_size(json_build_array(actor, reason), '{}');
    INSERT INTO titleholder.lane_records (model, lane, kind, actor, reason, created_at, written_by)
    VALUES ($1, $2, $3, $4, $5, clock_timestamp(), session_user);
END $$
"""

RECORD_REPORT = """
CREATE FUNCTION titleholder.record_report(
    model text, lane text, decision bigint, run_id text, file text, sha256 text
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM titleholder.decisions AS d WHERE d.model = $1 AND d.lane = $2
        AND ($3 IS NULL OR (d.id = $3 AND d.mlflow_run_id = $4))
    ) THEN
        RAISE check_violation USING MESSAGE = format(
            '%s has no such decision in lane %s%s', $1, $2, coalesce(': number ' || $3 || ' of run ' || $4, ''));
    END IF;
    INSERT INTO titleholder.reports (model, lane, decision, run_id, file, sha256, created_at, written_by)
    VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), session_user);
END $$
"""

GUARD = """
CREATE FUNCTION titleholder.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on titleholder.% is refused', TG_OP, TG_TABLE_NAME;
END $$
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
    """Create the tables, their guards and views, and the functions by which rows enter. Rights are given elsewhere."""
    for statement in (SHOWN, TABLE, INLINE, BY_VERSION, BY_AS_OF, LANES, REPORTS, REPORTS_BY_LANE, REPORTS_BY_DECISION):
        op.execute(statement)
    for statement in (GUARD, DECISIONS, HISTORY, CURRENT):
        op.execute(statement)
    guard("decisions", "lane_records", "reports")
    types = written_columns()
    fields = (FIELD.format(name=name, text=text_of(name, types[name])) for name in sorted(types) if name != "hash")
    named = {"columns": ", ".join(types), "values": ", ".join(f"written.{name}" for name in types)}
    for statement in (
        CHECK_SIZE,
        DIGEST.format(form="\n        || ".join(fields)),
        CHECK_PLACE,
        APPEND.format(**named),
        RECORD_LANE,
        RECORD_REPORT,
    ):
        op.execute(statement)


def written_columns() -> dict[str, str]:
    """The types of the columns of `decisions` that a writer fills, by name: all but the id and what is generated."""
    found = text(
        "SELECT attname, format_type(atttypid, NULL) AS kind FROM pg_attribute WHERE attrelid = to_regclass("
        "'titleholder.decisions') AND attnum > 0 AND attgenerated = '' AND attidentity = '' ORDER BY attnum"
    )
    return {column.attname: column.kind for column in op.get_bind().execute(found)}


def text_of(name: str, kind: str) -> str:
    """A column as the text that its hash covers, in SQL."""
    return FORMS.get(kind, "decision.{name}::text").format(name=name)


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
