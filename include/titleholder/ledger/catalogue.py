"""Whether the ledger's schema is what its migrations make: every object that the database knows in it, compared.

What the migrations make is not kept anywhere: each version of PostgreSQL words definitions in its own way. They run
again, on the same server, among the temporary objects of a transaction that is rolled back. The role needs the right to
make temporary tables, no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text

from titleholder.ledger.rights import SCHEMA

Thing = tuple[str, str]
"""A kind of property of the schema and what has it, such as `("trigger", "no_change on decisions")`."""
_PLACE = "@."
"""Stands for the name of the schema in definitions."""
_OWN_HISTORY = """
CREATE TABLE titleholder.alembic_version (
    version_num character varying(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""
"""The table in which Alembic keeps the version of the schema, as it makes it."""

_OWNER = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = :schema"
_PROPERTIES = {
    "owner": "SELECT relname, pg_get_userbyid(relowner) FROM relations WHERE relkind <> 'i'",
    "owner of": "SELECT p.oid::regprocedure::text, pg_get_userbyid(proowner) FROM pg_proc AS p "
    "WHERE pronamespace = :schema",
    "relation": """
        SELECT relname, concat_ws(' ', relkind, CASE relpersistence WHEN 'u' THEN 'unlogged' END, reloptions,
            'row security', relrowsecurity, relforcerowsecurity)
        FROM relations""",
    "column": """
        SELECT relname || '.' || attname, concat_ws(' ', format_type(atttypid, atttypmod), 'nullable', NOT attnotnull,
            'identity', attidentity, 'generated', attgenerated, 'storage', attstorage, 'options', attoptions,
            'inherited', attinhcount, 'collation', attcollation, 'default', pg_get_expr(adbin, adrelid))
        FROM relations AS r JOIN pg_attribute ON attrelid = r.oid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND relkind <> 'i'""",
    "constraint": """
        SELECT concat_ws(' on ', conname, relname),
            concat_ws(' ', pg_get_constraintdef(k.oid), 'validated', convalidated, 'inherited', coninhcount)
        FROM pg_constraint AS k LEFT JOIN pg_class AS c ON c.oid = conrelid WHERE connamespace = :schema""",
    "index": """
        SELECT relname, concat_ws(' ', pg_get_indexdef(indexrelid), 'valid', indisvalid, indisready, indislive)
        FROM relations AS r JOIN pg_index ON indexrelid = r.oid""",
    "trigger": """
        SELECT tgname || ' on ' || relname, concat_ws(' ', pg_get_triggerdef(t.oid), 'enabled', tgenabled)
        FROM relations AS r JOIN pg_trigger AS t ON tgrelid = r.oid WHERE NOT tgisinternal""",
    "trigger of a constraint": """
        SELECT concat_ws(' ', conname, tgfoid::regproc, 'on', relname), concat_ws(' ', 'enabled', tgenabled)
        FROM relations AS r JOIN pg_trigger ON tgrelid = r.oid LEFT JOIN pg_constraint AS k ON k.oid = tgconstraint
        WHERE tgisinternal""",
    "view": """
        SELECT relname, concat_ws(' ', pg_get_viewdef(r.oid), 'enabled', ev_enabled)
        FROM relations AS r JOIN pg_rewrite ON ev_class = r.oid WHERE rulename = '_RETURN'""",
    "rule": """
        SELECT rulename || ' on ' || relname, concat_ws(' ', pg_get_ruledef(w.oid), 'enabled', ev_enabled)
        FROM relations AS r JOIN pg_rewrite AS w ON ev_class = r.oid WHERE rulename <> '_RETURN'""",
    "policy": """
        SELECT polname || ' on ' || relname, concat_ws(' ', polcmd, polpermissive, polroles,
            pg_get_expr(polqual, polrelid), 'check', pg_get_expr(polwithcheck, polrelid))
        FROM relations AS r JOIN pg_policy ON polrelid = r.oid""",
    "sequence": """
        SELECT relname, concat_ws(' ', seqtypid, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
        FROM relations AS r JOIN pg_sequence ON seqrelid = r.oid""",
    "child table": """
        SELECT inhrelid::regclass::text, 'of ' || relname FROM relations AS r JOIN pg_inherits ON inhparent = r.oid""",
    "function": """
        SELECT p.oid::regprocedure::text, CASE WHEN prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) ELSE prosrc END
        FROM pg_proc AS p WHERE pronamespace = :schema""",
    "owning extension": """
        SELECT 'of ' || pg_describe_object(classid, objid, 0), extname
        FROM pg_depend JOIN pg_extension AS x ON refclassid = 'pg_extension'::regclass AND refobjid = x.oid
        WHERE deptype = 'e' AND objid IN (
            SELECT oid FROM relations UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = :schema
            UNION ALL SELECT CAST(:schema AS oid))""",
    "object": """
        SELECT pg_describe_object(classid, objid, objsubid), '' FROM pg_depend
        WHERE refclassid = 'pg_namespace'::regclass AND refobjid = :schema
            AND classid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_constraint'::regclass)
            AND NOT (classid = 'pg_type'::regclass AND EXISTS (
                SELECT FROM pg_type AS t WHERE t.oid = objid AND t.typrelid <> 0))""",
}
"""By kind, the names of all such things in a schema with all that is to be equal of each."""


def differences(connection: Connection) -> Iterator[str]:
    """What in the schema is not as the migrations make it, a sentence each."""
    found = _described(connection)
    trial = connection.begin_nested()
    try:
        expected = _as_migrated(connection)
    finally:
        trial.rollback()
    for thing in sorted(found.keys() | expected.keys()):
        if fault := _difference(thing, found.get(thing), expected.get(thing)):
            yield fault


def _described(connection: Connection) -> dict[Thing, str]:
    """Every property of the ledger's schema but for rights; `owner` stands for the role that owns the schema."""
    connection.execute(text("SET LOCAL search_path = ''"))
    owner = connection.scalar(text(_OWNER), {"schema": SCHEMA})
    return {
        (kind, name.replace(f"{SCHEMA}.", "")): _owned(kind, value, owner).replace(f"{SCHEMA}.", _PLACE)
        for kind, name, value in _read(connection, SCHEMA)
    }


def _as_migrated(connection: Connection) -> dict[Thing, str]:
    """The same of what the migrations make, as temporary objects, which belong to this session and vanish with it."""
    event.listen(connection, "before_cursor_execute", _among_temporary, retval=True)
    try:
        _migrate(connection)
    finally:
        event.remove(connection, "before_cursor_execute", _among_temporary)
    # The names of the real tables hide those of the temporary ones, so that PostgreSQL qualifies them.
    connection.execute(text(f"SET LOCAL search_path = {SCHEMA}, pg_temp"))
    place, owner = re.compile(r"\bpg_temp(_\d+)?\."), connection.scalar(text("SELECT current_user"))
    temporary = str(connection.scalar(text("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")))
    return {
        (kind, place.sub("", name)): place.sub(_PLACE, _owned(kind, value, owner))
        for kind, name, value in _read(connection, temporary)
    }


def _migrate(connection: Connection) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    connection.execute(text(_OWN_HISTORY))
    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    with Operations.context(MigrationContext.configure(connection)):
        for revision in reversed(list(scripts.walk_revisions())):
            revision.module.upgrade()


def _among_temporary(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
    return statement.replace(f"{SCHEMA}.", "pg_temp."), parameters


def _read(connection: Connection, schema: str) -> Iterator[tuple[str, str, str]]:
    number = connection.scalar(text("SELECT oid FROM pg_namespace WHERE nspname = :schema"), {"schema": schema})
    of_schema = "WITH relations AS (SELECT * FROM pg_class WHERE relnamespace = :schema) "
    for kind, query in _PROPERTIES.items():
        for name, value in connection.execute(text(of_schema + query), {"schema": number}):
            yield kind, str(name), str(value)


def _owned(kind: str, value: str, owner: str) -> str:
    return "the schema's owner" if kind.startswith("owner") and value == owner else value


def _difference(thing: Thing, found: str | None, expected: str | None) -> str:
    kind, name = thing
    if found == expected or (kind.startswith("owner") and None in (found, expected)):
        return ""
    if expected is None:
        return f"The {kind} {name} is in the schema {SCHEMA}, and no migration made it"
    if found is None:
        return f"The {kind} {name} is gone from the schema {SCHEMA}"
    if kind.startswith("owner"):
        return f"The owner of {SCHEMA}.{name} is {found}, not {expected}"
    return f"The {kind} {name} of the schema {SCHEMA} is not as the migrations made it{_short(found, expected)}"


def _short(found: str, expected: str) -> str:
    """Where the two part, a few characters of each."""
    first = next(
        (n for n, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(len(found), len(expected))
    )
    since = max(first - 20, 0)
    return f": {found[since : first + 40]!r} instead of {expected[since : first + 40]!r}"
