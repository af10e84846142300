"""The facts of one table's copy: its columns, and how the spec says its rows become known."""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

from titleholder.data.leakage.table_copies import Relation, TableCopies
from titleholder.errors import UsageError
from titleholder.spec.source import TableHistory
from titleholder.spec.sql import quoted

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typname, EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = ANY(i.indkey)
    WHERE i.indrelid = %(table)s AND i.indisprimary AND o.attname = a.attname
), NOT a.attnotnull
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %(copy)s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_TIMES = ("date", "timestamp", "timestamptz")
_NAME = re.compile(r"\w+")


class Column(NamedTuple):
    """A column: its quoted name, its type with and without modifiers, in the primary key or not, may be null or not."""

    name: str
    sql_type: str
    type_name: str
    in_key: bool
    nullable: bool = True


class TableFacts:
    """The copy of one table. `known` and `available` are SQL over a row; `time_columns` are what a computed time reads.

    Raises:
        UsageError: when the spec names a column that the table does not have.
    """

    def __init__(self, copies: TableCopies, table: Relation, history: TableHistory) -> None:
        self.copies, self.table, self.history = copies, table, history
        found = copies.rows(_COLUMNS, {"table": table.oid, "copy": table.copy})
        self.columns = [Column(quoted(name), *more) for name, *more in found]
        self._names = [name for name, *_ in found]
        self._refuse_unknown()
        self.known = self._moment(history.known_at)
        self.available = self._moment(history.available_at) if history.available_at else self.known
        self.until = quoted(history.until) if history.until else ""
        self.changes = [c for c in self.columns if c.name in {quoted(name) for name in history.changes}]
        if self.changes:
            self._number_rows()

    @property
    def names(self) -> set[str]:
        """The names of the columns, as the table has them."""
        return set(self._names)

    @cached_property
    def unique(self) -> set[str]:
        """The quoted names of the columns of the table in which each value occurs once, as its statistics say."""
        found = self.copies.rows(
            "SELECT attname FROM pg_stats WHERE schemaname = pg_my_temp_schema()::regnamespace::text "
            "AND tablename = %s AND n_distinct <= -0.99",
            (self.table.copy.removeprefix("pg_temp."),),
        )
        return {quoted(name) for (name,) in found}

    def column(self, expression: str) -> Column | None:
        """The column that an expression is, or None where it computes something."""
        return next((c for c in self.columns if c.name == expression), None)

    def time_columns(self, expression: str) -> list[Column]:
        """The columns of a time that a computed one reads."""
        words = set(_NAME.findall(expression))
        return [c for c, name in zip(self.columns, self._names, strict=True) if name in words and c.type_name in _TIMES]

    def read_by(self, *expressions: str) -> set[str]:
        """The quoted names of all columns that expressions read."""
        words = {word for expression in expressions for word in _NAME.findall(expression)}
        return {quoted(name) for name in self._names if name in words} | set(expressions)

    def later_dates(self) -> dict[str, int]:
        """Of rows that are written once: the dates that lie after the row became known, and in how many rows."""
        if self.history.changes:
            return {}
        own = self.read_by(self.known, self.available) | {self.until}
        dates = {n: c for n, c in zip(self._names, self.columns, strict=True) if c.type_name in _TIMES}
        others = {name: c.name for name, c in dates.items() if c.name not in own}
        if not others:
            return {}
        known = f"CASE WHEN pg_typeof({self.known}) = 'date'::regtype THEN interval '1 day' - interval '1 us' END"
        end = f"{self.known}::timestamptz + coalesce({known}, interval '0')"
        counts = ", ".join(
            f"count(*) FILTER (WHERE isfinite({c}) AND {c} < '9000-01-01' AND {c}::timestamptz > {end})"
            for c in others.values()
        )
        (found,) = self.copies.rows(f"SELECT {counts} FROM {self.table.copy}")
        return {name: int(rows) for name, rows in zip(others, found, strict=True) if rows}

    def select_later(self, condition: str) -> int:
        """Put the rows that fulfil a condition into `pg_temp.later`, numbered in pseudo-random (hash) order from 0.

        Returns their number.
        """
        self.copies.run("DROP TABLE IF EXISTS pg_temp.later")
        later = self.copies.run(
            "CREATE TEMP TABLE later AS SELECT t.*, t.ctid AS later_row, "
            "row_number() OVER (ORDER BY hashtextextended(t::text, 2)) - 1 AS later_n "
            f"FROM {self.table.copy} t WHERE {condition}"
        )
        self.copies.run("ANALYZE pg_temp.later")
        return later

    def _number_rows(self) -> None:
        """Keep what is overwritten as it is before any change, numbered in pseudo-random (hash) order from 0."""
        changed = ", ".join(column.name for column in self.changes)
        self.copies.run(
            f"CREATE TEMP TABLE {self._any_rows} AS SELECT {changed}, "
            "row_number() OVER (ORDER BY hashtextextended(t::text, 3)) - 1 AS any_n "
            f"FROM {self.table.copy} t"
        )
        self.copies.run(f"ANALYZE pg_temp.{self._any_rows}")

    @property
    def _any_rows(self) -> str:
        return f"any_of_{self.table.copy.removeprefix('pg_temp.')}"

    def overwrite(self, moment: str) -> int:
        """Overwrite the selected rows of the copy, as in `_overwritten`; returns their number."""
        self.copies.run("DROP TABLE IF EXISTS pg_temp.mixed")
        self.copies.run(f"CREATE TEMP TABLE mixed AS {self._overwritten(moment)}")
        changed = ", ".join(f"{c.name} = mixed.{c.name}" for c in self.changes)
        return self.copies.run(
            f"UPDATE {self.table.copy} AS t SET {changed} FROM pg_temp.mixed WHERE t.ctid = mixed.later_row"
        )

    def _overwritten(self, moment: str) -> str:
        """The rows of `pg_temp.later` as they might be after another change, or before the change: a query over them.

        `pg_temp.later` has rows overwritten in place after `moment`, an expression, with `later_row` and `later_n` from
        0. In one of three, what is overwritten is null where it may be: nothing had happened yet. In the others each
        such column has a value of its own row, of another of them, or of any row of the table; those that are known by
        `moment` then are left out. Columns that are never overwritten stay.
        """
        draw = "hashtextextended('{}', s.later_n) & 3"
        values = {}
        for n, column in enumerate(self.changes):
            null = f"WHEN s.later_n % 3 = 0 THEN NULL::{column.sql_type} " if column.nullable else ""
            c, chosen = column.name, draw.format(n)
            values[c] = f"CASE {null}WHEN {chosen} = 0 THEN s.{c} WHEN {chosen} = 1 THEN o.{c} ELSE any_row.{c} END"
        row = ", ".join(f"{values.get(c.name, f's.{c.name}')} AS {c.name}" for c in self.columns)
        return (
            f"WITH mixed AS (SELECT {row}, s.later_row, s.later_n FROM pg_temp.later s "
            "JOIN pg_temp.later o ON o.later_n = (s.later_n + 1) % (SELECT count(*) FROM pg_temp.later) "
            f"JOIN pg_temp.{self._any_rows} any_row ON any_row.any_n = s.later_n) "
            f"SELECT * FROM mixed WHERE later_n % 3 = 0 OR {self.available} > {moment}"
        )

    def on_trust(self, used: set[str]) -> tuple[str, ...]:
        """Of a table overwritten in place: the used columns that neither `changes` nor `on_trust` names."""
        if not self.history.changes:
            return ()
        declared = {*self.history.changes, *self.history.on_trust, *_NAME.findall(self.history.known_at)}
        return tuple(name for name in self._names if name in used - declared)

    def _moment(self, written: str) -> str:
        return quoted(written) if written in self._names else f"({written})"

    def _refuse_unknown(self) -> None:
        history = self.history
        times = [t for t in (history.known_at, history.available_at) if t and _NAME.fullmatch(t)]
        named = [*times, *filter(None, [history.until]), *history.changes, *history.on_trust]
        if unknown := [name for name in dict.fromkeys(named) if name not in self._names]:
            raise UsageError(
                f"source.tables: {self.table.name} has no column {', '.join(unknown)}; it has {', '.join(self._names)}"
            )
