"""Whether the guards hold that keep the ledger's tables append-only: its schema, and who may do what with it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from titleholder.ledger.catalogue import differences
from titleholder.ledger.database import engine, reachable
from titleholder.ledger.rights import SCHEMA, Roles, rights

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
_GRANTED_LATER = """
WITH defaults AS (
    SELECT defaclobjtype AS kind, defaclacl AS acl, nspowner AS owner FROM pg_default_acl
    JOIN pg_namespace AS n ON nspname = :schema AND nspowner = defaclrole AND defaclnamespace IN (0, n.oid)
), given AS (
    SELECT kind, owner, grantee, privilege_type FROM defaults CROSS JOIN aclexplode(acl) WHERE grantee <> owner
    EXCEPT SELECT kind, owner, grantee, privilege_type FROM defaults
    CROSS JOIN aclexplode(acldefault(CASE kind WHEN 'S' THEN 's' ELSE kind END, owner))
)
SELECT coalesce(rolname, 'PUBLIC'), privilege_type, pg_get_userbyid(owner), CASE kind
    WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'function' WHEN 'T' THEN 'type' ELSE 'schema' END
FROM given LEFT JOIN pg_roles ON pg_roles.oid = grantee ORDER BY 1, 4, 2
"""
"""What `ALTER DEFAULT PRIVILEGES` gives on what a later migration makes; `migrate` gives nothing so."""
_READS = ("USAGE", "SELECT")
_MIGHTY = ("pg_write_all_data", "pg_execute_server_program", "pg_write_server_files")
"""PostgreSQL's own roles whose members write past the functions, or can become superusers."""
_OWNER = "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = :schema"
_SUPERUSERS = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolname = ANY(:roles) ORDER BY rolname"
_MEMBERS = """
SELECT r.rolname AS role, m.rolname AS other FROM pg_roles AS r JOIN pg_roles AS m ON r.oid <> m.oid
WHERE r.rolcanlogin AND NOT r.rolsuper AND (m.rolsuper OR m.rolname = ANY(:writing)) AND pg_has_role(r.oid, m.oid,
    CASE WHEN r.rolname = ANY(:roles) OR current_setting('server_version_num')::integer < 160000
    THEN 'MEMBER' ELSE 'USAGE, SET' END)
ORDER BY r.rolname, m.rolname
"""
"""Who has, or can take, the rights of a mightier role. An administrator who may only grant it, as whoever made it may
since PostgreSQL 16, is not named."""


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
    for role, right, owner, kind in connection.execute(text(_GRANTED_LATER), {"schema": SCHEMA}):
        given = f"the right to {right} on each new {kind} of {owner} (ALTER DEFAULT PRIVILEGES)"
        yield f"{_named(role)} gets {given}, which no migration gave"
    yield from _powers(connection, own, found)


def _named(role: str) -> str:
    return "Everybody" if role == EVERYBODY else f"The role {role}"


def _wrong(role: str, found: Granted, *, appends: bool) -> Iterator[str]:
    names = Roles(role, "") if appends else Roles("", role)
    expected = {(right, thing) for right, things in rights(names)[role].items() for thing in things}
    who = _named(role)
    for right, thing in sorted(found if role == EVERYBODY else found - expected):
        yield f"{who} has the right to {right} on {thing}, which no migration gave"
    for right, thing in sorted(set() if role == EVERYBODY else expected - found):
        yield f"{who} lost the right to {right} on {thing}"


def _powers(connection: Connection, own: str, found: dict[str, Granted]) -> Iterator[str]:
    """What roles may do by being superusers or the owner, or by the roles that they belong to."""
    roles = sorted({own, *found} - {EVERYBODY})
    for role in connection.scalars(text(_SUPERUSERS), {"roles": roles}):
        yield f"The role {role} is a superuser, and can change every row"
    owner = str(connection.scalar(text(_OWNER), {"schema": SCHEMA}))
    if own == owner:
        yield f"The role {own} is the ledger's owner, and can change every row"
    writing = [role for role, granted in found.items() if any(right not in _READS for right, _ in granted)]
    asked = {"roles": roles, "writing": [owner, *_MIGHTY, *writing]}
    for role, other in connection.execute(text(_MEMBERS), asked):
        yield f"The role {role} belongs to {other}, and can write to the ledger with the rights of that role"
