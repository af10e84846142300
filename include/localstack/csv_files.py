"""CSV files as typed columns. The whole file decides on the types, not its first block."""

from __future__ import annotations

import codecs
import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from localstack import decimals
from titleholder.data.table_profile import CODE, ZEROS_IN_FRONT
from titleholder.errors import DataError, UsageError

BLOCK = 16 << 20
"""Bytes of the first block, by which types are guessed, and of each block that is read."""
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
_NO_UTF8 = "is not UTF-8. Say how the file is written, such as --encoding latin-1"
OnRows = Callable[[int], None]


class Layout(NamedTuple):
    """The types of a file's columns, and the number of its rows."""

    schema: pa.Schema
    rows: int
    grouped: frozenset[str] = frozenset()
    """Columns of numbers that are read as text first: they have groups of thousands."""
    commas: Sequence[str] = ()
    """Columns of text that would be numbers with a decimal comma."""


@dataclass(frozen=True)
class CsvFile:
    """A CSV file (`.gz` too) with a header, and how it is written."""

    path: Path
    encoding: str
    delimiter: str
    decimal: decimals.Mark | None = None
    """The decimal mark of its numbers; None where it was not given: then a point, and commas are reported."""

    def layout(self, on_rows: OnRows) -> Layout:
        """The type of each column, which fits every value, after all rows were read.

        Numbers with zeros in front, or with more digits than a number keeps, are text: 007 is a code. With a decimal
        mark that was given, the other one may group thousands.

        Raises:
            UsageError: the file cannot be read as CSV, or its decimal mark was not given and two fit.
            DataError: it has text that is not in its encoding; names the column and the row.
        """
        chosen: dict[str, pa.DataType] = {}
        schema = None
        while True:
            try:
                reader, rows = self.open(chosen), 0
                schema = reader.schema
                for batch in reader:
                    rows += batch.num_rows
                    on_rows(rows)
                break
            except pa.ArrowInvalid as error:
                if schema is None or not (misfit := _MISFIT.search(str(error))):
                    raise UsageError(f"{self.path.name} cannot be read: {error}{self._hint()}") from None
                field = schema.field(int(misfit[1]))
                chosen[field.name] = _next(chosen.get(field.name, field.type))
        if not rows:
            raise UsageError(f"{self.path.name} has a header and no rows")
        if twice := [name for name, n in Counter(schema.names).items() if n > 1]:
            raise UsageError(f"{self.path.name}: its header has {', '.join(map(repr, twice))} twice; rename one")
        self._refuse_bytes(schema)
        texts = self._codes(schema)
        schema = pa.schema(
            [(f.name, pa.string() if f.name in texts or pa.types.is_null(f.type) else f.type) for f in schema]
        )
        written = {f.name: pa.string() for f in schema if pa.types.is_string(f.type) or pa.types.is_floating(f.type)}
        surveys = decimals.survey(self.open(written, [*written]) if written else ())
        if self.decimal is None:
            return Layout(schema, rows, commas=decimals.with_commas(self.path.name, schema, surveys))
        grouped = decimals.numbers(schema, surveys, self.decimal)
        return Layout(
            pa.schema([(f.name, pa.float64() if f.name in grouped else f.type) for f in schema]), rows, grouped
        )

    def batches(self, layout: Layout) -> pa.RecordBatchReader:
        """The rows with these types; an empty cell is null in every column, of text too."""
        schema = layout.schema
        found = self.open({f.name: pa.string() if f.name in layout.grouped else f.type for f in schema})
        return pa.RecordBatchReader.from_batches(schema, (self._converted(batch, layout) for batch in found))

    def _converted(self, batch: pa.RecordBatch, layout: Layout) -> pa.RecordBatch:
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if self.decimal and name in layout.grouped:
                columns.append(decimals.converted(column, self.decimal))
            elif pa.types.is_string(column.type):
                columns.append(pc.if_else(pc.equal(column, ""), None, column))
            else:
                columns.append(column)
        return pa.RecordBatch.from_arrays(columns, schema=layout.schema)

    def open(self, types: dict[str, pa.DataType], only: Sequence[str] = ()) -> Any:
        """A reader of the file with these types; the other columns' are guessed from the first block."""
        try:
            reader = pa.csv.open_csv(
                self.path,
                pa.csv.ReadOptions(encoding=self.encoding, block_size=BLOCK),
                pa.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                pa.csv.ConvertOptions(
                    column_types=types, include_columns=list(only), decimal_point=self.decimal or "."
                ),
            )
            _ = reader.schema.names  # the header is decoded here
        except UnicodeDecodeError:
            raise DataError(f"{self.path.name}: its header {_NO_UTF8}. Nothing was loaded") from None
        except LookupError:
            raise UsageError(f"--encoding {self.encoding!r} is not known; use utf-8, latin-1, cp1252, utf-16") from None
        except OSError as error:
            raise UsageError(f"{self.path.name} cannot be read: {error}") from None
        return reader

    def _codes(self, schema: pa.Schema) -> set[str]:
        """The columns of numbers that would lose zeros in front, or digits."""
        numbers = {f.name: pa.string() for f in schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)}
        found: set[str] = set()
        for batch in self.open(numbers, [*numbers]) if numbers else ():
            for name in numbers.keys() - found:
                if pc.any(pc.match_substring_regex(batch[name], _lost_as(schema.field(name).type))).as_py():
                    found.add(name)
        return found

    def _hint(self) -> str:
        opener = gzip.open if self.path.suffix.lower() == ".gz" else open
        with opener(self.path, "rb") as file:
            header = file.readline(1 << 16)
        if header.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return ". The file is UTF-16: use --encoding utf-16"
        mark = max(b";", b"\t", b"|", key=header.count).decode()
        other = self.delimiter.encode() not in header and mark.encode() in header
        return f". Its header has {mark!r} between the names: use --delimiter {mark!r}" if other else ""

    def _refuse_bytes(self, schema: pa.Schema) -> None:
        """Text that is not UTF-8 would come as bytes, which no query can use."""
        suspects = [field.name for field in schema if pa.types.is_binary(field.type)]
        if not suspects:
            return
        column, row, value = next(self._undecodable(dict(zip(schema.names, schema.types, strict=True)), suspects))
        raise DataError(
            f"{self.path.name}: row {row:,} of column {column!r} has {value!r}, which {_NO_UTF8}. Nothing was loaded"
        )

    def _undecodable(self, types: dict[str, pa.DataType], columns: list[str]) -> Iterator[tuple[str, int, bytes]]:
        before = 0
        for batch in self.open(types):
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
