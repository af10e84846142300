"""Questions about the values of one table of the warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import psycopg2

from titleholder.data import table_names, warehouse
from titleholder.data.table_profile import (
    AMOUNT,
    CODE,
    DATE_FORMATS,
    FEW,
    GROUPED,
    NUMBER,
    POINTED,
    ColumnProfile,
    Kind,
    TableProfile,
)
from titleholder.errors import DataError

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

SAMPLE = 200_000
"""Of a table with more rows than this, about so many are looked at; the first and last dates are those of all rows."""

_COLUMNS = """
SELECT a.attname, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), t.typcategory::text, t.typname,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indpred IS NULL
            AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class TableReader:
    """A session for questions about one table."""

    def __init__(self, cursor: cursor, table: str) -> None:
        self._cursor = cursor
        (self._oid, self.name, relkind, estimate) = table_names.find(cursor, table, "--from")
        self.is_view = relkind == "v"
        self.total = int(estimate)
        large = relkind in "rm" and estimate > SAMPLE
        self._source = self.name
        if large:
            self._source = f"{self.name} TABLESAMPLE SYSTEM ({100 * SAMPLE / estimate:.6f}) REPEATABLE (1)"

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._cursor.execute(statement, values or None)
        return self._cursor.fetchall()

    def profile(self, on_column: Callable[[str], None] = lambda _: None) -> TableProfile:
        """Columns, types and facts."""
        ((rows,),) = self._rows(f"SELECT count(*) FROM {self._source}")
        columns = []
        for name, quoted, sql_type, category, typname, indexed in self._rows(_COLUMNS, (self._oid,)):
            on_column(str(name))
            column = ColumnProfile(
                name=name, quoted=quoted, sql_type=sql_type, kind=_kind(str(category), str(typname)), unique=indexed
            )
            columns.append(self._with_facts(column, int(rows)))
        return TableProfile(
            name=self.name, is_view=self.is_view, rows=rows, total=max(self.total, rows), columns=tuple(columns)
        )

    def _with_facts(self, column: ColumnProfile, rows: int) -> ColumnProfile:
        if column.kind == "other":
            return column
        if column.kind == "text":
            column = column.model_copy(update=self._text(column.quoted))
        c = column.value
        ((known, distinct),) = self._rows(f"SELECT count({c}), count(DISTINCT {c}) FROM {self._source}")
        facts: dict[str, object] = {"nulls": rows - int(known), "distinct": distinct}
        facts["unique"] = column.unique or (rows > 0 and known == rows == distinct)
        if 0 < distinct <= FEW:
            counts = (
                f"SELECT {c}::text, count(*) FROM {self._source} WHERE {c} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
            )
            facts["values"] = dict(self._rows(counts))
        column = column.model_copy(update=facts)
        return column.model_copy(update=self._range(column)) if column.is_date else column

    def _text(self, c: str) -> dict[str, object]:
        patterns = [r"^\s*$", NUMBER, AMOUNT, CODE, GROUPED, POINTED, *DATE_FORMATS]
        name, source = (text.replace("%", "%%") for text in (c, self._source))  # beside the parameters
        counted = ", ".join(f"count(*) FILTER (WHERE {name}::text ~ %s)" for _ in patterns)
        ((known, *counts),) = self._rows(f"SELECT count({name}), {counted} FROM {source}", patterns)
        blanks, numbers, amounts, codes, grouped, pointed, *dates = counts
        following = [p for p, n in zip(DATE_FORMATS, dates, strict=True) if 0 < n == known - blanks]
        found = {
            "blanks": blanks,
            "numbers": numbers,
            "amounts": amounts,
            "codes": codes,
            "grouped": grouped,
            "pointed": pointed,
        }
        first, second, *_ = [*following, None, None]
        return {**found, "date_format": first, "other_format": second if _day_or_month(first, second) else None}

    def _range(self, column: ColumnProfile) -> dict[str, object]:
        finite = f"{column.moment} BETWEEN '0001-01-02' AND '9999-12-30'"
        ((first, last),) = self._rows(
            f"SELECT min({column.moment}), max({column.moment}) FROM {self.name} WHERE {finite}"
        )
        return {"first": _moment(first), "last": _moment(last)}

    def distinct(self, *columns: ColumnProfile) -> int:
        """How many combinations of values the rows that were looked at have."""
        listed = ", ".join(c.quoted for c in columns)
        ((n,),) = self._rows(f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {self._source}) AS d")
        return int(n)

    def days_between(self, start: ColumnProfile, end: ColumnProfile) -> tuple[float, float]:
        """Of the days from one date to another, the first and the 99th percentile; (0, 0) where there are none."""
        lag = f"extract(epoch FROM {end.moment}::timestamp - {start.moment}::timestamp)::float8 / 86400"
        ((low, high),) = self._rows(
            "SELECT percentile_cont(0.01) WITHIN GROUP (ORDER BY lag), "
            "percentile_cont(0.99) WITHIN GROUP (ORDER BY lag) "
            f"FROM (SELECT {lag} AS lag FROM {self._source}) AS lags WHERE lag IS NOT NULL"
        )
        return (float(low or 0.0), float(high or 0.0))

    def days_apart(self, column: ColumnProfile) -> tuple[float, float]:
        """Of the days from each distinct date to the next, the first and the third quartile; (0, 0) without any."""
        moments = f"SELECT DISTINCT {column.moment}::timestamp AS moment FROM {self._source}"
        gap = "extract(epoch FROM moment - lag(moment) OVER (ORDER BY moment))::float8 / 86400"
        ((low, high),) = self._rows(
            "SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY gap), "
            "percentile_disc(0.75) WITHIN GROUP (ORDER BY gap) "
            f"FROM (SELECT {gap} AS gap FROM ({moments}) AS moments) AS gaps WHERE gap IS NOT NULL"
        )
        return (float(low or 0.0), float(high or 0.0))

    def correlations(self, target: str, expressions: dict[str, str]) -> dict[str, float]:
        """The absolute correlation of each SQL expression with the target's, by the name it is given under."""
        if not expressions:
            return {}
        listed = ", ".join(f"abs(corr(({e})::float8, ({target})::float8))" for e in expressions.values())
        (found,) = self._rows(f"SELECT {listed} FROM {self._source}")
        return {name: float(r) for name, r in zip(expressions, found, strict=True) if r is not None}

    def strength(self, target: str, value: str, at_least: int, *, number: bool, binary: bool) -> float:
        """How well an SQL expression alone tells a target: ROC AUC in either direction if that is binary, else R2.

        A text has the mean of the target in the rows with it, that of all where these are fewer than so many. Missing
        numbers are the lowest.

        Source of the ROC AUC from ranks: Hanley & McNeil (1982), Radiology 143(1).
        """
        of_value = (
            f"CASE WHEN count(*) OVER (PARTITION BY value) >= {at_least} "
            "THEN avg(y) OVER (PARTITION BY value) ELSE avg(y) OVER () END"
        )
        scored = (
            f"SELECT y, {'value' if number else of_value} AS score FROM (SELECT ({target})::float8 AS y, "
            f"({value})::{'float8' if number else 'text'} AS value FROM {self._source}) AS rows WHERE y IS NOT NULL"
        )
        if not binary:
            ((r,),) = self._rows(f"SELECT corr(score, y) FROM ({scored}) AS scored")
            return float(r or 0.0) ** 2
        ranked = (
            "SELECT y, rank() OVER (ORDER BY score NULLS FIRST) + (count(*) OVER (PARTITION BY score) - 1) / 2.0 AS r "
            f"FROM ({scored}) AS scored"
        )
        ((ranks, ones, rows),) = self._rows(f"SELECT sum(r * y), sum(y), count(*) FROM ({ranked}) AS ranked")
        ones, zeros = float(ones or 0.0), float(rows - (ones or 0.0))
        auc = (float(ranks) - ones * (ones + 1) / 2) / (ones * zeros) if ones and zeros else 0.5
        return max(auc, 1 - auc)

    def purest(self, target: str, groups: Sequence[str], at_least: int) -> float:
        """The highest mean of the target in a group of at least so many rows; an SQL expression makes groups."""
        means = " UNION ALL ".join(
            "(SELECT avg(y) AS mean FROM ("
            f"SELECT ({target})::float8 AS y, ({group})::text AS value FROM {self._source}"
            f") AS rows WHERE value IS NOT NULL AND y IS NOT NULL GROUP BY value HAVING count(*) >= {at_least})"
            for group in groups
        )
        ((highest,),) = self._rows(f"SELECT max(mean) FROM ({means}) AS means")
        return float(highest or 0.0)


@contextmanager
def reading(url: str, table: str, connection: str) -> Iterator[TableReader]:
    """A read-only session in UTC for questions about a table, `schema.name` or the name of one in `public`.

    Raises:
        UsageError: when there is no such table, naming the nearest.
        ServiceError: when the warehouse cannot be reached.
        DataError: when a statement fails, with PostgreSQL's own message.
    """
    with warehouse.session(url, connection) as opened, opened.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        try:
            yield TableReader(cursor, table)
        except psycopg2.Error as error:
            raise DataError(f"{table} cannot be read: {' '.join(str(error).split())}") from None


def _kind(category: str, typname: str) -> Kind:
    kinds: dict[str, Kind] = {"N": "number", "B": "boolean", "S": "text", "E": "text", "D": "date"}
    return "other" if typname in ("time", "timetz", "money", "oid") else kinds.get(category, "other")


def _day_or_month(first: str | None, second: str | None) -> bool:
    """Whether two patterns of a date read it in different ways."""
    return first is not None and second is not None and not first.startswith(r"^\d{4}")


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None
