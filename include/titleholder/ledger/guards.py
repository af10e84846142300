"""Whether the guards hold that keep the ledger's tables append-only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, text

from titleholder.ledger.database import engine, reachable

GUARDS = {
    "no_change": "CREATE TRIGGER no_change BEFORE DELETE OR UPDATE ON titleholder.decisions FOR EACH ROW "
    "EXECUTE FUNCTION titleholder.refuse_change()",
    "no_truncate": "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON titleholder.decisions FOR EACH STATEMENT "
    "EXECUTE FUNCTION titleholder.refuse_change()",
}
"""The triggers that refuse every change, as PostgreSQL writes out what the migration made; those of `decisions`."""
TABLES = ("decisions", "lane_records")
REFUSAL = "BEGIN RAISE EXCEPTION 'the ledger is append-only: % on titleholder.% is refused', TG_OP, TG_TABLE_NAME; END"
_TRIGGERS = """
SELECT tgname, tgenabled::text AS enabled, pg_get_triggerdef(pg_trigger.oid) AS made, prosrc AS does
FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal
"""
_ALLOWED = """
SELECT verb FROM (VALUES ('UPDATE', has_any_column_privilege(:table, 'UPDATE')),
                         ('DELETE', has_table_privilege(:table, 'DELETE')),
                         ('TRUNCATE', has_table_privilege(:table, 'TRUNCATE'))) AS known (verb, may)
WHERE may
"""


def faults(url: str) -> list[str]:
    """What is wrong with the guards that keep the tables append-only, a sentence each; empty where they hold."""
    with reachable(), engine(url).connect() as connection:
        return [fault for table in TABLES for fault in _weak_guards(connection, table)]


def _weak_guards(connection: Connection, table: str) -> Iterator[str]:
    named = {"table": f"titleholder.{table}"}
    found = {row.tgname: row for row in connection.execute(text(_TRIGGERS), named)}
    role = connection.scalar(text("SELECT current_user"))
    for name, made in GUARDS.items():
        if fault := _weakness(made.replace("decisions", table), found.get(name)):
            yield f"The trigger {name} on titleholder.{table} {fault}"
    for verb in connection.scalars(text(_ALLOWED), named):
        yield f"The role {role} has the right to {verb} rows of titleholder.{table}"


def _weakness(made: str, trigger: Row[Any] | None) -> str:
    if trigger is None:
        return "is gone"
    if trigger.enabled not in ("O", "A"):
        return "is switched off"
    as_made = trigger.made == made and " ".join(trigger.does.split()) == REFUSAL
    return "" if as_made else "is not the one that the migration made"
