"""The facts of one table's copy: its columns, and how the spec says its rows become known."""

from __future__ import annotations

import re
from typing import NamedTuple

from titleholder.data.leakage.table_copies import Relation, TableCopies
from titleholder.errors import UsageError
from titleholder.spec.source import TableHistory
from titleholder.spec.sql import quoted

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typname, EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = ANY(i.indkey)
    WHERE i.indrelid = %(table)s AND i.indisprimary AND o.attname = a.attname
)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %(copy)s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_TIMES = ("date", "timestamp", "timestamptz")
_NAME = re.compile(r"\w+")


class Column(NamedTuple):
    """A column: its quoted name, its type with and without modifiers, and whether it belongs to the primary key."""

    name: str
    sql_type: str
    type_name: str
    in_key: bool


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

    @property
    def names(self) -> set[str]:
        """The names of the columns, as the table has them."""
        return set(self._names)

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
