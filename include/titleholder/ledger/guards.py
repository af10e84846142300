"""Whether the guards hold that keep the ledger's tables append-only: its schema, and who may do what with it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from titleholder.ledger.catalogue import differences
from titleholder.ledger.database import engine, reachable
from titleholder.ledger.rights import SCHEMA, TABLES, Roles, rights

Granted = set[tuple[str, str]]
"""Rights of one role, each with what it is on."""
EVERYBODY = "PUBLIC"
_GRANTED = """
WITH things (name, owner, acl) AS (
    SELECT 'SCHEMA ' || nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner))
    FROM pg_namespace WHERE nspname = :schema
    UNION ALL SELECT c.oid::regclass::text, relowner, relacl FROM pg_class AS c
    WHERE relnamespace = to_regnamespace(:schema)
    UNION ALL SELECT format('%s.%I', c.oid::regclass, attname), relowner, attacl
    FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid WHERE relnamespace = to_regnamespace(:schema)
    UNION ALL SELECT 'FUNCTION ' || p.oid::regprocedure, proowner, coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc AS p WHERE pronamespace = to_regnamespace(:schema)
)
SELECT coalesce(rolname, 'PUBLIC'), privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
    name
FROM things CROSS JOIN aclexplode(acl) LEFT JOIN pg_roles ON pg_roles.oid = grantee WHERE grantee <> owner
"""
_POWERS = """
SELECT rolname, rolsuper, pg_get_userbyid(nspowner) AS owner, pg_has_role(r.oid, nspowner, 'MEMBER') AS is_owner
FROM pg_roles AS r, pg_namespace WHERE nspname = :schema AND rolname = ANY(:roles) ORDER BY rolname
"""
_BY_MEMBERSHIP = """
SELECT role, verb, name FROM unnest(CAST(:roles AS text[])) AS role, unnest(CAST(:tables AS text[])) AS name,
    unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS verb
WHERE has_table_privilege(role, name, verb) ORDER BY role, name, verb
"""


def faults(url: str) -> list[str]:
    """What is wrong with the guards that keep the tables append-only, a sentence each; empty where they hold."""
    with reachable(), engine(url).connect() as connection:
        # The reader's transactions are read-only; this one makes temporary objects, which are rolled back.
        return list(faults_seen_by(connection.execution_options(postgresql_readonly=False)))


def faults_seen_by(connection: Connection) -> Iterator[str]:
    """The same of one transaction, which must not be read-only; nothing is changed."""
    yield from differences(connection)
    yield from _wrong_rights(connection)


def _wrong_rights(connection: Connection) -> Iterator[str]:
    """Rights of the roles that use the ledger, and of everybody, that the migration does not give; and lost ones."""
    connection.execute(text("SET LOCAL search_path = ''"))
    found: dict[str, Granted] = {}
    for role, right, thing in connection.execute(text(_GRANTED), {"schema": SCHEMA}):
        found.setdefault(role, set()).add((right, thing))
    own = str(connection.scalar(text("SELECT current_user")))
    appending = sorted(role for role, granted in found.items() if any(right == "EXECUTE" for right, _ in granted))
    if len(appending) > 1:
        yield f"More than one role may append decisions: {', '.join(appending)}"
    for role in sorted(found):
        yield from _wrong(role, found[role], appends=role in appending)
    yield from _powers(connection, sorted({own, *found} - {EVERYBODY}), found)


def _wrong(role: str, found: Granted, *, appends: bool) -> Iterator[str]:
    names = Roles(role, "") if appends else Roles("", role)
    expected = {(right, thing) for right, things in rights(names)[role].items() for thing in things}
    who = "Everybody" if role == EVERYBODY else f"The role {role}"
    for right, thing in sorted(found if role == EVERYBODY else found - expected):
        yield f"{who} has the right to {right} on {thing}, which no migration gave"
    for right, thing in sorted(set() if role == EVERYBODY else expected - found):
        yield f"{who} lost the right to {right} on {thing}"


def _powers(connection: Connection, roles: list[str], found: dict[str, Granted]) -> Iterator[str]:
    """What the roles may do by being superusers, or by the roles that they belong to."""
    mighty = set()
    for row in connection.execute(text(_POWERS), {"roles": roles, "schema": SCHEMA}):
        if row.rolsuper:
            yield f"The role {row.rolname} is a superuser, and can change every row"
        elif row.is_owner:
            yield f"The role {row.rolname} is, or can become, the ledger's owner {row.owner}"
        if row.rolsuper or row.is_owner:
            mighty.add(row.rolname)
    named = {"roles": [role for role in roles if role not in mighty], "tables": [f"{SCHEMA}.{name}" for name in TABLES]}
    for role, verb, table in connection.execute(text(_BY_MEMBERSHIP), named):
        if (verb, table) not in found.get(role, set()) | found.get(EVERYBODY, set()):
            yield f"The role {role} has the right to {verb} on {table} by a role that it belongs to"
