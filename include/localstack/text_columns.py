"""Numbers and dates that came as text: counted while a file is loaded, and named at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from titleholder.data.table_profile import CODE
from titleholder.spec.sql import quoted

_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = rf"^(\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}([ T].*)?|(\d{{1,2}}[- ])?{_MONTH}[- ]\d{{2,4}})$"
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_WRITTEN_NUMBER = r"^[-+(]?[$€£]? ?\d[\d.,' ]*[)%€$£ ]*$"
"""Numbers as people write them: `1.234,50`, `$ 12`, `13.5%`."""


@dataclass
class _Count:
    """What one text column holds so far: values that are not empty, and the first that is neither number nor date."""

    values: int = 0
    numbers: int = 0
    dates: int = 0
    written: str = ""
    """The first number that needs more than a cast."""
    code: str = ""
    """The first of digits alone that would not be the same as a number."""
    date: str = ""
    other: tuple[int, str] | None = None


class TextColumns:
    """The text columns of the batches of a file, in their order.

    >>> columns = TextColumns()
    >>> columns.add(pa.record_batch({"amount": ["12", "oops", "", "13.5"]}))
    >>> next(columns.warnings()).split(". ")[0]
    "amount came as text: 2 of its 3 values are numbers, 1 is not, such as 'oops' in row 2"
    """

    def __init__(self) -> None:
        self._rows = 0
        self._counts: dict[str, _Count] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the next batch."""
        for field in batch.schema:
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                self._add(self._counts.setdefault(field.name, _Count()), batch[field.name])
        self._rows += batch.num_rows

    def _add(self, count: _Count, column: pa.Array) -> None:
        values = pc.fill_null(pc.utf8_trim_whitespace(column), "")
        filled = pc.not_equal(values, "")
        date = pc.match_substring_regex(values, _DATE)
        number = pc.match_substring_regex(values, _NUMBER)
        written = pc.and_not(pc.match_substring_regex(values, _WRITTEN_NUMBER), pc.or_(date, number))
        other = pc.and_not(filled, pc.or_(date, pc.or_(number, written)))
        count.values += _true(filled)
        count.numbers += _true(number) + _true(written)
        count.dates += _true(date)
        count.written = count.written or _first(column, written)
        count.code = count.code or _first(column, pc.match_substring_regex(values, CODE))
        count.date = count.date or _first(column, date)
        if count.other is None and (position := pc.index(other, True).as_py()) >= 0:
            count.other = (self._rows + position + 1, column[position].as_py())

    def warnings(self) -> Iterator[str]:
        """A sentence for each column most of whose values are numbers, or most of whose values are dates."""
        for name, count in self._counts.items():
            if 2 * max(count.numbers, count.dates) > count.values:
                yield _warning(name, count)


def _true(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _first(column: pa.Array, mask: pa.Array) -> str:
    position = pc.index(mask, True).as_py()
    return column[position].as_py() if position >= 0 else ""


def _warning(name: str, count: _Count) -> str:
    are_numbers = count.numbers >= count.dates
    fitting, kind = (count.numbers, "numbers") if are_numbers else (count.dates, "dates")
    others = count.values - fitting
    found = f"{name} came as text: {fitting:,} of its {count.values:,} values are {kind}"
    if count.other and others:
        row, value = count.other
        found += f", {others:,} {'is' if others == 1 else 'are'} not, such as {value!r} in row {row:,}"
    elif written := (count.written if are_numbers else count.date):
        found += f", such as {written!r}"
    elif count.code:
        found += f", such as {count.code!r}, whose digits a number would not keep"
    column = quoted(name)  # always, because a plain `user` or `order` means something else in SQL
    if not are_numbers:
        how = f"with {_dated(column, count.date)} or another pattern"
    elif "," in count.written and "." not in count.written.rpartition(",")[2]:
        digits = f"regexp_replace({column}, '[^-+0-9,]', '', 'g')"
        how = f"with replace({digits}, ',', '.')::float8 where the comma is the decimal mark"
    elif count.written:
        how = f"with replace and a cast, such as replace({column}, '%', '')::float8"
    elif count.other:
        how = f"for example nullif({column}, {_literal(count.other[1])})::float8"
    else:
        how = f"with {column}::float8"
    advice = f"Correct the file, or convert the column in the query, {how}."
    return f"{found}. {advice} Codes, such as postal codes, may stay text."


def _dated(column: str, example: str) -> str:
    """SQL that keeps the time of day, where the example has one."""
    if ":" in example:
        return f"to_timestamp({column}, 'DD.MM.YYYY HH24:MI:SS')"
    return f"to_date({column}, 'DD.MM.YYYY')"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
