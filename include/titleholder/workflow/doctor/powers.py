"""What a role of PostgreSQL may do beyond the rights on single tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from titleholder.workflow.doctor.report import Check, ok, warning, wrong

OLDEST = 150000
"""The least `server_version_num` of the ledger."""
QUERY = """
SELECT current_user AS role, current_setting('server_version_num')::int AS number,
    current_setting('server_version') AS version, extract(epoch FROM clock_timestamp())::float8 AS now,
    has_database_privilege(current_database(), 'TEMPORARY') AS temporary,
    pg_get_userbyid(datdba) = current_user AS owns_database, rolsuper AS "SUPERUSER", rolcreatedb AS "CREATEDB",
    rolcreaterole AS "CREATEROLE", rolreplication AS "REPLICATION", rolbypassrls AS "BYPASSRLS",
    ARRAY(SELECT b.rolname::text FROM pg_roles AS b WHERE b.oid <> r.oid AND pg_has_role(r.oid, b.oid, 'MEMBER')
        ORDER BY 1) AS member_of
FROM pg_roles AS r, pg_database WHERE rolname = current_user AND datname = current_database()
"""
"""One row about the role that asks and its server."""
ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")


def judged(name: str, row: Mapping[str, Any]) -> Check:
    """The attributes and memberships of a role that should have none."""
    role, attributes = row["role"], [attribute for attribute in ATTRIBUTES if row[attribute]]
    if attributes:
        undo = " ".join(f"NO{attribute}" for attribute in attributes)
        return wrong(name, f"{role} has {', '.join(attributes)}", f"ALTER ROLE {role} {undo}, or use another role")
    if row["owns_database"]:
        return warning(name, f"{role} owns the database", "Use a role that owns nothing")
    if row["member_of"]:
        roles = ", ".join(row["member_of"])
        return warning(name, f"{role} has the rights of {roles} too", f"REVOKE {roles} FROM {role}")
    return ok(name, f"{role}, without attributes and memberships")
