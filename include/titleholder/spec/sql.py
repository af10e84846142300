"""A model's SQL: its bound parameters, found without touching strings, comments or casts, and what is put around it."""

from __future__ import annotations

import re

PARAMETERS = ("as_of", "window_start", "window_end")

_TOKEN = re.compile(
    r"""
      --[^\n]*                          # comment to the end of the line
    | /\*.*?\*/                         # block comment
    | (?P<tag>\$\w*\$).*?(?P=tag)       # dollar-quoted string
    | '(?:[^']|'')*'                    # string
    | "(?:[^"]|"")*"                    # quoted identifier
    | ::                                # cast
    | (?P<end>;)(?=(?:[\s;]|--[^\n]*(?:\n|\Z)|/\*(?:(?!\*/).)*\*/)*\Z)  # semicolon with only comments behind it
    | :(?P<name>[A-Za-z_]\w*)           # bound parameter
    """,
    re.VERBOSE | re.DOTALL,
)


def parameters(sql: str) -> list[str]:
    """Names of the bound parameters in `sql`, in order of first appearance."""
    return list(dict.fromkeys(m["name"] for m in _TOKEN.finditer(sql) if m["name"]))


def setting(name: str) -> str:
    """The name of the transaction's setting that carries a parameter's value."""
    return f"titleholder.{name}"


def from_settings(sql: str) -> str:
    """`sql` with each `:name` replaced by a timestamptz read from the transaction's setting of that name.

    PostgreSQL streams a result (COPY) only of a query without parameters, so the values are bound to settings first;
    the inner SELECT lets it read a setting once a query, not once a row. A semicolon at the end goes, so that the query
    can stand in parentheses.
    """

    def place(match: re.Match[str]) -> str:
        if match["end"]:
            return ""
        name = match["name"]
        return match[0] if name is None else f"(SELECT current_setting('{setting(name)}')::timestamptz)"

    return _TOKEN.sub(place, sql).strip()


def ordered(sql: str, event_time: str, entity: str) -> str:
    """The rows of `sql` in the order of a snapshot."""
    return f"SELECT * FROM (\n{from_settings(sql)}\n) AS extract ORDER BY {quoted(event_time)}, {quoted(entity)}"  # noqa: S608  (values are bound)


def by_day(sql: str, event_time: str) -> str:
    """How many rows of `sql` there are by the day of their event."""
    day = f"date_trunc('day', {quoted(event_time)}::timestamptz)"
    return f"SELECT {day} AS day, count(*) AS events FROM (\n{from_settings(sql)}\n) AS extract GROUP BY 1"  # noqa: S608  (values are bound)


def quoted(identifier: str) -> str:
    """An identifier as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'
