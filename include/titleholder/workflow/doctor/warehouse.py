"""The warehouses that specs read: is the connection known, may its role read, and nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from psycopg2.extras import RealDictCursor

from titleholder.data import warehouse
from titleholder.settings import CONNECTION
from titleholder.workflow.doctor import clock, powers
from titleholder.workflow.doctor.report import Check, ok, skipped, warning, wrong

if TYPE_CHECKING:
    from titleholder.spec.model import ModelSpec

_WRITABLE = """
SELECT c.oid::regclass::text AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') ORDER BY 1 LIMIT 4
"""
_READABLE = "SELECT to_regclass(%s) IS NOT NULL AS exists, has_table_privilege(to_regclass(%s), 'SELECT') AS readable"


Tables = dict[str, list[str]]
"""The models that declare a table, by its name."""


def connections(specs: Mapping[str, ModelSpec]) -> dict[str, Tables]:
    """The connections that specs name, each with the tables that they declare; without specs, those that are set and
    lead to PostgreSQL.
    """
    found: dict[str, Tables] = {}
    for model, spec in specs.items():
        tables = found.setdefault(spec.source.connection, {})
        for table in spec.source.tables:
            tables.setdefault(table, []).append(model)
    if not specs:
        known = {n: url for n, url in os.environ.items() if n.startswith(CONNECTION) and url.startswith("postgres")}
        found = {name.removeprefix(CONNECTION).lower(): {} for name in known}
    return {name: dict(sorted(tables.items())) for name, tables in sorted(found.items())}


def connection(name: str, tables: Tables) -> Iterator[Check]:
    """One connection: its login, its role, and the tables."""
    variable, title = f"{CONNECTION}{name.upper()}", f"connection {name}"
    url = os.environ.get(variable, "")
    if not url:
        where = f"Airflow may know it (`airflow connections get {name}`); the command line needs {variable}"
        yield skipped(title, f"{variable} is not set in this environment", where)
        return
    if url.lstrip().startswith("{"):
        yield skipped(
            title, f"{variable} is JSON, which Airflow reads", "The command line needs an address: postgresql://…"
        )
        return
    with warehouse.session(url, name) as opened, opened.cursor(cursor_factory=RealDictCursor) as cursor:
        before = time.time()
        cursor.execute(powers.QUERY)
        row = dict(cursor.fetchone() or {})
        yield ok(title, f"{row['role']} can log in to PostgreSQL {row['version']}")
        yield clock.compared(f"{title}: clock", before, row["now"], time.time())
        yield powers.judged(f"{title}: role", row)
        if not row["temporary"]:
            grant = f"GRANT TEMPORARY ON DATABASE … TO {row['role']}, for `titleholder leaktest`"
            yield warning(f"{title}: leaktest", f"{row['role']} may not make temporary tables", grant)
        cursor.execute(_WRITABLE)
        if writable := [found["name"] for found in cursor.fetchall()]:
            many = ", ".join(writable[:3]) + (", …" if len(writable) > 3 else "")
            yield warning(f"{title}: rights", f"{row['role']} may write to {many}", "Use a role that only reads")
        else:
            yield ok(f"{title}: rights", f"{row['role']} may write to no table")
        for table, models in tables.items():
            cursor.execute(_READABLE, (table, table))
            seen = dict(cursor.fetchone() or {})
            if not (seen["exists"] and seen["readable"]):
                said = "may not be read" if seen["exists"] else "does not exist, or may not be seen"
                grant = f"GRANT SELECT ON {table} TO {row['role']}"
                remedy = grant if seen["exists"] else f"Load it, or give the right to see it: {grant}"
                yield wrong(f"{title}: tables", f"{table} {said}; read by {', '.join(models)}", remedy)
