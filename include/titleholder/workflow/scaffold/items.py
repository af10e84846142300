"""What the query of a new model returns, and what it leaves out."""

from __future__ import annotations

from typing import NamedTuple

from titleholder.data.table_profile import AMOUNT, NUMBER, ColumnProfile

MOSTLY = 0.95
"""The share of texts that must be numbers for the column to be read as numbers."""


class Item(NamedTuple):
    """A column of the query: its SQL, its name in the spec, why it has its role, and what to check."""

    sql: str
    alias: str
    why: str = ""
    note: str = ""


class LeftOut(NamedTuple):
    """A column of the table that the query does not return."""

    name: str
    why: str


def number(column: ColumnProfile) -> str:
    """A text as a number, null where it is none."""
    if column.amounts > column.numbers:
        digits = f"regexp_replace({column.quoted}, '[^-+0-9.]', '', 'g')"
        return f"case when {column.quoted} ~ '{AMOUNT}'\n        then {digits}::double precision end"
    return f"case when {column.quoted} ~ '{NUMBER}' then {column.quoted}::double precision end"


def written_as_numbers(column: ColumnProfile, rows: int) -> bool:
    """Whether a column is text and, in these rows, almost always written as a number, and no code such as `0742`."""
    if column.kind != "text" or column.codes:
        return False
    return max(column.numbers, column.amounts) >= MOSTLY * (rows - column.nulls)
