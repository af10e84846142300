"""What a table of the warehouse holds: columns, types, and facts about the values of each."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from titleholder.errors import UsageError

FEW = 12
"""A column's values are listed where it has at most this many."""
Kind = Literal["number", "boolean", "text", "date", "other"]
"""What a column's type is good for; `date` is a date or a timestamp."""
_DAYS = {
    "DD.MM.YYYY": r"\d{1,2}[./](0?[1-9]|1[0-2])[./]\d{4}",
    "MM/DD/YYYY": r"(0?[1-9]|1[0-2])/\d{1,2}/\d{4}",
}
_TIMES = {
    "": "",
    " HH24:MI:SS": r" \d{1,2}:\d{2}(:\d{2})?",
    " HH12:MI AM": r" \d{1,2}:\d{2} ?[AaPp][Mm]",
    " HH12:MI:SS AM": r" \d{1,2}:\d{2}:\d{2} ?[AaPp][Mm]",
}
DATE_FORMATS = {
    r"^\d{4}-\d{2}-\d{2}[T ].*\d ?(Z|[+-]\d{2}(:?\d{2})?)$": "cast({c} as timestamptz)",
    r"^\d{4}-\d{2}-\d{2}([T ].*)?$": "cast({c} as timestamp)",
    r"^\d{4}-(0[1-9]|1[0-2])$": "to_timestamp({c}, 'YYYY-MM')",
    r"^\d{1,2}-[A-Za-z]{3}-\d{2}(\d{2})?$": "cast({c} as timestamp)",
    r"^[A-Za-z]{3}-\d{4}$": "to_timestamp({c}, 'Mon-YYYY')",
    **{f"^{_DAYS[d]}{_TIMES[t]}$": f"to_timestamp({{c}}, '{d}{t}')" for t in _TIMES for d in _DAYS},
}
"""How dates are written as text, and what makes a timestamp of one; {c} is the column."""
NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
AMOUNT = r"^\s*[-+]?[$€£]?\s*(\d+|[1-9]\d{0,2}(,\d{3})+)(\.\d*)?\s*%?\s*$"
"""How a number is written as text, and how an amount is: `$60,000.00` or `7.5 %`."""
GROUPED, POINTED = r"^\D*\d{1,3},\d{3}\D*$", r"\.\d"
"""Numbers with one comma, which may group thousands or be a decimal mark, and with a decimal point."""
ZEROS_IN_FRONT = r"^\s*[-+]?0\d+\s*$"
CODE = rf"{ZEROS_IN_FRONT}|^\s*[-+]?\d{{16,}}\s*$"
"""Digits that a number does not keep: zeros in front, or more than a float has."""


class ColumnProfile(BaseModel):
    """A column, and facts about its values in the rows that were looked at.

    `nulls` and `distinct` are counts; `blanks` are texts of nothing, which count as nulls. `numbers`, `amounts` and
    `codes` are how many texts are written as `NUMBER`, `AMOUNT` and `CODE` say, `grouped` and `pointed` as `GROUPED`
    and `POINTED` do. `date_format` is the pattern of `DATE_FORMATS` that every text follows. `first` and `last` are the
    range of a date. `values` are those of a column with few, with their counts, the most frequent first.

    >>> ColumnProfile(name="Amount", quoted='"Amount"', sql_type="integer", kind="number", nulls=2, distinct=40).unique
    False
    """

    model_config = ConfigDict(frozen=True)

    name: str
    quoted: str
    sql_type: str
    kind: Kind
    unique: bool = False
    """A unique index says so, or no two of the rows have the same value."""
    nulls: int = 0
    distinct: int = 0
    blanks: int = 0
    numbers: int = 0
    amounts: int = 0
    codes: int = 0
    grouped: int = 0
    pointed: int = 0
    date_format: str | None = None
    other_format: str | None = None
    """Another pattern that every text follows: nothing tells its day from its month."""
    first: datetime | None = None
    last: datetime | None = None
    values: dict[str, int] = {}

    @property
    def value(self) -> str:
        """An SQL expression for the values, in which a blank text is null."""
        return f"nullif(btrim({self.quoted}), '')" if self.blanks else self.quoted

    @property
    def moment(self) -> str:
        """An SQL expression for a column of dates, also of dates written as text."""
        return DATE_FORMATS[self.date_format].format(c=self.value) if self.date_format else self.quoted

    @property
    def is_date(self) -> bool:
        """Whether it is a date, or text that is always written like one."""
        return self.kind == "date" or self.date_format is not None


class TableProfile(BaseModel):
    """A table and its columns; `rows` is the number of rows that were looked at, `total` an estimate of all.

    >>> TableProfile(name="lender.loans", is_view=False, rows=10, total=10, columns=()).rows
    10
    """

    model_config = ConfigDict(frozen=True)

    name: str
    """Qualified, and quoted where PostgreSQL needs it."""
    is_view: bool
    rows: int
    total: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """The column of this name.

        Raises:
            UsageError: naming the nearest, and all.
        """
        names = [c.name for c in self.columns]
        if name not in names:
            close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1)
            near = next((n for n in names if close and n.lower() == close[0]), None)
            hint = f" Did you mean {near!r}?" if near else ""
            raise UsageError(f"{self.name} has no column {name!r}.{hint} It has {', '.join(names)}")
        return next(c for c in self.columns if c.name == name)
