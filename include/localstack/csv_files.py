"""CSV files as typed columns. The whole file decides on the types, not its first block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from localstack import decimals
from titleholder.data.csv_file import CsvFile
from titleholder.data.decimals import converted
from titleholder.data.table_profile import CODE, ZEROS_IN_FRONT
from titleholder.errors import DataError, UsageError

_WIDER = (
    pa.null(),
    pa.bool_(),
    pa.int64(),
    pa.float64(),
    pa.date32(),
    pa.timestamp("ns"),
    pa.timestamp("ns", "UTC"),
    pa.string(),
    pa.binary(),
)
"""The types in the order in which they are tried once a value does not fit the one before."""
_MISFIT = re.compile(r"In CSV column #(\d+): .*conversion error", re.DOTALL)
OnRows = Callable[[int], None]


class Layout(NamedTuple):
    """The types of a file's columns, and the number of its rows."""

    schema: pa.Schema
    rows: int
    written: Mapping[str, str] = MappingProxyType({})
    """Columns of numbers that are read as text first, with the sign that each value has, such as %, or none."""
    commas: Sequence[str] = ()
    """Columns of text that would be numbers with a decimal comma."""


@dataclass(frozen=True)
class CsvTable:
    """A CSV file whose columns get types. Without a decimal mark it is a point, and commas are reported."""

    file: CsvFile

    def layout(self, on_rows: OnRows) -> Layout:
        """The type of each column, which fits every value, after all rows were read.

        Numbers with zeros in front, or with more digits than a number keeps, are text: 007 is a code. With a decimal
        mark that was given, the other one may group thousands, and a sign such as % is left out that every value has.

        Raises:
            UsageError: the file cannot be read as CSV, or its decimal mark was not given and two fit.
            DataError: it has text that is not in its encoding; names the column and the row.
        """
        chosen: dict[str, pa.DataType] = {}
        schema = None
        while True:
            try:
                reader, rows = self.file.open(chosen), 0
                schema = reader.schema
                for batch in reader:
                    rows += batch.num_rows
                    on_rows(rows)
                break
            except pa.ArrowInvalid as error:
                if schema is None or not (misfit := _MISFIT.search(str(error))):
                    raise self.file.unreadable(error) from None
                field = schema.field(int(misfit[1]))
                chosen[field.name] = _next(chosen.get(field.name, field.type))
        if not rows:
            raise UsageError(f"{self.file.path.name} has a header and no rows")
        self.file.refuse_names(schema.names, schema.names)
        self._refuse_bytes(schema)
        texts = self._codes(schema)
        schema = pa.schema(
            [(f.name, pa.string() if f.name in texts or pa.types.is_null(f.type) else f.type) for f in schema]
        )
        written = {f.name: pa.string() for f in schema if pa.types.is_string(f.type) or pa.types.is_floating(f.type)}
        surveys = decimals.survey(self.file.open(written, [*written]) if written else ())
        if self.file.decimal is None:
            return Layout(schema, rows, commas=decimals.with_commas(self.file.path.name, schema, surveys))
        numbers = decimals.numbers(schema, surveys, self.file.decimal)
        return Layout(
            pa.schema([(f.name, pa.float64() if f.name in numbers else f.type) for f in schema]), rows, numbers
        )

    def batches(self, layout: Layout) -> pa.RecordBatchReader:
        """The rows with these types; an empty cell is null in every column, of text too."""
        schema = layout.schema
        found = self.file.open({f.name: pa.string() if f.name in layout.written else f.type for f in schema})
        return pa.RecordBatchReader.from_batches(schema, (self._converted(batch, layout) for batch in found))

    def _converted(self, batch: pa.RecordBatch, layout: Layout) -> pa.RecordBatch:
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if self.file.decimal and name in layout.written:
                columns.append(converted(column, self.file.decimal, layout.written[name]))
            elif pa.types.is_string(column.type):
                columns.append(pc.if_else(pc.equal(column, ""), None, column))
            else:
                columns.append(column)
        return pa.RecordBatch.from_arrays(columns, schema=layout.schema)

    def _codes(self, schema: pa.Schema) -> set[str]:
        """The columns of numbers that would lose zeros in front, or digits."""
        numbers = {f.name: pa.string() for f in schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)}
        found: set[str] = set()
        for batch in self.file.open(numbers, [*numbers]) if numbers else ():
            for name in numbers.keys() - found:
                if pc.any(pc.match_substring_regex(batch[name], _lost_as(schema.field(name).type))).as_py():
                    found.add(name)
        return found

    def _refuse_bytes(self, schema: pa.Schema) -> None:
        """Text that is not UTF-8 would come as bytes, which no query can use."""
        suspects = [field.name for field in schema if pa.types.is_binary(field.type)]
        if not suspects:
            return
        column, row, value = next(self._undecodable(dict(zip(schema.names, schema.types, strict=True)), suspects))
        raise DataError(
            f"{self.file.path.name}: row {row:,} of column {column!r} has {value!r}, which {self.file.not_text}. "
            "Nothing was loaded"
        )

    def _undecodable(self, types: dict[str, pa.DataType], columns: list[str]) -> Iterator[tuple[str, int, bytes]]:
        before = 0
        for batch in self.file.open(types):
            for column in columns:
                for n, value in enumerate(batch[column].to_pylist(), start=before + 1):
                    if value is not None and not _is_utf8(value):
                        yield column, n, value
            before += batch.num_rows


def _next(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit != "ns":
        return pa.timestamp("ns", kind.tz)
    known = kind if kind in _WIDER else pa.timestamp("ns", "UTC")  # a time of day, for example, becomes text
    return _WIDER[_WIDER.index(known) + 1]


def _lost_as(kind: pa.DataType) -> str:
    """The numbers that a column of this type would change; whole ones of 64 bits keep their digits."""
    return CODE if pa.types.is_floating(kind) else ZEROS_IN_FRONT


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
