"""Parquet files as columns that PostgreSQL has a type for, and what could not come as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from titleholder.errors import UsageError

BATCH = 10_000
LARGEST = 2**63 - 1
"""The largest whole number of PostgreSQL's bigint."""


def opened(path: Path, on_rows: Callable[[int], None]) -> tuple[pa.RecordBatchReader, int, list[str]]:
    """A reader of the rows, their number, and sentences about columns that come in another way.

    Whole numbers beyond 64 bits with a sign are text, with all digits. Columns of records are left out.

    Raises:
        UsageError: the file cannot be read, or has no column to load.
    """
    try:
        parquet = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    schema = parquet.schema_arrow
    records = [f.name for f in schema if pa.types.is_struct(f.type) or pa.types.is_map(f.type)]
    large = _too_large(parquet, [f.name for f in schema if pa.types.is_uint64(f.type)], on_rows)
    kept = pa.schema([pa.field(f.name, pa.string()) if f.name in large else f for f in schema if f.name not in records])
    if not len(kept):
        raise UsageError(f"{path.name}: each of its columns ({', '.join(records)}) has records, which no table takes")
    said = [
        f"{name} is left out: it has records ({schema.field(name).type}). Write what you need of them as columns."
        for name in records
    ]
    batches = parquet.iter_batches(BATCH, columns=kept.names)
    return pa.RecordBatchReader.from_batches(kept, _typed(batches, kept)), parquet.metadata.num_rows, said


def _too_large(parquet: pq.ParquetFile, names: list[str], on_rows: Callable[[int], None]) -> set[str]:
    """The columns with a number that bigint does not hold, and would make negative."""
    found: set[str] = set()
    rows = 0
    for batch in parquet.iter_batches(BATCH, columns=names) if names else ():
        rows += batch.num_rows
        on_rows(rows)
        found |= {name for name in names if (pc.max(batch[name]).as_py() or 0) > LARGEST}
    return found


def _typed(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = [
            batch[field.name].cast(field.type) if pa.types.is_uint64(batch[field.name].type) else batch[field.name]
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
