"""The later facts of one table: those it has are removed from its copy, synthetic ones are inserted.

A synthetic row is a copy of a real row that becomes known after `as_of` and has some values of another real row: in one
column, in all columns but one, or in none (a repetition). So a query that uses any column of a later row is found out.
"""

from __future__ import annotations

from titleholder.data.leakage.table_copies import setting_as_time
from titleholder.data.leakage.table_facts import Column, TableFacts

ROWS = 2_000
"""The most rows of a table that are copied; each gives about two synthetic rows a column."""
AFTER = ("1 microsecond", "1 second", "1 hour", "1 day", "8 days", "32 days", "100 days", "400 days")
"""How long after `as_of` synthetic facts become known: some at once, for cut-offs that are slightly too late."""
NOW = setting_as_time("as_of")
_COUNTED = "(SELECT max({c}) FROM {t}) + n"
FRESH = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric"), _COUNTED),
    **dict.fromkeys(("text", "varchar"), "'synthetic ' || n"),
    "uuid": "gen_random_uuid()",
}
"""An unused value for a key, by type."""


class SyntheticFuture:
    """The later facts of one table's copy."""

    def __init__(self, facts: TableFacts) -> None:
        self.facts = facts
        self.copies, self.table, self.columns = facts.copies, facts.table, facts.columns
        self.known, self.until = facts.known, facts.until

    def remove_later_facts(self) -> int:
        """Remove the facts that became known after `as_of`; returns their number.

        A version that was superseded later is in force again. Rows overwritten in place stay as they are, because
        their earlier values are not known; they are only counted.
        """
        t, k, u = self.table.copy, self.known, self.until
        if self.facts.history.changes:
            return int(self.copies.rows(f"SELECT count(*) FROM {t} WHERE {k} > {NOW}")[0][0])
        removed = self.copies.run(f"DELETE FROM {t} WHERE {k} > {NOW}")
        if u:
            in_force = f"(SELECT CASE WHEN bool_or({u} IS NULL) THEN NULL ELSE max({u}) END FROM {t})"
            removed += self.copies.run(f"UPDATE {t} SET {u} = {in_force} WHERE {u} > {NOW}")
        return removed

    def insert(self) -> int:
        """Insert synthetic facts that become known after `as_of`; returns their number."""
        if self.facts.history.changes:
            return self._overwrite()
        self._select_patterns()
        return self._insert_rows() + (self._supersede() if self.until else 0)

    def _select_patterns(self) -> None:
        """Select the rows to copy, numbered in pseudo-random (hash) order; a row's partner is the one after it."""
        self.copies.run("DROP TABLE IF EXISTS pg_temp.pattern")
        self.copies.run(
            "CREATE TEMP TABLE pattern AS SELECT p.*, row_number() OVER () AS pattern_n FROM ("
            f"SELECT t.*, t.ctid AS pattern_row, {self.known}::timestamptz AS pattern_known "
            f"FROM {self.table.copy} t WHERE {self.known} <= {NOW} "
            f"ORDER BY hashtextextended(t::text, 1) LIMIT {ROWS}) p"
        )

    def _insert_rows(self) -> int:
        """Insert variants v of each pattern: 0 changes nothing, i > 0 column i only, i < 0 every column but i.

        Where the time when a row became known is computed, the times that it is computed from are shifted.
        """
        computed = self.facts.column(self.known) is None
        times = self.facts.time_columns(self.known) if computed else [c for c in self.columns if c.name == self.known]
        others = [c for c in self.columns if c not in times]
        values = [f"{self._mixed(n, c)} AS {c.name}" for n, c in enumerate(others, start=1)]
        last = len(others)
        delays = ", ".join(f"interval '{after}'" for after in AFTER)
        delay = f"(ARRAY[{delays}])[1 + (s.pattern_n + v + {last}) % {len(AFTER)}]"
        moment = f"{NOW} + {delay} + (v + {last}) * interval '1 microsecond'"
        values += [f"({f's.{c.name} + d.shift' if computed else 'd.moment'})::{c.sql_type} AS {c.name}" for c in times]
        names = ", ".join(c.name for c in [*others, *times])
        return self.copies.run(
            f"INSERT INTO {self.table.copy} ({names}) SELECT {names} FROM (SELECT {', '.join(values)} FROM ("
            f"SELECT s.pattern_n, v, {moment} AS moment, {moment} - s.pattern_known AS shift, "
            "row_number() OVER () AS n "
            f"FROM pattern s CROSS JOIN generate_series(-{last}, {last}) v) d "
            "JOIN pattern s USING (pattern_n) "
            "JOIN pattern o ON o.pattern_n = s.pattern_n % (SELECT count(*) FROM pattern) + 1"
            f") planted WHERE {self.known} > {NOW} ON CONFLICT DO NOTHING"
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
        """Change what was overwritten after `as_of`, to other values or to none; returns the number of rows."""
        self.facts.select_later(f"{self.facts.available} > {NOW}")
        return self.facts.overwrite(NOW)
