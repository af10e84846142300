"""Copies of the tables that a query reads, as temporary tables, which are private to one session and never committed.

A temporary view makes PostgreSQL list the tables and views that the query reads, and write the query with qualified
names; each name is then replaced by its copy's. The role needs SELECT, and TEMPORARY on the database; nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg2
from psycopg2 import sql

from titleholder.data import warehouse
from titleholder.errors import DataError
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import from_settings, line_of, quoted_line, setting, without
from titleholder.spec.windows import Intervals, midnight

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

VIEW = "titleholder_query"

_READS = """
WITH RECURSIVE reads(oid, depth) AS (
    SELECT d.refobjid, 1
    FROM pg_rewrite r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE r.ev_class = %(view)s::regclass AND d.refobjid <> r.ev_class
  UNION
    SELECT d.refobjid, reads.depth + 1
    FROM reads
    JOIN pg_class v ON v.oid = reads.oid AND v.relkind = 'v'
    JOIN pg_rewrite r ON r.ev_class = v.oid
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE d.refobjid <> r.ev_class
)
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname), quote_ident(c.relname), c.relkind = 'v'
FROM reads JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
GROUP BY c.oid, n.nspname, c.relname, c.relkind
ORDER BY max(depth) DESC, 2
"""

_FUNCTIONS = """
SELECT DISTINCT p.oid::regprocedure::text
FROM pg_rewrite r
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
JOIN pg_proc p ON p.oid = d.refobjid
WHERE r.ev_class = ANY(%(views)s::regclass[]) AND p.pronamespace <> 'pg_catalog'::regnamespace
    AND p.provolatile <> 'i' AND p.prolang NOT IN (SELECT oid FROM pg_language WHERE lanname IN ('c', 'internal'))
"""
"""Functions that may read tables; those that are immutable, or of an extension in C, do not."""

_KEYS_IN_USE = """
SELECT DISTINCT k.conrelid
FROM pg_rewrite r
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_constraint'::regclass
JOIN pg_constraint k ON k.oid = d.refobjid
WHERE r.ev_class = ANY(%(views)s::regclass[])
"""
"""Tables whose primary key the query depends on: GROUP BY names the key, SELECT other columns."""

_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = %(view)s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""

_UNIQUE = """
SELECT i.indexrelid::regclass::text, quote_ident(k.conname), (
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY part.n)
    FROM unnest(i.indkey) WITH ORDINALITY part(attnum, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
)
FROM pg_index i LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid
WHERE i.indrelid = %(copy)s::regclass AND (i.indisunique OR i.indisexclusion)
"""


def setting_as_time(name: str) -> str:
    """SQL for a parameter of the query, or another setting of the transaction; computed once, not for each row."""
    return f"(SELECT current_setting('{setting(name)}')::timestamptz)"


class Relation(NamedTuple):
    """A table or view of the warehouse; `name` is quoted and qualified, `copy` is the temporary table or view."""

    oid: int
    name: str
    short: str
    is_view: bool
    copy: str


class TableCopies:
    """A session with copies of the tables.

    `query` is the spec's query over the copies without `outcome_at`, which is no feature and may differ.
    `functions` are those it calls that may read tables, `definitions` are those of the views it reads. Tables in
    `keyed` keep their primary key; the copies of others may repeat keys.
    """

    def __init__(
        self, cursor: cursor, tables: list[Relation], query: str, functions: list[str], definitions: list[str],
        keyed: set[int],
    ) -> None:  # fmt: skip
        self.cursor, self.tables, self.query = cursor, tables, query
        self.functions, self.definitions, self.keyed = functions, definitions, keyed

    def bind(self, name: str, moment: datetime) -> None:
        """Set a parameter of the query, or another setting of the transaction."""
        self.cursor.execute("SELECT set_config(%s, %s, true)", (setting(name), moment.isoformat()))

    def run(self, statement: sql.Composable | str, values: Any = None) -> int:
        """Execute a statement; returns the number of rows that it affected."""
        self.cursor.execute(statement, values)
        return int(self.cursor.rowcount)

    def rows(self, statement: sql.Composable | str, values: Any = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        self.cursor.execute(statement, values)
        return self.cursor.fetchall()

    def succeeds(self, do: Callable[[], object], error: type[psycopg2.Error]) -> bool:
        """Do something; whether it was done without that error of PostgreSQL. What failed is rolled back."""
        self.cursor.execute("SAVEPOINT trial")
        try:
            do()
        except error:
            self.cursor.execute("ROLLBACK TO SAVEPOINT trial; RELEASE SAVEPOINT trial")
            return False
        self.cursor.execute("RELEASE SAVEPOINT trial")
        return True

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Changes to the copies in this context are rolled back at its end."""
        self.cursor.execute("SAVEPOINT copies")
        yield
        self.cursor.execute("ROLLBACK TO SAVEPOINT copies")


@contextmanager
def copy_tables(url: str, spec: ModelSpec, spans: Intervals, as_of: date) -> Iterator[TableCopies]:
    """Copy the tables that the spec's query reads, with its parameters bound as an extraction at `as_of` binds them.

    Everything happens in one transaction, which is rolled back at the end.

    Raises:
        ServiceError: when the warehouse cannot be reached.
        DataError: when a statement fails, with PostgreSQL's own message.
    """
    moments = {"as_of": as_of, "window_start": spans.train_start, "window_end": spans.matured}
    with _connected(url, spec) as connection, connection.cursor() as cursor, _explained(spec):
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        for name, moment in moments.items():
            cursor.execute("SELECT set_config(%s, %s, true)", (setting(name), midnight(moment).isoformat()))
        cursor.execute(f"CREATE TEMP VIEW {VIEW} AS\n{from_settings(spec.sql)}")
        relations, functions = _dependencies(cursor)
        cursor.execute("SET LOCAL search_path = ''")  # so that PostgreSQL qualifies every name
        keys_in_use = _keys_in_use(cursor, relations)
        for relation in relations:
            _copy(cursor, relation, relations)
            if not relation.is_view and relation.oid not in keys_in_use:
                _drop_uniqueness(cursor, relation.copy)
        tables = [r for r in relations if not r.is_view]
        cursor.execute(_COLUMNS, {"view": f"pg_temp.{VIEW}"})
        names = [name for (name,) in cursor.fetchall()]
        query = without(spec.columns.outcome_at, names, _over_copies(cursor, f"pg_temp.{VIEW}", relations))
        definitions = [_definition(cursor, r.name) for r in relations if r.is_view]
        yield TableCopies(cursor, tables, query, functions, definitions, keys_in_use)


def undeclared_tables(url: str, spec: ModelSpec) -> tuple[str, ...]:
    """The tables that the query reads, also through views, and that `source.tables` does not declare.

    Raises:
        ServiceError: when the warehouse cannot be reached.
        DataError: when they cannot be listed, which takes a temporary view.
    """
    with _connected(url, spec) as connection, connection.cursor() as cursor, _explained(spec):
        cursor.execute(f"CREATE TEMP VIEW {VIEW} AS\n{from_settings(spec.sql)}")
        relations, _ = _dependencies(cursor)
        declared = {table_oid(cursor, name) for name in spec.source.tables}
        return tuple(r.name for r in relations if not r.is_view and r.oid not in declared)


def table_oid(cursor: cursor, name: str) -> int | None:
    """A table by its name as the spec writes it, or None; a name without a schema is looked up in `public`."""
    cursor.execute("SELECT to_regclass(%s)::oid", (name if "." in name else f"public.{name}",))
    ((oid,),) = cursor.fetchall()
    return oid if oid is None else int(oid)


@contextmanager
def _connected(url: str, spec: ModelSpec) -> Iterator[Any]:
    """A transaction that may make temporary tables; nothing of it stays."""
    with warehouse.session(url, spec.source.connection, spec.timeouts.query, readonly=False) as connection:
        yield connection


@contextmanager
def _explained(spec: ModelSpec) -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        place = quoted_line(_line(error, spec), spec.sql)
        raise DataError(
            f"{spec.name}: {spec.source.query}{place} failed in the warehouse: {_first_line(error)}{_hint(error)}"
        ) from None


def _line(error: psycopg2.Error, spec: ModelSpec) -> int | None:
    position, statement = error.diag.statement_position, getattr(error.cursor, "query", None)
    return line_of(int(position), statement.decode(), spec.sql) if position and statement else None


def _hint(error: psycopg2.Error) -> str:
    if isinstance(error, psycopg2.errors.InsufficientPrivilege) and "temporary" in str(error):
        return "; the copies are temporary tables, which the owner allows with: GRANT TEMPORARY ON DATABASE … TO …"
    return ""


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _dependencies(cursor: cursor) -> tuple[list[Relation], list[str]]:
    """The tables and views that the query reads, the innermost first, and the functions that it calls."""
    cursor.execute(_READS, {"view": f"pg_temp.{VIEW}"})
    found = enumerate(cursor.fetchall())
    relations = [Relation(oid, name, short, view, f"pg_temp.copy_{n}") for n, (oid, name, short, view) in found]
    cursor.execute(_FUNCTIONS, {"views": _views(relations)})
    return relations, [name for (name,) in cursor.fetchall()]


def _views(relations: list[Relation]) -> list[str]:
    return [f"pg_temp.{VIEW}", *(r.name for r in relations if r.is_view)]


def _keys_in_use(cursor: cursor, relations: list[Relation]) -> set[int]:
    cursor.execute(_KEYS_IN_USE, {"views": _views(relations)})
    return {oid for (oid,) in cursor.fetchall()}


def _drop_uniqueness(cursor: cursor, copy: str) -> None:
    """Let a copy repeat keys: a synthetic row must join what other tables have for the row that it was made from."""
    cursor.execute(_UNIQUE, {"copy": copy})
    for index, constraint, columns in cursor.fetchall():
        cursor.execute(f"ALTER TABLE {copy} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}")
        if columns:
            cursor.execute(f"CREATE INDEX ON {copy} ({columns})")


def _copy(cursor: cursor, relation: Relation, relations: list[Relation]) -> None:
    if relation.is_view:
        cursor.execute(f"CREATE TEMP VIEW {relation.copy} AS {_over_copies(cursor, relation.name, relations)}")
        return
    cursor.execute(f"CREATE TEMP TABLE {relation.copy} (LIKE {relation.name} INCLUDING INDEXES)")
    cursor.execute(f"INSERT INTO {relation.copy} SELECT * FROM {relation.name}")
    cursor.execute(f"ANALYZE {relation.copy}")


def _over_copies(cursor: cursor, view: str, relations: list[Relation]) -> str:
    return rewrite(_definition(cursor, view), {r.name: r for r in relations})


def _definition(cursor: cursor, view: str) -> str:
    cursor.execute("SELECT pg_get_viewdef(%s::regclass)", (view,))
    ((definition,),) = cursor.fetchall()
    return str(definition).strip().rstrip(";")


def rewrite(definition: str, relations: Mapping[str, Relation]) -> str:
    """A view's definition, as PostgreSQL writes it, with the name of each relation replaced by its copy's.

    A table without an alias is referred to by its own name elsewhere in the definition: that name becomes the copy's
    alias. PostgreSQL writes keywords in capitals, so that a small letter or a quote after the name begins an alias.
    """
    if not relations:
        return definition
    names = "|".join(re.escape(name) for name in sorted(relations, key=len, reverse=True))

    def place(match: re.Match[str]) -> str:
        relation = relations[match["name"]]
        return relation.copy + ("" if match["alias"] is not None else f" AS {relation.short}")

    return re.sub(rf"""(?<![\w$."'])(?P<name>{names})(?![\w$"'.])(?P<alias>(?=\s+[a-z_"]))?""", place, definition)
