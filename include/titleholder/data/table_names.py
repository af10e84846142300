"""A table of the warehouse by the name that a person gave, or the names that there are."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from titleholder.errors import UsageError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_TABLE = """
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), c.relkind::text, greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') AND n.nspname = ANY(%s::name[]) AND c.relname = %s
ORDER BY array_position(%s::name[], n.nspname)
"""
_TABLES = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
"""


class NamedTable(NamedTuple):
    """A table or view: its name with schema, quoted where it must be, PostgreSQL's kind, and about how many rows."""

    oid: int
    name: str
    kind: str
    estimate: int


def find(asking: cursor, table: str, option: str) -> NamedTable:
    """The table of this name; where it names no schema, of the first in the role's search path that has one.

    Raises:
        UsageError: there is none; the message starts with `option`, and has the nearest name and all of them.
    """
    schema, _, name = table.rpartition(".")
    asking.execute("SELECT current_schemas(false)::text[]")
    ((path,),) = asking.fetchall()
    schemas = [schema] if schema else path
    asking.execute(_TABLE, (schemas, name, schemas))
    for found in asking.fetchall():
        return NamedTable._make(found)
    asking.execute(_TABLES)
    names = [known for (known,) in asking.fetchall()]
    wanted = table if schema else ".".join([*path[:1], table])
    close = difflib.get_close_matches(wanted.lower(), [n.lower() for n in names], n=1)
    near = next((n for n in names if close and n.lower() == close[0]), None)
    hint = f" Did you mean {near!r}?" if near else ""
    raise UsageError(f"{option}: no table {wanted!r} that this connection may see.{hint} Known: {', '.join(names)}")
