"""A model's SQL: its bound parameters (outside strings, comments and casts), and the queries built around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import AfterValidator

from titleholder.spec.sql_tokens import tokens

PARAMETERS = ("as_of", "window_start", "window_end")
SPACE = " \t\n\r\f\v"
"""What PostgreSQL takes for space: a non-breaking space is a letter."""
SHOWN = 60
"""Characters of a query that are shown in a message."""


def parameters(sql: str) -> list[str]:
    """Names of the bound parameters in `sql`, in order of first appearance."""
    return list(dict.fromkeys(token.text[1:] for token in tokens(sql) if token.kind == "parameter"))


def unfinished(sql: str) -> str:
    """A clause about the string, name or comment of `sql` that never ends; empty without one.

    >>> unfinished("select 1, 'it''s")
    "in line 1 a quote or comment begins and never ends: 'it''s"
    """
    line = 1
    for token in tokens(sql):
        if token.kind == "unfinished":
            shown = token.text.split("\n")[0][:SHOWN].strip()
            return f"in line {line} a quote or comment begins and never ends: {shown}"
        line += token.text.count("\n")
    return ""


def binding_fault(sql: str) -> str:
    """A sentence about a query that cannot be read, or does not bind just `PARAMETERS`; empty without a fault.

    >>> binding_fault("select :as_of, :window_start, :window_end, :day")
    'the query binds :day; valid are :as_of, :window_start, :window_end'
    """
    if "\0" in sql:
        return "the query has a NUL character, which PostgreSQL does not take"
    if clause := unfinished(sql):
        return f"the query cannot be read: {clause}"
    found, valid = parameters(sql), _names(PARAMETERS)
    unknown = _names(name for name in found if name not in PARAMETERS)
    if missing := _names(name for name in PARAMETERS if name not in found):
        instead = f", but {unknown}" if unknown else ""
        return f"the query must bind {valid}; it does not bind {missing}{instead}"
    return f"the query binds {unknown}; valid are {valid}" if unknown else ""


def _names(found: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in found)


def _bound(sql: str) -> str:
    if why := binding_fault(sql):
        raise ValueError(why)
    return sql


BoundQuery = Annotated[str, AfterValidator(_bound)]
"""The text of a query that binds just `PARAMETERS`; the type of a key of a spec."""


def without_comments(sql: str) -> str:
    """`sql` without its comments."""
    return "".join(" " if token.kind == "comment" else token.text for token in tokens(sql))


def setting(name: str) -> str:
    """The name of the transaction setting that holds a parameter's value."""
    return f"titleholder.{name}"


def from_settings(sql: str) -> str:
    """`sql` with each `:name` replaced by a timestamptz read from the transaction's setting of that name.

    PostgreSQL streams a result (COPY) only for a query without parameters, so the values are bound to settings first;
    with the inner SELECT it reads a setting once a query, not once a row. A semicolon at the end is removed, so that
    the query can be a subquery.
    """
    found = list(tokens(sql))
    statement = len(found)
    while statement and (found[statement - 1].kind in ("space", "comment") or found[statement - 1].is_mark(";")):
        statement -= 1
    sent = [_from_setting(token.text[1:]) if token.kind == "parameter" else token.text for token in found[:statement]]
    return "".join([*sent, *(token.text for token in found[statement:] if not token.is_mark(";"))]).strip(SPACE)


def _from_setting(name: str) -> str:
    return f"(SELECT current_setting('{setting(name)}')::timestamptz)"


def ordered(sql: str, event_time: str, entity: str) -> str:
    """A query for the rows of `sql` in the order of a snapshot."""
    return f"SELECT * FROM (\n{from_settings(sql)}\n) AS extract ORDER BY {quoted(event_time)}, {quoted(entity)}"  # noqa: S608  (values are bound)


def in_any_order(sql: str) -> str:
    """A query for the rows of `sql`, which may end with a comment or a semicolon."""
    return f"SELECT * FROM (\n{from_settings(sql)}\n) AS extract"  # noqa: S608  (values are bound)


def columns_of(sql: str) -> str:
    """A query for no row of `sql`, but with its columns."""
    return f"SELECT * FROM (\n{from_settings(sql)}\n) AS extract LIMIT 0"  # noqa: S608  (values are bound)


def line_of(position: int, statement: str, sql: str) -> int | None:
    """The line of `sql`, from 1, of a character of a statement around it, from 1; None where it lies outside of `sql`.

    >>> sql = "\\nselect nothing\\nfrom t where d < :as_of"
    >>> statement = ordered(sql, "d", "id")
    >>> line_of(statement.index("from t") + 1, statement, sql), line_of(len(statement), statement, sql)
    (3, None)
    """
    body = from_settings(sql)
    within = position - 1 - statement.find(body)
    if body not in statement or not 0 <= within < len(body):
        return None
    blank = sql[: len(sql) - len(sql.lstrip(SPACE))].count("\n")
    return blank + body[:within].count("\n") + 1


def quoted_line(line: int | None, sql: str) -> str:
    """`, line 3 (...)` with the text of that line of `sql`; empty for None.

    >>> quoted_line(2, "select a\\n  from t")
    ', line 2 (`from t`)'
    """
    if not line:
        return ""
    text = sql.split("\n")[line - 1].strip()  # not splitlines(), to which more than that ends a line
    return f", line {line} (`{text}`)"


def by_day(sql: str, event_time: str, outcome: str, number: str, where: str | None = None) -> str:
    """A query for the number of rows of `sql` by the day of their event, with their lowest and highest outcome.

    `events` is the number of those with outcome 1. Outcomes are cast to the type `number`: PostgreSQL has no lowest of
    true and false. With `where`, only the rows in which that column is true.
    """
    day, value = f"date_trunc('day', {quoted(event_time)}::timestamptz)", f"{quoted(outcome)}::{number}"
    counts = f"count(*) AS rows, min({value}) AS lowest, max({value}) AS highest"
    counts += f", count(*) FILTER (WHERE {value} = 1) AS events"
    some = f"WHERE {quoted(where)} " if where else ""
    return f"SELECT {day} AS day, {counts} FROM (\n{from_settings(sql)}\n) AS extract {some}GROUP BY 1"  # noqa: S608  (values are bound)


def quoted(identifier: str) -> str:
    """An identifier in double quotes, escaped."""
    return '"' + identifier.replace('"', '""') + '"'


def without(column: str | None, names: Sequence[str], query: str) -> str:
    """A query whose columns have these names, without one of them.

    >>> without("bad_on", ["id", "bad_on", "amount"], "select * from loans")
    'select q."id", q."amount" from (select * from loans) q'
    """
    if column not in names:
        return query
    kept = ", ".join(f"q.{quoted(name)}" for name in names if name != column)
    return f"select {kept} from ({query}) q"  # noqa: S608  (names are quoted)
