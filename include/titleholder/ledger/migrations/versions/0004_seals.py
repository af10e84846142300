"""The append-only table of seals: one for each row of the tables beside the decisions, chained by lane.

A seal is written when the row's transaction ends, so that a lane's lock is held for a moment only, and a decision keeps
the newest seal of its lane: the chain of decisions covers that of the seals.
"""

from __future__ import annotations

from alembic import op

from titleholder.ledger.migrations.append_only import always, guard

revision = "0004"
down_revision = "0003"

SEALED = ("lane_records", "reports", "score_runs", "monitor_reports")

# `number` is the row's id in the table that `of` names.
SEALS = """
CREATE TABLE titleholder.seals (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text   NOT NULL,
    lane          text   NOT NULL,
    of            text   NOT NULL,
    number        bigint NOT NULL,
    previous_hash text   NOT NULL,
    hash          text   NOT NULL UNIQUE,
    UNIQUE (of, number)
)
"""
NEWEST = "CREATE INDEX ON titleholder.seals (model, lane, id)"

# The same form as in titleholder.ledger.seals. JSON writes times in the session's zone.
SEAL = """
CREATE FUNCTION titleholder.seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '1min' AS $$
DECLARE
    before text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('titleholder:seal:' || NEW.model || ':' || NEW.lane, 0));
    before := titleholder.newest_seal(NEW.model, NEW.lane);
    INSERT INTO titleholder.seals (model, lane, of, number, previous_hash, hash) VALUES (
        NEW.model, NEW.lane, TG_TABLE_NAME, NEW.id, before,
        encode(sha256(convert_to(concat_ws(' ', before, TG_TABLE_NAME, to_jsonb(NEW)), 'UTF8')), 'hex')
    );
    RETURN NULL;
END $$
"""
SEAL_ADDED = """
CREATE CONSTRAINT TRIGGER seal AFTER INSERT ON titleholder.{table} DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION titleholder.seal()
"""
NEWEST_SEAL = """
CREATE FUNCTION titleholder.newest_seal(model text, lane text) RETURNS text LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((
        SELECT s.hash FROM titleholder.seals AS s WHERE s.model = $1 AND s.lane = $2 ORDER BY s.id DESC LIMIT 1
    ), '')
$$
"""


def upgrade() -> None:
    """Create the table, its guards, and the triggers that seal what is written. Rights are given elsewhere."""
    for statement in (SEALS, NEWEST, NEWEST_SEAL, SEAL):
        op.execute(statement)
    guard("seals")
    for table in SEALED:
        op.execute(SEAL_ADDED.format(table=table))
        always(table, "seal")


def downgrade() -> None:
    """A ledger is never taken down by a migration."""
    raise NotImplementedError("dropping the ledger is a decision for a person with psql")
