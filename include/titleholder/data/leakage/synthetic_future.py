"""The later facts of one table: those it has are removed from its copy, synthetic ones are inserted.

A synthetic row is a copy of a real row that becomes known after `as_of` and has some values of another real row: in one
column, in all columns but one, or in none (a repetition). So a query that uses any column of a later row is found out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from titleholder.data.leakage.table_copies import Relation, TableCopies
from titleholder.errors import UsageError
from titleholder.spec.source import TableHistory
from titleholder.spec.sql import quoted, setting

ROWS = 2_000
"""The most rows of a table that are copied; each gives about two synthetic rows a column."""
AFTER = ("1 microsecond", "1 second", "1 hour", "1 day", "8 days", "32 days", "100 days", "400 days")
"""How long after `as_of` synthetic facts become known: some at once, for cut-offs that are slightly too late."""
NOW = f"current_setting('{setting('as_of')}')::timestamptz"
_COUNTED = "(SELECT max({c}) FROM {t}) + n"
FRESH = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric"), _COUNTED),
    **dict.fromkeys(("text", "varchar"), "'synthetic ' || n"),
    "uuid": "gen_random_uuid()",
}
"""An unused value for a key, by type."""

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typname, EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = ANY(i.indkey)
    WHERE i.indrelid = %(table)s AND i.indisprimary AND o.attname = a.attname
)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %(copy)s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class Column(NamedTuple):
    """A column: its quoted name, its type with and without modifiers, and whether it belongs to the primary key."""

    name: str
    sql_type: str
    type_name: str
    in_key: bool


class SyntheticFuture:
    """The copy of one table, and how the spec says its facts become known.

    Raises:
        UsageError: when the spec names a column that the table does not have.
    """

    def __init__(self, copies: TableCopies, table: Relation, facts: TableHistory) -> None:
        self.copies, self.table, self.facts = copies, table, facts
        found = copies.rows(_COLUMNS, {"table": table.oid, "copy": table.copy})
        self.columns = [Column(quoted(name), *more) for name, *more in found]
        named = [*([] if facts.changes else [facts.known_at]), *filter(None, [facts.until]), *facts.changes]
        self._names = valid = [name for name, *_ in found]
        if unknown := [n for n in named if n not in valid]:
            raise UsageError(
                f"source.tables: {table.name} has no column {', '.join(unknown)}; it has {', '.join(valid)}"
            )
        self.known = f"({facts.known_at})" if facts.changes else quoted(facts.known_at)
        self.until = quoted(facts.until) if facts.until else ""

    def unverified(self, used: set[str]) -> tuple[str, ...]:
        """Of a table overwritten in place: the used columns that `changes` does not name, which cannot be tested."""
        if not self.facts.changes:
            return ()
        declared = {*self.facts.changes, *re.findall(r"\w+", self.facts.known_at)}
        return tuple(name for name in self._names if name in used - declared)

    def remove_later_facts(self) -> int:
        """Remove the facts that became known after `as_of`; returns their number.

        A version that was superseded later is in force again. Rows overwritten in place stay as they are, because
        their earlier values are not known; they are only counted.
        """
        t, k, u = self.table.copy, self.known, self.until
        if self.facts.changes:
            return int(self.copies.rows(f"SELECT count(*) FROM {t} WHERE {k} > {NOW}")[0][0])
        removed = self.copies.run(f"DELETE FROM {t} WHERE {k} > {NOW}")
        if u:
            in_force = f"(SELECT CASE WHEN bool_or({u} IS NULL) THEN NULL ELSE max({u}) END FROM {t})"
            removed += self.copies.run(f"UPDATE {t} SET {u} = {in_force} WHERE {u} > {NOW}")
        return removed

    def insert(self) -> int:
        """Insert synthetic facts that become known after `as_of`; returns their number."""
        if self.facts.changes:
            return self._overwrite()
        self._select_patterns(f"{self.known} <= {NOW}", limit=ROWS)
        return self._insert_rows() + (self._supersede() if self.until else 0)

    def _select_patterns(self, condition: str, limit: int | None = None) -> None:
        """Select the rows to copy, numbered in pseudo-random (hash) order; a row's partner is the one after it."""
        self.copies.run("DROP TABLE IF EXISTS pg_temp.pattern")
        self.copies.run(
            "CREATE TEMP TABLE pattern AS SELECT p.*, row_number() OVER () AS pattern_n FROM ("
            f"SELECT t.*, t.ctid AS pattern_row FROM {self.table.copy} t WHERE {condition} "
            f"ORDER BY hashtextextended(t::text, 1) LIMIT {'ALL' if limit is None else limit}) p"
        )

    def _insert_rows(self) -> int:
        """Insert variants v of each pattern: 0 changes nothing, i > 0 column i only, i < 0 every column but i."""
        others = [c for c in self.columns if c.name != self.known]
        values = [self._mixed(n, c) for n, c in enumerate(others, start=1)]
        (known,) = (c for c in self.columns if c.name == self.known)
        last = len(others)
        delays = ", ".join(f"interval '{after}'" for after in AFTER)
        delay = f"(ARRAY[{delays}])[1 + (s.pattern_n + v + {last}) % {len(AFTER)}]"
        moment = f"({NOW} + {delay} + (v + {last}) * interval '1 microsecond')::{known.sql_type}"
        return self.copies.run(
            f"INSERT INTO {self.table.copy} ({', '.join(c.name for c in others)}, {known.name}) "
            f"SELECT {', '.join(values)}, moment FROM ("
            f"SELECT s.pattern_n, v, {moment} AS moment, row_number() OVER () AS n "
            f"FROM pattern s CROSS JOIN generate_series(-{last}, {last}) v) d "
            "JOIN pattern s USING (pattern_n) "
            "JOIN pattern o ON o.pattern_n = s.pattern_n % (SELECT count(*) FROM pattern) + 1 "
            f"WHERE moment > {NOW} ON CONFLICT DO NOTHING"
        )

    def _mixed(self, n: int, column: Column) -> str:
        """The value of a synthetic row: its own pattern's (s) or the partner's (o).

        Every second row has an unused primary key: it is a fact about a new entity. The others repeat keys, so that
        they are also found where a query joins rows that only known keys have.
        """
        mixed = f"CASE WHEN v = {n} OR (v < 0 AND v <> -{n}) THEN o.{column.name} ELSE s.{column.name} END"
        key = [c for c in self.columns if c.in_key]
        fresh = next((c for c in reversed(key) if c.type_name in FRESH), None)
        if column != fresh or any(c.name == self.known for c in key):
            return mixed
        value = FRESH[column.type_name].format(c=column.name, t=self.table.copy)
        return f"CASE WHEN (d.pattern_n + v) % 2 = 0 THEN ({value})::{column.sql_type} ELSE {mixed} END"

    def _supersede(self) -> int:
        """Supersede half of the versions in force, after `as_of`."""
        return self.copies.run(
            f"UPDATE {self.table.copy} SET {self.until} = {NOW} + interval '1 day' WHERE ctid IN ("
            "SELECT pattern_row FROM pattern "
            f"WHERE pattern_n % 2 = 0 AND ({self.until} IS NULL OR {self.until} > {NOW}))"
        )

    def _overwrite(self) -> int:
        """Exchange the values of rows whose facts were not known yet; returns the number of rows."""
        self._select_patterns(f"{self.known} > {NOW}")
        changed = [quoted(c) for c in self.facts.changes]
        names, values = ", ".join(changed), ", ".join(f"later.{c}" for c in changed)
        mixed = ", ".join(f"{'o' if c.name in changed else 's'}.{c.name}" for c in self.columns)
        self.copies.run("DROP TABLE IF EXISTS pg_temp.later")
        self.copies.run(
            f"CREATE TEMP TABLE later AS SELECT * FROM (SELECT s.pattern_row, {mixed} FROM pattern s "
            "JOIN pattern o ON o.pattern_n = s.pattern_n % (SELECT count(*) FROM pattern) + 1) mixed "
            f"WHERE {self.known} > {NOW}"
        )
        return self.copies.run(
            f"UPDATE {self.table.copy} AS t SET ({names}) = ROW({values}) FROM pg_temp.later "
            "WHERE t.ctid = later.pattern_row"
        )
