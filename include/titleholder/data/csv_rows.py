"""The rows of a CSV file as text: a category 01 stays what it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from titleholder.errors import UsageError

BLOCK = 16 << 20
"""Bytes that are read at a time."""
GAPS = pa.array(["None", "<NA>", *pa.csv.ConvertOptions().null_values])
"""What a gap is called in a column of numbers; in one of texts all but an empty cell are texts."""
EMPTY = pa.array([""])
NO_UTF8 = "invalid UTF8 data"


def read(path: Path, wanted: Collection[str], numbers: Collection[str]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Those of the `wanted` columns that the file has, as (schema, batches).

    An empty cell is a gap; in a column of `numbers` NA and its like are gaps, too. The file may be compressed (`.gz`);
    a name with `.tsv` has tabs between its columns, any other commas.

    Raises:
        UsageError: the file cannot be read, a row has more or fewer cells than the header, or a column is there twice.
    """
    with _explained(path):
        names = _opened(path, ()).schema.names
        _refuse_names(path, names, wanted)
        reader = _opened(path, [name for name in names if name in wanted] or names[:1])
    return reader.schema, _batches(path, reader, numbers)


def _batches(path: Path, reader: pa.csv.CSVStreamingReader, numbers: Collection[str]) -> Iterator[pa.RecordBatch]:
    with _explained(path):
        for batch in reader:
            columns = [
                pc.if_else(pc.is_in(batch[name], GAPS if name in numbers else EMPTY), None, batch[name])
                for name in batch.schema.names
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) or NO_UTF8 in str(error) else error
        raise UsageError(f"{path} cannot be read as CSV: {why}") from error


def _opened(path: Path, columns: Collection[str]) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        path,
        pa.csv.ReadOptions(block_size=BLOCK),
        pa.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=[*columns]),
    )


def _delimiter(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes else ","


def _refuse_names(path: Path, names: list[str], wanted: Collection[str]) -> None:
    if len(names) == 1 and any(other in names[0] for other in ",;\t|"):
        mark = "tabs" if _delimiter(path) == "\t" else "commas"
        raise UsageError(f"{path} has one column, {names[0]!r}: put {mark} between its columns")
    if twice := sorted({name for name in names if names.count(name) > 1 and name in wanted}):
        raise UsageError(f"{path}: the header has {', '.join(twice)} twice")
